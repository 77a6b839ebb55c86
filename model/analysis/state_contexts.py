"""One word in several contexts: how its states part, layer by layer (Ethayarajh 2019)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from model.analysis.similarity import aligned_states
from model.analysis.state_similarity import anisotropy, joined_states, mean_cosine, unit_states
from model.analysis.token_alignment import AxisItems, TokenAlignment, bare_word, common_words
from model.errors import HeadscopeError
from model.tokens import Token, word_groups, word_text

Occurrence = tuple[int, tuple[int, ...]]  # the text, and the positions of the word's tokens in it
States = Sequence[np.ndarray]  # of one text, each [position, d_model]


@dataclass(frozen=True, eq=False)
class ContextCosines:
    """Cosines [layer, item] of what two texts have in common, and the anisotropy [layer] that any two states would have."""

    cosine: np.ndarray
    baseline: np.ndarray

    @property
    def distance(self) -> np.ndarray:
        """1 - cosine, [layer, item]."""
        return 1 - self.cosine

    @property
    def adjusted(self) -> np.ndarray:
        """cosine - baseline, [layer, item]: how much nearer than any two states (Ethayarajh 2019, section 3.4)."""
        return self.cosine - self.baseline[:, None]


def word_alignment(first: Sequence[Token], second: Sequence[Token]) -> TokenAlignment:
    """Return which words two texts have in common, in order (`common_words`), as the positions of their tokens.

    A word that stands elsewhere in the order is not among them: `word_occurrences` finds it.
    """
    groups = [word_groups(tokens) for tokens in (first, second)]
    axes = [_word_items(tokens, own) for tokens, own in zip((first, second), groups, strict=True)]
    found = common_words(*axes)
    pairs = tuple((tuple(groups[0][one]), tuple(groups[1][other])) for (one,), (other,) in found.pairs)
    left = (found.only_first, found.only_second)
    alone = (tuple(place for word in words for place in own[word]) for words, own in zip(left, groups, strict=True))
    return TokenAlignment(pairs, *alone)


def word_occurrences(texts: Sequence[Sequence[Token]], word: str) -> tuple[Occurrence, ...]:
    """Return where a word stands in texts, capitals aside; empty where it does not."""
    wanted = bare_word(word.strip()).casefold()
    return tuple(
        (text, tuple(group))
        for text, tokens in enumerate(texts)
        for group in word_groups(tokens)
        if not tokens[group[0]].special and _name(tokens, group) == wanted
    )


def context_cosines(
    first: States,
    second: States,
    alignment: TokenAlignment,
    baseline: Float64[np.ndarray, " layer"] | None = None,
) -> ContextCosines:
    """Return how alike the states of each pair of an alignment are in two texts, layer by layer, through one model.

    cosine[layer, item] of the mean states of the item's tokens in the one and in the other text

    `baseline` is the `anisotropy` of a sample of texts; without one it is that of all tokens of the two texts together, which
    is little to measure it by. Raises HeadscopeError where nothing is in common or the texts are not of one model.
    """
    if not alignment.pairs:
        raise HeadscopeError(
            "The two texts have no word in common. Compare texts that share words, or choose a word of each."
        )
    joined = joined_states([first, second])
    units = [unit_states(np.stack(tables)) for tables in aligned_states(first, second, alignment)]
    cosine = np.clip((units[0] * units[1]).sum(axis=-1), -1, 1)
    return ContextCosines(cosine, anisotropy(joined) if baseline is None else baseline)


def self_similarity(texts: Sequence[States], occurrences: Sequence[Occurrence]) -> Float64[np.ndarray, " layer"]:
    """Return the mean cosine of all pairs of a word's occurrences, layer by layer (Ethayarajh 2019, section 3.3).

    1 where the context changes nothing. It is read beside the `anisotropy` of the same texts, joined, or less it.
    Raises HeadscopeError for fewer than two occurrences, or one that is not there.
    """
    joined = joined_states(texts)
    if len(occurrences) < 2:
        raise HeadscopeError("Self-similarity needs a word that stands at least twice in the texts.")
    starts = np.cumsum([0, *(len(states[0]) for states in texts)])
    if any(max(positions) >= starts[text + 1] - starts[text] for text, positions in occurrences):
        raise HeadscopeError("These occurrences are not of these texts: find them in the tokens of the same traces.")
    places = [[int(starts[text]) + position for position in positions] for text, positions in occurrences]
    return np.array([mean_cosine(np.stack([table[own].mean(axis=0) for own in places])) for table in joined])


def _word_items(tokens: Sequence[Token], groups: Sequence[Sequence[int]]) -> AxisItems:
    names = tuple(word_text([tokens[position] for position in group]) for group in groups)
    return AxisItems(names, tuple(tokens[group[0]].special for group in groups), (None,) * len(groups))


def _name(tokens: Sequence[Token], group: Sequence[int]) -> str:
    return bare_word(word_text([tokens[position] for position in group])).casefold()
