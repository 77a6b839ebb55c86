"""BLEU of a whole corpus (Papineni et al. 2002) over tokens as Moses makes them, as multi-bleu.perl measures it."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from model.errors import HeadscopeError

_ORDERS = 4
_APART = re.compile(r"([^\w\s.'’`,-])")
_COMMA = re.compile(r"(?<!\d),|,(?!\d)")
_LAST_DOT = re.compile(r"(?<=[^.\s])\.(?=\s*[\"'’)\]«»“”]*\s*$)")


@dataclass(frozen=True)
class Bleu:
    """score = 100 * brevity * exp(mean of log precisions), in percent; precisions are shares of the n-grams, n = 1 to 4."""

    score: float
    precisions: tuple[float, ...]
    brevity: float
    length: int
    reference_length: int


def moses_tokens(text: str) -> list[str]:
    """Return the words and marks of a text, set apart by the main rules of Moses' tokenizer.perl.

    Marks stand alone; a comma inside a number, a dot that does not end the sentence, and hyphens stay in their word.
    """
    text = _APART.sub(r" \1 ", text)
    text = _COMMA.sub(" , ", text)
    text = _LAST_DOT.sub(" . ", text)
    return re.sub(r"(?<!\w)(['’`])|(['’`])(?!\w)", r" \1\2 ", text).split()


def corpus_bleu(found: Sequence[str], references: Sequence[str], *, lowercase: bool = False) -> Bleu:
    """Return BLEU of translations against one reference each; raises HeadscopeError where their numbers differ.

    score = 100 * min(1, e^(1 - r / c)) * (p_1 p_2 p_3 p_4)^(1/4), p_n = clipped matches / n-grams, c and r the lengths of all
    translations and of all references. No smoothing: without a single match of four words the score is 0.
    """
    if len(found) != len(references) or not found:
        raise HeadscopeError(
            f"There are {len(found)} translations and {len(references)} references. Give one for each."
        )
    matches, totals, length, reference_length = [0] * _ORDERS, [0] * _ORDERS, 0, 0
    for pair in zip(found, references, strict=True):
        ours, theirs = (moses_tokens(text.lower() if lowercase else text) for text in pair)
        length, reference_length = length + len(ours), reference_length + len(theirs)
        for order in range(_ORDERS):
            counts, allowed = _ngrams(ours, order + 1), _ngrams(theirs, order + 1)
            matches[order] += (counts & allowed).total()
            totals[order] += counts.total()
    precisions = tuple(match / total if total else 0.0 for match, total in zip(matches, totals, strict=True))
    brevity = min(1.0, math.exp(1 - reference_length / length)) if length else 0.0
    mean = math.exp(sum(map(math.log, precisions)) / _ORDERS) if all(precisions) else 0.0
    return Bleu(100 * brevity * mean, precisions, brevity, length, reference_length)


def _ngrams(tokens: list[str], order: int) -> Counter[Any]:
    return Counter(zip(*(tokens[start:] for start in range(order)), strict=False))
