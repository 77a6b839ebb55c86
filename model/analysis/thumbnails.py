"""Thumbnails: every head of a stack as a few thousand bytes, whatever the length of the text."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from model.analysis.aggregation import pool_maximum
from model.analysis.views import AttentionView, attention_view, head_weights
from model.trace import Trace

MASKED_CODE = 255
TOP_CODE = 254
LARGEST_TILE = 64
BUDGET_BYTES = 600_000


@dataclass(frozen=True, eq=False)
class Thumbnails:
    """Tiles uint8 [layer, head, row, column] of codes, and for each head its largest weight and where it stands.

    code = round(254 * sqrt(weight)), pooled by maximum; 255 where every covered cell is masked.
    `maxima` [layer, head]; `strongest` [layer, head, 2] holds (row, column) of the largest weight; `view` names both axes.
    """

    layers: tuple[int, ...]
    tiles: np.ndarray
    maxima: np.ndarray
    strongest: np.ndarray
    view: AttentionView

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, in bytes."""
        return self.tiles.nbytes + self.maxima.nbytes + self.strongest.nbytes + self.view.nbytes


def tile_size(heads: int) -> int:
    """Return the side of a tile at which all heads together stay within 600,000 bytes: at most 64, at least 8."""
    return int(np.clip(np.sqrt(BUDGET_BYTES / max(1, heads)), 8, LARGEST_TILE))


def head_thumbnails(
    trace: Trace,
    *,
    stack: str | None = None,
    words: bool = False,
    hide_special: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Thumbnails:
    """Return the thumbnails of every head of a stack, one layer of weights in memory at a time."""
    layers = trace.of_stack(stack)
    size = tile_size(sum(layer.heads for layer in layers))
    tiles, maxima, strongest = [], [], []
    chosen = {"stack": stack, "words": words, "hide_special": hide_special}
    for index, weights in head_weights(trace, **chosen):
        view = attention_view(trace, index, 0, **chosen)
        # Rows that are masked altogether (left padding) are uniform: they are not the head's own weights.
        weights = np.nan_to_num(np.where(view.mask, weights, np.float32(0)))
        tiles.append(encode_tiles(pool_maximum(weights, size), pool_mask(view.mask, size)))
        flat = weights.reshape(len(weights), -1)
        maxima.append(flat.max(axis=1))
        strongest.append(np.stack(np.unravel_index(flat.argmax(axis=1), weights.shape[1:]), axis=1))
        if progress is not None:
            progress(len(tiles) / len(layers))
    heads = max(len(layer) for layer in tiles)
    return Thumbnails(
        tuple(layer.index for layer in layers),
        _stacked(tiles, heads, MASKED_CODE).astype(np.uint8),
        _stacked(maxima, heads, 0).astype(np.float32),
        _stacked(strongest, heads, 0),
        view,
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
