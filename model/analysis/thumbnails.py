"""Thumbnails: every head of a stack as a few thousand bytes, whatever the length of the text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, UInt8

from model.analysis.aggregation import pool_maximum
from model.analysis.mask_facts import cell_starts
from model.analysis.pooled_views import POOLINGS
from model.analysis.tile_sums import TileSums
from model.analysis.view_axes import ViewAxes, view_axes
from model.analysis.views import layer_blocks
from model.errors import HeadscopeError
from model.trace import Trace

MASKED_CODE = 255
TOP_CODE = 254
LARGEST_TILE = 64
BUDGET_BYTES = 600_000
# Weights of all heads of a layer that are in memory at once.
_BLOCK_BYTES = 16 * 2**20


@dataclass(frozen=True, eq=False)
class Thumbnails:
    """Tiles uint8 [layer, head, row, column] of codes, and for each head its largest weight and where it stands.

    code = round(254 * sqrt(weight)), pooled by the `pooling` ("maximum", or "mean" over what may be attended to); 255
    where every covered cell is masked. Cell r covers the rows from ceil(r * rows / tile rows) up to the next cell's first.
    `maxima` [layer, head]; `strongest` [layer, head, 2] holds (row, column) of the largest weight; `axes` names both axes.
    """

    layers: tuple[int, ...]
    tiles: UInt8[np.ndarray, "layer head row column"]
    maxima: Float32[np.ndarray, "layer head"]
    strongest: Int64[np.ndarray, "layer head 2"]
    axes: ViewAxes
    pooling: str = "maximum"

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, in bytes."""
        return self.tiles.nbytes + self.maxima.nbytes + self.strongest.nbytes


@dataclass(frozen=True, eq=False)
class LayerTiles:
    """What one layer gives to thumbnails: its pooled weights, and `counts` [row, column] of what may be attended to."""

    index: int
    sums: TileSums
    counts: Float32[np.ndarray, "row column"]

    def codes(self, pooling: str) -> UInt8[np.ndarray, "head row column"]:
        """Return the codes of every head."""
        pooled = self.sums.maximum if pooling == "maximum" else self.sums.mean(self.counts)
        return encode_tiles(pooled, self.counts > 0)


def tile_size(heads: int) -> int:
    """Return the side of a tile at which all heads together stay within 600,000 bytes: at most 64, at least 8."""
    return int(np.clip(np.sqrt(BUDGET_BYTES / max(1, heads)), 8, LARGEST_TILE))


def head_thumbnails(
    trace: Trace,
    *,
    stack: str | None = None,
    words: bool = False,
    hide_special: bool = False,
    pooling: str = "maximum",
    progress: Callable[[float], object] | None = None,
) -> Thumbnails:
    """Return the thumbnails of every head of a stack, one block of a layer's weights in memory at a time.

    Raises HeadscopeError where there is no such stack or pooling.
    """
    if pooling not in POOLINGS:
        raise HeadscopeError(f"There is no pooling “{pooling}”. Choose {', '.join(POOLINGS)}.")
    layers = trace.of_stack(stack)
    chosen: dict[str, Any] = {"stack": stack, "words": words, "hide_special": hide_special}
    size, found = tile_size(sum(layer.heads for layer in layers)), []
    for layer in layers:
        found.append(layer_tiles(trace, layer.index, size, **chosen))
        if progress is not None:
            progress(len(found) / len(layers))
    return thumbnails_of(found, view_axes(trace, layers[-1].index, **chosen), pooling)


def layer_tiles(
    trace: Trace, layer: int, size: int, *, stack: str | None, words: bool = False, hide_special: bool = False
) -> LayerTiles:
    """Return the tiles of one layer of a trace."""
    chosen: dict[str, Any] = {"stack": stack, "words": words, "hide_special": hide_special}
    rows, columns = view_axes(trace, layer, **chosen).shape
    sums = TileSums(trace.layer(layer, stack).heads, rows, columns, size)
    starts, counts = cell_starts(columns, size), []
    for start, weights, mask in layer_blocks(trace, layer, block_bytes=_BLOCK_BYTES, **chosen):
        # Rows that are masked altogether (left padding) are uniform: they are not the head's own weights.
        block = torch.from_numpy(np.nan_to_num(np.where(mask, weights, np.float32(0))))
        sums.add(block, start)
        sums.add_maxima(block, block.amax(dim=2), start)
        counts.append(np.add.reduceat(mask, starts, axis=1, dtype=np.float32))
    return LayerTiles(layer, sums, np.add.reduceat(np.concatenate(counts), cell_starts(rows, size), axis=0))


def thumbnails_of(layers: Sequence[LayerTiles], axes: ViewAxes, pooling: str) -> Thumbnails:
    """Return the thumbnails of a stack from the tiles of its layers."""
    codes = [layer.codes(pooling) for layer in layers]
    heads = max(len(layer) for layer in codes)
    return Thumbnails(
        tuple(layer.index for layer in layers),
        _stacked(codes, heads, MASKED_CODE),
        _stacked([layer.sums.maxima for layer in layers], heads, 0),
        _stacked([layer.sums.strongest for layer in layers], heads, 0),
        axes,
        pooling,
    )


def encode_tiles(
    pooled: Float32[np.ndarray, "head row column"], allowed: Bool[np.ndarray, "row column"]
) -> UInt8[np.ndarray, "head row column"]:
    """Return codes: round(254 * sqrt(weight)), and 255 where nothing is allowed."""
    codes = np.rint(TOP_CODE * np.sqrt(np.clip(pooled, 0, 1))).astype(np.uint8)
    codes[:, ~allowed] = MASKED_CODE
    return codes


def decode_tiles(codes: UInt8[np.ndarray, "*tile"]) -> Float32[np.ndarray, "*tile"]:
    """Return the weights that codes stand for, (code / 254)^2, and NaN where masked."""
    weights = (codes.astype(np.float32) / TOP_CODE) ** 2
    return np.where(codes == MASKED_CODE, np.float32(np.nan), weights)


def pool_mask(mask: Bool[np.ndarray, "query key"], size: int) -> Bool[np.ndarray, "row column"]:
    """Return True where any covered cell may be attended to."""
    return pool_maximum(mask.astype(np.float32), size) > 0


def _stacked(layers: list[np.ndarray], heads: int, fill: int) -> np.ndarray:
    # Layers of one stack may differ in their number of heads (pruned models); the missing ones are filled.
    padded = [np.pad(one, [(0, heads - len(one))] + [(0, 0)] * (one.ndim - 1), constant_values=fill) for one in layers]
    return np.stack(padded)
