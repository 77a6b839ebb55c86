"""Views: the weights of one head, or of several combined, as somebody chose to look at them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from model.analysis.aggregation import COMBINATIONS, keep_tokens, merge_mask, merge_words
from model.errors import HeadscopeError
from model.tokens import Token, word_groups, word_text
from model.trace import Trace


@dataclass(frozen=True, eq=False)
class AttentionView:
    """Weights float32 [query, key] with what stands on both axes.

    `mask` is True where the query may attend. `query_groups` and `key_groups` hold the positions of the tokens that each
    row and column stands for: one, or those of a word. Rows sum to one, except under a maximum or where the model has an
    attention sink.
    """

    weights: np.ndarray
    mask: np.ndarray
    query_tokens: tuple[str, ...]
    key_tokens: tuple[str, ...]
    query_special: tuple[bool, ...]
    key_special: tuple[bool, ...]
    query_groups: tuple[tuple[int, ...], ...]
    key_groups: tuple[tuple[int, ...], ...]

    @property
    def query_positions(self) -> tuple[int, ...]:
        """Position of the first token of each row."""
        return tuple(group[0] for group in self.query_groups)

    @property
    def key_positions(self) -> tuple[int, ...]:
        """Position of the first token of each column."""
        return tuple(group[0] for group in self.key_groups)

    def place_of(self, token: str) -> str:
        """Return the row or column ("q1", "k1") that holds a token of the sequence ("q3", "k3"); "" where it is hidden."""
        if not token:
            return ""
        groups = self.query_groups if token[0] == "q" else self.key_groups
        found = (place for place, group in enumerate(groups) if int(token[1:]) in group)
        return next((f"{token[0]}{place}" for place in found), "")

    def token_at(self, place: str) -> str:
        """Return the token of the sequence with which a row or column begins; the inverse of `place_of`."""
        positions = self.query_positions if place[:1] == "q" else self.key_positions
        return f"{place[0]}{positions[int(place[1:])]}" if place and int(place[1:]) < len(positions) else ""

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, in bytes."""
        return self.weights.nbytes + self.mask.nbytes


@dataclass(frozen=True)
class _Axis:
    groups: list[list[int]]
    kept: list[int]
    names: tuple[str, ...]
    special: tuple[bool, ...]

    @property
    def shown(self) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(self.groups[index]) for index in self.kept)


def attention_view(
    trace: Trace,
    layer: int,
    head: int,
    *,
    stack: str | None = None,
    combination: str = "head",
    words: bool = False,
    hide_special: bool = False,
) -> AttentionView:
    """Return the weights of one head, or the mean or maximum over the heads of a layer or over all heads of the stack.

    With `words`, tokens are merged to words (Clark et al. 2019); with `hide_special`, special tokens are left out and the
    rows renormalised; both per head, before heads are combined. Over all heads, a key counts as allowed where any layer
    allows it. Raises HeadscopeError for a head or combination that is not there.
    """
    if combination not in COMBINATIONS:
        raise HeadscopeError(f"There is no combination “{combination}”. Choose {', '.join(COMBINATIONS)}.")
    chosen = trace.layer(layer, stack)
    query_axis, key_axis = _axes(trace, layer, stack, words, hide_special)
    reshape = _reshaping(query_axis, key_axis, words, hide_special)
    layers = trace.of_stack(stack) if combination.endswith("of all") else [chosen]
    if combination == "head":
        weights = reshape(trace.attention(layer, head, stack))
    else:
        weights = _combine((reshape(one.weights().cpu().numpy()) for one in layers), combination)
    mask = trace.mask(layer, head, stack)
    for one in layers:
        mask = mask | one.allowed(min(head, one.heads - 1)).cpu().numpy()
    if words:
        mask = merge_mask(mask, query_axis.groups, key_axis.groups)
    mask = mask[np.ix_(query_axis.kept, key_axis.kept)]
    return AttentionView(
        weights, mask, query_axis.names, key_axis.names, query_axis.special, key_axis.special,
        query_axis.shown, key_axis.shown,
    )  # fmt: skip


def head_weights(
    trace: Trace, *, stack: str | None = None, words: bool = False, hide_special: bool = False
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (layer index, weights float32 [head, query, key]) for every layer of a stack, one layer at a time."""
    for one in trace.of_stack(stack):
        query_axis, key_axis = _axes(trace, one.index, stack, words, hide_special)
        reshape = _reshaping(query_axis, key_axis, words, hide_special)
        yield one.index, reshape(one.weights().cpu().numpy())


def top_keys(view: AttentionView, query: int, count: int = 10) -> list[tuple[int, float]]:
    """Return the (column, weight) pairs that row `query` attends to most, the largest first; masked keys are left out."""
    allowed = np.flatnonzero(view.mask[query])
    order = allowed[np.argsort(-view.weights[query, allowed], kind="stable")][:count]
    return [(int(key), float(view.weights[query, key])) for key in order]


def top_queries(view: AttentionView, key: int, count: int = 10) -> list[tuple[int, float]]:
    """Return the (row, weight) pairs that attend to column `key` most, the largest first; masked queries are left out."""
    allowed = np.flatnonzero(view.mask[:, key])
    order = allowed[np.argsort(-view.weights[allowed, key], kind="stable")][:count]
    return [(int(query), float(view.weights[query, key])) for query in order]


def _combine(layers: Iterator[np.ndarray], combination: str) -> np.ndarray:
    if "maximum" in combination:
        return np.maximum.reduce([weights.max(axis=0) for weights in layers])
    total, heads = np.float32(0), 0
    for weights in layers:
        total, heads = total + weights.sum(axis=0), heads + weights.shape[0]
    return (total / heads).astype(np.float32)


def _axes(trace: Trace, layer: int, stack: str | None, words: bool, hide_special: bool) -> tuple[_Axis, _Axis]:
    return tuple(_axis(trace.sequence(layer, side, stack), words, hide_special) for side in ("query", "key"))


def _axis(tokens: tuple[Token, ...], words: bool, hide_special: bool) -> _Axis:
    groups = word_groups(tokens) if words else [[position] for position in range(len(tokens))]
    special = [tokens[group[0]].special for group in groups]
    kept = [index for index, flag in enumerate(special) if not (hide_special and flag)]
    # With nothing but special tokens there would be nothing to see: keep them.
    kept = kept or list(range(len(groups)))
    names = tuple(word_text([tokens[position] for position in groups[index]]) for index in kept)
    return _Axis(groups, kept, names, tuple(special[index] for index in kept))


def _reshaping(query: _Axis, key: _Axis, words: bool, hide_special: bool) -> Callable[[np.ndarray], np.ndarray]:
    def reshape(weights: np.ndarray) -> np.ndarray:
        if words:
            weights = merge_words(weights, query.groups, key.groups)
        if hide_special:
            weights = keep_tokens(weights, query.kept, key.kept)
        return weights

    return reshape
