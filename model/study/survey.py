"""The first look at a corpus: how many texts and tokens it has, how often each token and relation, and a sample of it."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from model.analysis.dependencies import count_relations
from model.errors import HeadscopeError
from model.study.corpus import Corpus, StudyText
from model.study.encoding import TextEncoder

SAMPLE = 60
# Tokens of a text that is short enough to be read at a glance and long enough to show something.
_SHORTEST, _LONGEST = 8, 24
_FEWEST_CASES, _MOST_RELATIONS = 50, 48
_PIECE = 1024


@dataclass(frozen=True, eq=False)
class Survey:
    """What a study knows of its corpus before it runs the model.

    `count` numbers all texts, those left out too; `frequencies` token id -> occurrences; `relations` are those with enough
    cases; `sample` (number, text) of about SAMPLE short texts, evenly spread; `digest` a SHA-256 of all that is read, as
    text and as tokens.
    """

    count: int
    tokens: int
    left_out: Mapping[str, int]
    frequencies: Mapping[int, int]
    relations: tuple[str, ...]
    sample: tuple[tuple[int, StudyText], ...]
    digest: str


def survey(
    corpus: Corpus, encoder: TextEncoder, *, limit: int | None = None, tokenizer: Any = None,
    report: Callable[[int], None] = lambda _texts: None,
) -> Survey:  # fmt: skip
    """Read the corpus once; `report` is called with the number of texts read. Raises HeadscopeError where none can be run."""
    digest, count = hashlib.sha256(), 0
    left_out, frequencies, relations = Counter[str](), Counter[int](), Counter[str]()
    chosen = _SpreadSample()
    for piece in pieces(corpus, tokenizer, limit, _PIECE):
        for number, (one, ids) in enumerate(zip(piece, encoder.ids(piece), strict=True), start=count):
            digest.update(repr((one.text, one.sentence and one.sentence.words)).encode("utf-8", "surrogatepass"))
            if isinstance(ids, str):
                left_out[ids] += 1
                continue
            frequencies.update(ids)
            chosen.offer(number, one, len(ids))
        relations.update(count_relations([one.sentence for one in piece if one.sentence is not None]))
        count += len(piece)
        report(count)
    if not frequencies:
        reasons = "; ".join(f"{number} {reason}" for reason, number in left_out.items()) or "it is empty"
        raise HeadscopeError(
            f"The data hold no text that can be studied: {reasons}. Choose other files, or cut them by --unit."
        )
    digest.update(repr((count, sorted(frequencies.items()))).encode())
    often = [name for name, cases in relations.most_common(_MOST_RELATIONS) if cases >= _FEWEST_CASES]
    return Survey(
        count, frequencies.total(), dict(left_out), frequencies, tuple(often), chosen.texts(), digest.hexdigest()
    )


def pieces(corpus: Corpus, tokenizer: Any, limit: int | None, size: int, skip: int = 0) -> Iterator[list[StudyText]]:
    """Yield the corpus's texts `size` at a time, at most `limit` in all, without the first `skip` pieces."""
    texts = islice(corpus.texts(tokenizer), skip * size, limit)
    while piece := list(islice(texts, size)):
        yield piece


class _SpreadSample:
    """Keeps the first short text of every stretch of the corpus; stretches grow so that at most 2 * SAMPLE are kept."""

    def __init__(self) -> None:
        self._stretch = 1
        self._kept: dict[int, tuple[bool, int, StudyText]] = {}

    def offer(self, number: int, one: StudyText, tokens: int) -> None:
        """Offer the text of a number, in rising order."""
        short, place = _SHORTEST <= tokens <= _LONGEST, number // self._stretch
        # A text of any length stands in until a short one comes.
        if place not in self._kept or (short and not self._kept[place][0]):
            self._kept[place] = (short, number, one)
        while len(self._kept) > 2 * SAMPLE:
            self._stretch *= 2
            before, self._kept = self._kept, {}
            for _, entry in sorted(before.items()):
                merged = entry[1] // self._stretch
                if merged not in self._kept or (entry[0] and not self._kept[merged][0]):
                    self._kept[merged] = entry

    def texts(self) -> tuple[tuple[int, StudyText], ...]:
        """Return (number, text) of about SAMPLE of those that were offered."""
        entries = [entry for _, entry in sorted(self._kept.items())]
        count = min(SAMPLE, len(entries))
        return tuple(entries[place * len(entries) // count][1:] for place in range(count))
