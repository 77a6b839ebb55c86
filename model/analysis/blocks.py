"""Attention between two texts that a model read together: the blocks of a map, and how much attention goes where."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from model.analysis.views import AttentionView
from model.errors import HeadscopeError
from model.tokens import Token
from model.trace import Trace

_ONE_TEXT = "There are no tokens of both texts here. Record two texts as record(loaded, (first, second))."


def segment_block(
    view: AttentionView,
    query_tokens: Sequence[Token],
    key_tokens: Sequence[Token],
    *,
    rows: int,
    columns: int,
    normalised: bool = False,
) -> AttentionView:
    """Return the part of a view [query, key] from the tokens of segment `rows` to those of segment `columns`.

    block_weight[q, k] = weight[q, k], or weight[q, k] / sum_{j in columns} weight[q, j] where `normalised`

    The tokens are those of the sequences of the trace, not of the view. Special tokens are in neither segment; a row that
    attends to nothing in the block stays zero. Raises HeadscopeError where no token of the view is from a segment.
    """
    query_kept = _places(view.query_groups, query_tokens, rows)
    key_kept = _places(view.key_groups, key_tokens, columns)
    weights = view.weights[np.ix_(query_kept, key_kept)]
    if normalised:
        total = weights.sum(axis=-1, keepdims=True)
        weights = weights / np.where(total > 0, total, np.float32(1))
    return replace(
        view,
        weights=weights,
        mask=view.mask[np.ix_(query_kept, key_kept)],
        **{name: _taken(getattr(view, name), query_kept) for name in ("query_tokens", "query_special", "query_groups")},
        **{name: _taken(getattr(view, name), key_kept) for name in ("key_tokens", "key_special", "key_groups")},
    )


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


def _taken(values: tuple, places: Sequence[int]) -> tuple:
    return tuple(values[place] for place in places)
