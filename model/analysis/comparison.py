"""Comparison of two attention views: both on common axes, and their difference."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.analysis.token_alignment import AxisItems, Groups, TokenAlignment, align_axes, axis_items, bare_word
from model.analysis.views import AttentionView
from model.errors import HeadscopeError
from model.tokens import Token

PARTS = ("all", "common", "common renormalised")
_NO_TOKENS: tuple[tuple[Token, ...], tuple[Token, ...]] = ((), ())


@dataclass(frozen=True)
class CommonAxis:
    """One axis for two views: for each item its name, whether it is special, and its places in the first and in the second.

    An item that one of the two does not have holds no place of it; several places are tokens that the other has in one.
    """

    names: tuple[str, ...]
    special: tuple[bool, ...]
    first: tuple[tuple[int, ...], ...]
    second: tuple[tuple[int, ...], ...]

    @property
    def shared(self) -> np.ndarray:
        """Bool [item]: True where both have it."""
        return np.array([bool(one and other) for one, other in zip(self.first, self.second, strict=True)], dtype=bool)

    def only(self, kept: np.ndarray) -> "CommonAxis":
        """Return the axis with the items that are True in bool [item]."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return CommonAxis(
            **{name: tuple(one for one, keep in zip(all_, kept, strict=True) if keep) for name, all_ in fields.items()}
        )


@dataclass(frozen=True, eq=False)
class AlignedPair:
    """Two views on common axes: weights float32 [query, key], NaN where one has no such token or may not attend to it.

    difference[q, k] = second[q, k] - first[q, k], in [-1, 1]

    A weight that is masked in one alone counts as the 0 that it is; the difference is NaN where both are masked, or one has
    no such token.
    """

    query: CommonAxis
    key: CommonAxis
    first: np.ndarray
    second: np.ndarray
    difference: np.ndarray


def compare_views(
    first: AttentionView,
    second: AttentionView,
    *,
    first_tokens: tuple[Sequence[Token], Sequence[Token]] = _NO_TOKENS,
    second_tokens: tuple[Sequence[Token], Sequence[Token]] = _NO_TOKENS,
    same_text: bool = False,
    part: str = "all",
) -> AlignedPair:
    """Return two views aligned: of two layers, heads, sentences, models, or before and after a change of the model.

    The tokens (query, key) are the sequences of each view's trace: with them two models on the `same_text` are aligned by the
    characters of their tokens, all else by common words (`align_axes`). `part` "all" keeps every token of either, "common" those
    that both have with their weights as they are, so that rows need not sum to 1, "common renormalised" makes them sum to 1.
    Raises HeadscopeError where nothing is common to both, or for another part.
    """
    if part not in PARTS:
        raise HeadscopeError(f"There is no part “{part}”. Choose {', '.join(PARTS)}.")
    axes = []
    for side, axis in enumerate(("query", "key")):
        items = axis_items(first, axis, first_tokens[side]), axis_items(second, axis, second_tokens[side])
        axes.append(_common_axis(*items, align_axes(*items, same_text=same_text)))
    query, key = axes
    if not query.shared.any() or not key.shared.any():
        raise HeadscopeError("The two have no word in common. Compare texts that share words, or one text twice.")
    if part != "all":
        query, key = query.only(query.shared), key.only(key.shared)
    return _aligned(query, key, first, second, renormalised=part == "common renormalised")


def _common_axis(first: AxisItems, second: AxisItems, alignment: TokenAlignment) -> CommonAxis:
    """Return the axis of everything that either has: in order, what only the first has before what only the second has."""
    items: list[Groups] = []
    firsts, seconds = deque(alignment.only_first), deque(alignment.only_second)
    for one, other in (*alignment.pairs, ((len(first),), (len(second),))):
        while firsts and firsts[0] < one[-1]:
            items.append(((firsts.popleft(),), ()))
        while seconds and seconds[0] < other[-1]:
            items.append(((), (seconds.popleft(),)))
        items.append((one, other))
    items.pop()
    names = tuple(_both_names(_name(first, one), _name(second, other)) for one, other in items)
    special = tuple(first.special[one[0]] if one else second.special[other[0]] for one, other in items)
    return CommonAxis(names, special, tuple(one for one, _ in items), tuple(other for _, other in items))


def _aligned(
    query: CommonAxis, key: CommonAxis, first: AttentionView, second: AttentionView, renormalised: bool
) -> AlignedPair:
    both, masks = [], []
    for side, view in (("first", first), ("second", second)):
        rows, columns = getattr(query, side), getattr(key, side)
        weights = np.where(view.mask, np.nan_to_num(view.weights), np.float32(0)).astype(np.float32)
        # Attention to several tokens is summed, from several it is averaged, as for words (Clark et al. 2019).
        weights = _gathered(_gathered(weights, columns, 1), rows, 0)
        weights /= np.maximum([len(row) for row in rows], 1).astype(np.float32)[:, None]
        if renormalised:
            total = weights.sum(axis=1, keepdims=True)
            weights /= np.where(total > 0, total, np.float32(1))
        both.append(weights)
        masks.append(_gathered(_gathered(view.mask.astype(np.float32), columns, 1), rows, 0) > 0)
    shared = query.shared[:, None] & key.shared[None, :] & (masks[0] | masks[1])
    shown = [np.where(mask, weights, np.float32(np.nan)) for weights, mask in zip(both, masks, strict=True)]
    return AlignedPair(query, key, shown[0], shown[1], np.where(shared, both[1] - both[0], np.float32(np.nan)))


def _gathered(values: np.ndarray, groups: Sequence[Sequence[int]], axis: int) -> np.ndarray:
    """Return the sums over groups of places along an axis; 0 for a group of none."""
    filled = [index for index, group in enumerate(groups) if group]
    flat = [place for group in groups for place in group]
    starts = np.cumsum([0] + [len(groups[index]) for index in filled])[:-1]
    shape = [len(groups), values.shape[1]] if axis == 0 else [values.shape[0], len(groups)]
    sums = np.zeros(shape, dtype=values.dtype)
    sums[(slice(None),) * axis + (filled,)] = np.add.reduceat(np.take(values, flat, axis), starts, axis)
    return sums


def _name(axis: AxisItems, group: Sequence[int]) -> str:
    texts = [axis.texts[place] for place in group]
    return "".join(map(bare_word, texts)) if len(texts) > 1 else "".join(texts)


def _both_names(first: str, second: str) -> str:
    """Return one name for an item that has two: that of the first where they are the same word."""
    if not first or not second:
        return first or second
    return first if bare_word(first).casefold() == bare_word(second).casefold() else f"{first} | {second}"
