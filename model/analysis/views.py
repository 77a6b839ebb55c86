"""Views: the weights of one head, or of several combined, as somebody chose to look at them."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import reduce
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from model.analysis.aggregation import COMBINATIONS
from model.analysis.view_axes import AxisGroups, ViewAxes, axis_groups, view_axes
from model.analysis.view_rows import RowBlock, ViewRows, block_bytes_of, row_block, row_ranges, widened
from model.errors import HeadscopeError
from model.layers import SEQUENCES
from model.trace import Trace, check_head

# Weights of all heads of a layer that are in memory at once.
LAYER_BYTES = 2**25
# Up to this many rows and columns a view is made whole, and its weights are those of one product of matrices.
LONGEST_WHOLE = 512


@dataclass(frozen=True, eq=False)
class AttentionView(ViewAxes):
    """Weights float32 [query, key] with what stands on both axes.

    `mask` is True where the query may attend. Rows sum to one, except under a maximum or where the model has an attention
    sink.
    """

    weights: np.ndarray
    mask: np.ndarray

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, in bytes."""
        return self.weights.nbytes + self.mask.nbytes


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
    return whole_view(
        view_rows(trace, layer, head, stack=stack, combination=combination, words=words, hide_special=hide_special)
    )


def whole_view(rows: ViewRows) -> AttentionView:
    """Return the view of all rows; a long one is made a block at a time."""
    count, columns = rows.axes.shape
    block_bytes = rows.block_bytes if max(count, columns) > LONGEST_WHOLE else rows.row_bytes * count
    weights, mask = np.empty((count, columns), dtype=np.float32), np.empty((count, columns), dtype=bool)
    for start, some, allowed in rows.blocks(block_bytes):
        weights[start : start + len(some)], mask[start : start + len(some)] = some, allowed
    return AttentionView(**axes_of(rows.axes), weights=weights, mask=mask)


def axes_of(axes: ViewAxes) -> dict[str, tuple[Any, ...]]:
    """Return the fields of a view that its axes are made of, by name."""
    return {field.name: getattr(axes, field.name) for field in fields(ViewAxes)}


def view_rows(
    trace: Trace,
    layer: int,
    head: int,
    *,
    stack: str | None = None,
    combination: str = "head",
    words: bool = False,
    hide_special: bool = False,
) -> ViewRows:
    """Return the rows of `attention_view` on demand; raises HeadscopeError for a head or combination that is not there."""
    if combination not in COMBINATIONS:
        raise HeadscopeError(f"There is no combination “{combination}”. Choose {', '.join(COMBINATIONS)}.")
    chosen = trace.layer(layer, stack)
    check_head(chosen, head)
    layers = trace.of_stack(stack) if combination.endswith("of all") else (chosen,)
    query, key = _groups(trace, layer, stack, words, hide_special)

    def read(start: int, stop: int) -> tuple[Tensor, Tensor]:
        block = row_block(layers, query, key, (start, stop), words=words, hide_special=hide_special)
        weights = _combined(block, head, combination)
        return weights, block.mask(head).to(weights.device)

    axes = view_axes(trace, layer, stack=stack, words=words, hide_special=hide_special)
    row_bytes, same_sequence = _row_bytes(query, key), len(set(SEQUENCES[chosen.stack])) == 1
    return ViewRows(axes, read, row_bytes, same_sequence, block_bytes_of(layers, row_bytes))


def layer_blocks(
    trace: Trace,
    layer: int,
    *,
    stack: str | None = None,
    words: bool = False,
    hide_special: bool = False,
    block_bytes: int = LAYER_BYTES,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield (first row, weights float32 [head, row, key], mask bool [row, key]) of a layer, a block of rows at a time.

    The mask is that of head 0. What is yielded may share memory with the trace: it is not to be written to.
    """
    chosen = trace.layer(layer, stack)
    query, key = _groups(trace, layer, stack, words, hide_special)
    count, columns = len(query.kept), len(key.kept)
    for start, stop in row_ranges(count, chosen.heads * _row_bytes(query, key), block_bytes):
        block = row_block((chosen,), query, key, (start, stop), words=words, hide_special=hide_special)
        weights = block.weights(block.layers[0]).cpu().numpy()
        yield start, widened(weights, columns), widened(block.mask(0).cpu().numpy(), columns)


def head_weights(
    trace: Trace, *, stack: str | None = None, words: bool = False, hide_special: bool = False
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (layer index, weights float32 [head, query, key]) for every layer of a stack, one layer at a time."""
    for one in trace.of_stack(stack):
        query, key = _groups(trace, one.index, stack, words, hide_special)
        whole = row_block((one,), query, key, (0, len(query.kept)), words=words, hide_special=hide_special)
        yield one.index, whole.weights(one).cpu().numpy()


def top_keys(view: AttentionView, query: int, count: int = 10) -> list[tuple[int, float]]:
    """Return the (column, weight) pairs that row `query` attends to most, the largest first; masked keys are left out."""
    return largest_weights(view.weights[query], view.mask[query], count)


def top_queries(view: AttentionView, key: int, count: int = 10) -> list[tuple[int, float]]:
    """Return the (row, weight) pairs that attend to column `key` most, the largest first; masked queries are left out."""
    return largest_weights(view.weights[:, key], view.mask[:, key], count)


def largest_weights(
    weights: Float32[np.ndarray, " place"], mask: Bool[np.ndarray, " place"], count: int
) -> list[tuple[int, float]]:
    """Return the (place, weight) pairs of the largest weights that are not masked, the largest first."""
    allowed = np.flatnonzero(mask)
    order = allowed[np.argsort(-weights[allowed], kind="stable")][:count]
    return [(int(place), float(weights[place])) for place in order]


def _heads_of(block: RowBlock) -> Iterator[np.ndarray]:
    """Yield weights float32 [head, row, key] of all heads: of a layer together, or where that is large one by one."""
    for layer in block.layers:
        if max(block.query.tokens, block.key.tokens) <= LONGEST_WHOLE:
            yield block.weights(layer).cpu().numpy()
        else:
            yield from (block.weights(layer, head)[None].cpu().numpy() for head in range(layer.heads))


def _combined(block: RowBlock, head: int, combination: str) -> Tensor:
    """Return weights float32 [row, key] of one head of the only layer, or of all heads of all layers combined."""
    if combination == "head":
        return block.weights(block.layers[0], head)
    parts = _heads_of(block)
    if "maximum" in combination:
        return torch.from_numpy(reduce(np.maximum, (weights.max(axis=0) for weights in parts)))
    total, heads = np.float32(0), 0
    for weights in parts:
        total, heads = total + weights.sum(axis=0), heads + weights.shape[0]
    return torch.from_numpy((total / heads).astype(np.float32))


def _groups(
    trace: Trace, layer: int, stack: str | None, words: bool, hide_special: bool
) -> tuple[AxisGroups, AxisGroups]:
    sides = (trace.sequence(layer, side, stack) for side in ("query", "key"))
    query, key = (axis_groups(tokens, words, hide_special) for tokens in sides)
    return query, key


def _row_bytes(query: AxisGroups, key: AxisGroups) -> int:
    """Return the memory of the weights that a head has for one row of a view, in bytes; a word is several rows."""
    return 4 * key.tokens * -(-query.tokens // len(query.kept))
