"""Attention between two texts that a model read together: the blocks of a map, and how much attention goes where."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from model.analysis.view_axes import ViewAxes
from model.analysis.view_rows import ViewRows
from model.analysis.views import AttentionView
from model.errors import HeadscopeError
from model.tokens import Token
from model.trace import Trace

View = TypeVar("View", AttentionView, ViewRows)
Places = tuple[Sequence[int], Sequence[int]]  # of rows and of columns
_ONE_TEXT = "There are no tokens of both texts here. Record two texts as record(loaded, (first, second))."


def segment_block(
    view: View,
    query_tokens: Sequence[Token],
    key_tokens: Sequence[Token],
    *,
    rows: int,
    columns: int,
    normalised: bool = False,
) -> View:
    """Return the part of a view [query, key], or of its rows on demand, from segment `rows` to segment `columns`.

    block_weight[q, k] = weight[q, k], or weight[q, k] / sum_{j in columns} weight[q, j] where `normalised`

    The tokens are those of the sequences of the trace, not of the view. Special tokens are in neither segment; a row that
    attends to nothing in the block stays zero. Raises HeadscopeError where no token of the view is from a segment.
    """
    axes = view.axes if isinstance(view, ViewRows) else view
    places = _places(axes.query_groups, query_tokens, rows), _places(axes.key_groups, key_tokens, columns)
    if isinstance(view, ViewRows):
        return _part_of_rows(view, places, normalised)  # type: ignore[return-value]  # a view is one of the two
    part = np.ix_(*places)
    return replace(
        view, weights=_renormalised(view.weights[part], normalised), mask=view.mask[part], **_taken(view, places)
    )


def _part_of_rows(view: ViewRows, places: Places, normalised: bool) -> ViewRows:
    query_kept, key_kept = places

    def read(start: int, stop: int) -> tuple[Tensor, Tensor]:
        first = query_kept[start]
        weights, mask = view.rows(first, query_kept[stop - 1] + 1)
        part = np.ix_([row - first for row in query_kept[start:stop]], key_kept)
        return torch.from_numpy(_renormalised(weights[part], normalised)), torch.from_numpy(mask[part])

    return replace(view, axes=replace(view.axes, **_taken(view.axes, places)), read=read)


def _renormalised(weights: np.ndarray, normalised: bool) -> np.ndarray:
    if not normalised:
        return weights
    total = weights.sum(axis=-1, keepdims=True)
    return weights / np.where(total > 0, total, np.float32(1))


def segment_masses(
    weights: Float32[np.ndarray, "head query key"],
    query_segments: Sequence[int | None],
    key_segments: Sequence[int | None],
) -> Float32[np.ndarray, "head query_segment key_segment"]:
    """Return how much of its attention an average token of each segment gives to each segment, per head: [head, 2, 2].

    mass[h, r, c] = mean_{q in r} sum_{k in c} weight[h, q, k]

    What a row lacks of one goes to the special tokens (or to an attention sink). Raises HeadscopeError where a segment has
    no token.
    """
    by_query, by_key = (
        np.array([[found == one for found in segments] for one in (0, 1)], dtype=np.float32)
        for segments in (query_segments, key_segments)
    )
    counts = by_query.sum(axis=1)
    if not counts.all() or not by_key.any(axis=1).all():
        raise HeadscopeError(_ONE_TEXT)
    return np.einsum("rq,hqk,ck->hrc", by_query, weights, by_key, optimize=True) / counts[:, None]


def layer_segment_masses(
    trace: Trace, layer: int, stack: str | None = None
) -> Float32[np.ndarray, "head query_segment key_segment"]:
    """Return `segment_masses` of one layer of a trace; raises HeadscopeError where it is not of two texts."""
    segments = ([token.segment for token in trace.sequence(layer, axis, stack)] for axis in ("query", "key"))
    return segment_masses(trace.layer_attention(layer, stack), *segments)


def _places(groups: Sequence[Sequence[int]], tokens: Sequence[Token], segment: int) -> list[int]:
    places = [place for place, group in enumerate(groups) if tokens[group[0]].segment == segment]
    if not places:
        raise HeadscopeError(_ONE_TEXT)
    return places


def _taken(axes: ViewAxes, places: Places) -> dict[str, tuple[Any, ...]]:
    """Return the fields of the axes with the rows and columns at these places alone."""
    return {
        f"{side}_{name}": tuple(getattr(axes, f"{side}_{name}")[place] for place in kept)
        for side, kept in zip(("query", "key"), places, strict=True)
        for name in ("tokens", "special", "groups")
    }
