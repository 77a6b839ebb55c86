"""Coreference: how much every head attends from a mention ("it") to its candidate antecedents ("the animal")."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import SupportsIndex

import numpy as np
from jaxtyping import Float, Float32

from model.analysis.span_attention import Span, last_word, span_masses, span_positions
from model.errors import HeadscopeError
from model.tokens import Token, word_groups
from model.trace import Trace

DIRECTIONS = ("from mention", "to mention")


@dataclass(frozen=True, eq=False)
class CandidateAttention:
    """Scores float32 [layer, head, candidate] of one stack; `layers` are the layer indices of axis 0.

    A layer with fewer heads than another has NaN in their place.
    """

    layers: tuple[int, ...]
    scores: np.ndarray


def candidate_attention(
    trace: Trace,
    mention: Span,
    candidates: Sequence[Span],
    *,
    stack: str | None = None,
    direction: str = "from mention",
    hide_special: bool = False,
    head_word: bool = False,
    segment: int | None = None,
) -> CandidateAttention:
    """Return how much every head attends from the mention to each candidate, both half-open character ranges of the text.

    score[l, h, c] = mean_{q in mention} sum_{k in c} weight[l, h, q, k]      ("from mention")
    score[l, h, c] = mean_{q in c} sum_{k in mention} weight[l, h, q, k]      ("to mention")

    To a split word attention is summed, from it averaged (Clark et al. 2019). `head_word` takes the last word of each
    candidate; `hide_special` renormalises rows over the keys that are not special; `segment` says which of two texts is
    meant. Under causal attention a later word gets 0 from an earlier one. Raises HeadscopeError for spans that are
    empty, outside the text or overlap, for an unknown direction, and for cross-attention, whose two sides are different texts.
    """
    passage = _passage(trace, mention, candidates, stack, segment, head_word)
    return _group_attention(trace, passage, passage.candidates, stack, direction, hide_special)


def word_pair_chance(
    trace: Trace,
    mention: Span,
    candidates: Sequence[Span],
    answer: SupportsIndex,
    *,
    stack: str | None = None,
    direction: str = "from mention",
    hide_special: bool = False,
    head_word: bool = False,
    segment: int | None = None,
) -> float:
    """Return how often two other words of the same text would make some head look as good as the best head does here.

    p = (1 + count) / (1 + pairs)

    The best head's margin m is the largest over heads of `margins`. `pairs` are all ordered pairs (a, b) of two distinct
    words but (answer, runner-up) themselves, where a candidate counts as one word; words of the mention, punctuation and
    what no head attends to are left out. `count` are the pairs where max_heads (score[a] - score[b]) >= m. A small p says
    that the margin is no mere luck of choosing among many heads; of the right answer it says nothing. Exact, no sampling.
    With three candidates or more it errs towards 1. Raises as `candidate_attention` and `margins` do.
    """
    passage = _passage(trace, mention, candidates, stack, segment, head_word)
    groups = [*passage.candidates, *passage.other_words]
    found = _group_attention(trace, passage, groups, stack, direction, hide_special).scores
    scores = found.reshape(-1, len(groups))
    scores = scores[~np.isnan(scores).any(axis=1)]
    best = margins(scores[:, : len(candidates)], answer).max()
    scores = scores[:, (scores.max(axis=0) > 0) | (np.arange(len(groups)) < len(candidates))]
    # The observed pair reaches its own margin: it is the 1 in both places.
    words = scores.shape[1]
    best_of_pairs = np.stack([(scores[:, [word]] - scores).max(axis=0) for word in range(words)])
    return int((best_of_pairs >= best)[~np.eye(words, dtype=bool)].sum()) / (words * (words - 1))


def margins(scores: Float[np.ndarray, "*head candidate"], answer: SupportsIndex) -> Float32[np.ndarray, "*head"]:
    """Return the score of the answer minus the best other candidate's; raises HeadscopeError under two candidates.

    margin = score[answer] - max_{c != answer} score[c]
    """
    answer = _checked_answer(scores, answer)
    others = np.delete(scores, answer, axis=-1)
    return np.asarray(scores[..., answer] - others.max(axis=-1), dtype=np.float32)


def shares(scores: Float[np.ndarray, "*head candidate"]) -> Float32[np.ndarray, "*head candidate"]:
    """Return what each candidate gets of all that goes to candidates: score[c] / sum_j score[j], or 0 where nothing does."""
    total = scores.sum(axis=-1, keepdims=True)
    return (scores / np.where(total == 0, 1, total)).astype(np.float32)


def correctness(scores: Float[np.ndarray, "*head candidate"], answer: SupportsIndex) -> Float32[np.ndarray, "*head"]:
    """Return 1 where the answer has the largest score, 0 where another has, and 1 / n where n share it.

    Its mean is the accuracy; a head that attends to no candidate is at chance. NaN stays NaN. Raises as `margins` does.
    """
    answer = _checked_answer(scores, answer)
    top = scores == scores.max(axis=-1, keepdims=True)
    right = top[..., answer] / np.maximum(top.sum(axis=-1), 1)
    return np.where(np.isnan(scores).any(axis=-1), np.nan, right).astype(np.float32)


def ranked_heads(values: Float[np.ndarray, "layer head"]) -> list[tuple[int, int]]:
    """Return (row, head) of every value that is not NaN, the largest first, the earlier one first where two are equal."""
    order = np.argsort(-values, axis=None, kind="stable")[: int((~np.isnan(values)).sum())]
    return [(int(place) // values.shape[1], int(place) % values.shape[1]) for place in order]


def mean_of_heads(
    scores: Float[np.ndarray, "layer head candidate"], heads: Sequence[tuple[int, int]]
) -> Float32[np.ndarray, " candidate"]:
    """Return the mean score of each candidate over the (row, head) given; raises HeadscopeError for none or unknown ones."""
    rows, columns, _ = scores.shape
    if not heads or not all(0 <= row < rows and 0 <= head < columns for row, head in heads):
        raise HeadscopeError(f"Choose heads from rows 0 to {rows - 1} and heads 0 to {columns - 1}, at least one.")
    return np.stack([scores[row, head] for row, head in heads]).mean(axis=0, dtype=np.float32)


def pair_change(
    first: Float[np.ndarray, "layer head candidate"],
    second: Float[np.ndarray, "..."],
    candidate: SupportsIndex = 0,
    other: SupportsIndex = 1,
) -> Float32[np.ndarray, "layer head"]:
    """Return how far each head's preference moves between the two sentences of a minimal pair.

    change = (first[candidate] - first[other]) - (second[candidate] - second[other])

    With `candidate` the answer of the first sentence and `other` that of the second, a head that follows the reference is
    above 0. One that does not see the word that changed is at 0: from the mention, every head of a causal model whose mention
    stands before that word. Raises HeadscopeError where the scores have different shapes.
    """
    if first.shape != second.shape:
        raise HeadscopeError("The two sentences must have the same candidates and be read by the same model.")
    preferences = (scores[..., candidate] - scores[..., other] for scores in (first, second))
    return np.subtract(*preferences).astype(np.float32)


def held_out_head(
    correct: Float[np.ndarray, "example layer head"], margin: Float[np.ndarray, "example layer head"] | None = None
) -> tuple[int, int]:
    """Return the (row, head) that is right most often on these examples; report it on others.

    head = argmax mean_example correct, among equals argmax mean_example margin, among those the earliest. Heads with NaN
    are left out. Raises HeadscopeError where there is no example or no head.
    """
    if correct.size == 0 or np.isnan(correct).any(axis=0).all():
        raise HeadscopeError("There is no example to choose a head on: give at least one.")
    # Three thirds are one right answer: the rounding of 1/3 must not decide.
    accuracy = correct.mean(axis=0, dtype=np.float64).round(6)
    if margin is not None:
        accuracy = np.where(accuracy == np.nanmax(accuracy), margin.mean(axis=0, dtype=np.float64), np.nan)
    return ranked_heads(accuracy)[0]


@dataclass(frozen=True)
class _Passage:
    """The positions that a mention, its candidates and every other word of the same text stand at."""

    mention: tuple[int, ...]
    candidates: tuple[tuple[int, ...], ...]
    other_words: tuple[tuple[int, ...], ...]
    special: tuple[int, ...]


def _passage(
    trace: Trace,
    mention: Span,
    candidates: Sequence[Span],
    stack: str | None,
    segment: int | None,
    only_head_word: bool,
) -> _Passage:
    layers = trace.of_stack(stack)
    if layers[0].stack == "cross":
        raise HeadscopeError(
            "Cross-attention goes from one text to another: choose the encoder's or the decoder's own attention."
        )
    tokens = trace.sequence(layers[0].index, "query", stack)
    text = trace.provenance.text_pair if segment == 1 else trace.provenance.text
    source = span_positions(tokens, mention, segment, text)
    whole = [span_positions(tokens, span, segment, text) for span in candidates]
    taken = [place for group in (source, *whole) for place in group]
    if not candidates or len(set(taken)) < len(taken):
        raise HeadscopeError("Choose candidates that do not overlap with the mention or with each other, at least one.")
    return _Passage(
        source,
        tuple(last_word(tokens, group) if only_head_word else group for group in whole),
        tuple(tuple(group) for group in word_groups(tokens) if _is_word(tokens, group, segment, set(taken))),
        tuple(place for place, token in enumerate(tokens) if token.special),
    )


def _is_word(tokens: Sequence[Token], group: Sequence[int], segment: int | None, taken: set[int]) -> bool:
    first, letters = tokens[group[0]], "".join(tokens[place].text for place in group)
    is_free = first.word is not None and first.segment == segment and not taken & set(group)
    return is_free and any(character.isalnum() for character in letters)


def _group_attention(
    trace: Trace,
    passage: _Passage,
    groups: Sequence[Sequence[int]],
    stack: str | None,
    direction: str,
    hide_special: bool,
) -> CandidateAttention:
    if direction not in DIRECTIONS:
        raise HeadscopeError(f"There is no direction “{direction}”. Choose {' or '.join(DIRECTIONS)}.")
    forward = direction == "from mention"
    queries, keys = ([passage.mention], groups) if forward else (groups, [passage.mention])
    layers = trace.of_stack(stack)
    scores = np.full((len(layers), max(layer.heads for layer in layers), len(groups)), np.nan, dtype=np.float32)
    for row, layer in enumerate(layers):
        masses = span_masses(layer, queries, keys, hidden=passage.special if hide_special else ())
        scores[row, : layer.heads] = masses[:, 0] if forward else masses[:, :, 0]
    return CandidateAttention(tuple(layer.index for layer in layers), scores)


def _checked_answer(scores: np.ndarray, answer: SupportsIndex) -> int:
    count, answer = scores.shape[-1], operator.index(answer)
    if count < 2 or not 0 <= answer < count:
        raise HeadscopeError(f"Choose the answer among two candidates or more; there are {count}, counted from 0.")
    return answer
