"""Rows of a view on demand: a few rows of one head, or of several combined, and never the whole map at once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from model.analysis.aggregation import keep_tokens, merge_mask, merge_words
from model.analysis.view_axes import AxisGroups, ViewAxes
from model.layers import AttentionLayer, LazyLayer

# Weights that are in memory at once: those of one head fit the cache of a core, while a device wants much to do at a time.
BLOCK_BYTES = 2**21
DEVICE_BLOCK_BYTES = 2**28
# Each block reads all the keys again: no fewer rows than these, however long they are.
_FEWEST_ROWS = 64


@dataclass(frozen=True, eq=False)
class ViewRows:
    """The rows of a view, made when somebody looks at them.

    `read(start, stop)` returns weights float32 [row, key] and mask bool [row, key] of these rows as tensors, which may
    leave out columns at the end: keys that none of the rows may attend to. `row_bytes` is the memory that a row takes
    while it is made, `block_bytes` how much to make at once; `same_sequence` says whether queries and keys are of one
    sequence. What is returned may share memory with the trace: it is not to be written to.
    """

    axes: ViewAxes
    read: Callable[[int, int], tuple[Tensor, Tensor]]
    row_bytes: int
    same_sequence: bool = True
    block_bytes: int = BLOCK_BYTES

    def rows(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return weights float32 [row, key] and mask bool [row, key] of the rows from `start` to before `stop`."""
        weights, mask = (part.cpu().numpy() for part in self.read(start, stop))
        return widened(weights, self.axes.shape[1]), widened(mask, self.axes.shape[1])

    def blocks(self, block_bytes: int | None = None) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yield (first row, weights float32 [row, key], mask bool [row, key]) over all rows, a block at a time."""
        for start, stop in row_ranges(self.axes.shape[0], self.row_bytes, block_bytes or self.block_bytes):
            yield start, *self.rows(start, stop)


@dataclass(frozen=True, eq=False)
class RowBlock:
    """Some rows of layers that share their axes; `tokens` are the queries, `query` and `key` their groups from 0 on.

    The layers hold only the keys that these rows may attend to.
    """

    layers: tuple[AttentionLayer, ...]
    tokens: slice
    query: AxisGroups
    key: AxisGroups
    words: bool
    hide_special: bool

    def weights(self, layer: AttentionLayer, head: int | None = None) -> Tensor:
        """Return float32 [row, key] of a head of one of the layers, or [head, row, key] of all, merged and hidden."""
        weights = layer.weights(head, self.tokens)
        if self.words:
            merged = merge_words(weights.cpu().numpy(), self.query.groups, self.key.groups)
            weights = torch.from_numpy(merged)
        if self.hide_special:
            weights = torch.from_numpy(keep_tokens(weights.cpu().numpy(), self.query.kept, self.key.kept))
        return weights

    def mask(self, head: int) -> Tensor:
        """Return bool [row, key]: True where this head may attend, in any of the layers; fewer heads have their last."""
        mask = self.layers[0].allowed(min(head, self.layers[0].heads - 1), self.tokens)
        for layer in self.layers[1:]:
            mask = mask | layer.allowed(min(head, layer.heads - 1), self.tokens).to(mask.device)
        if self.words:
            mask = torch.from_numpy(merge_mask(mask.cpu().numpy(), self.query.groups, self.key.groups))
        return mask[self.query.kept][:, self.key.kept] if self.hide_special else mask


def row_block(
    layers: tuple[AttentionLayer, ...],
    query: AxisGroups,
    key: AxisGroups,
    rows: tuple[int, int],
    *,
    words: bool,
    hide_special: bool,
) -> RowBlock:
    """Return the rows from rows[0] to before rows[1] of layers, without the keys at the end that none of them may attend to."""
    tokens, own = query.part(*rows)
    reach = max(_reach(layer, tokens) for layer in layers)
    if reach < key.tokens:
        key = key.up_to(reach)
        layers = tuple(_clipped(layer, key.tokens) if isinstance(layer, LazyLayer) else layer for layer in layers)
    return RowBlock(layers, tokens, own, key, words, hide_special)


def block_bytes_of(layers: tuple[AttentionLayer, ...], row_bytes: int) -> int:
    """Return the memory of the weights of one head to make at once, where these layers are, in bytes."""
    on_device = any(tensor.device.type != "cpu" for layer in layers for tensor in layer.tensors().values())
    return DEVICE_BLOCK_BYTES if on_device else max(BLOCK_BYTES, _FEWEST_ROWS * row_bytes)


def row_ranges(count: int, row_bytes: int, block_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield (first row, end) over all rows, as many at a time as fit a block, and at least one."""
    step = max(1, block_bytes // row_bytes)
    for start in range(0, count, step):
        yield start, min(start + step, count)


def _reach(layer: AttentionLayer, rows: slice) -> int:
    """Return how many keys hold all that these rows may attend to; all of them where that is not plain."""
    _, queries, keys = layer.shape
    if not isinstance(layer, LazyLayer) or layer.replaced is not None or layer.bias is not None:
        return keys
    if rows == slice(0, queries):
        return keys
    if layer.causal:
        return min(rows.stop, keys)
    if layer.mask is None or layer.mask.shape[1] == 1 or layer.mask.shape[2] == 1:
        return keys
    allowed = layer.mask[:, rows]
    # A row that may attend to nothing is uniform over every key.
    if not bool(allowed.any(dim=-1).all()):
        return keys
    return int(allowed.any(dim=1).any(dim=0).nonzero()[-1]) + 1


def _clipped(layer: LazyLayer, keys: int) -> LazyLayer:
    """Return the layer with its first keys alone."""
    mask = None if layer.mask is None else layer.mask[..., :keys]
    return replace(layer, key=layer.key[:, :keys], value=None, mask=mask)


def widened(part: np.ndarray, columns: int) -> np.ndarray:
    """Return an array [..., key] with zeros (False) for the columns that it leaves out."""
    if part.shape[-1] == columns:
        return part
    whole = np.zeros((*part.shape[:-1], columns), dtype=part.dtype)
    whole[..., : part.shape[-1]] = part
    return whole
