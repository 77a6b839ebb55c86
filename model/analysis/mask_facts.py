"""What a layer's mask says of rows, keys and cells: found once for all layers that share the mask, a few rows at a time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from model.analysis.token_targets import diagonal_of
from model.analysis.trace_scores import allowed_by_any_head
from model.layers import AttentionLayer

# Entries of a mask that are in memory at once.
_BLOCK_ENTRIES = 2**21


def cell_starts(length: int, size: int) -> Int64[np.ndarray, " cell"]:
    """Return where each of at most `size` cells begins on an axis: start[c] = ceil(c * length / size)."""
    if length <= size:
        return np.arange(length)
    return -(-np.arange(size) * length // size)


@dataclass(frozen=True, eq=False)
class MaskFacts:
    """What a mask allows, by any head of its layer.

    `first` and `last` [query] are the ends of what a row may attend to (all keys for a row that may attend to none);
    `valid` [query] tells the rows that may attend to something, None: all. `first_key` is the first key that any row may
    attend to; `first_rows` and `previous_rows` count the rows that may attend to it, and to the token before them.
    `cells` [row, column] counts what head 0 may attend to in every cell. `causal`: exactly the keys up to the query;
    `alike`: every head may attend to the same keys.
    """

    first: Int64[np.ndarray, " query"]
    last: Int64[np.ndarray, " query"]
    valid: Bool[Tensor, " query"] | None
    first_key: int
    first_rows: int
    previous_rows: int
    cells: Float32[np.ndarray, "row column"]
    causal: bool
    alike: bool

    @property
    def valid_rows(self) -> int:
        """Number of rows that may attend to something."""
        return len(self.first) if self.valid is None else int(self.valid.sum())

    def span(self, rows: slice) -> slice:
        """Return the keys that any of some rows may attend to, and those between them."""
        return slice(int(self.first[rows].min()), int(self.last[rows].max()) + 1)


def mask_facts(layer: AttentionLayer, size: int) -> MaskFacts:
    """Return the facts of a layer's mask, with cells for tiles of `size`."""
    tensors = layer.tensors()
    if "mask" in tensors or "bias" in tensors:
        return _searched(layer, size)
    _, queries, keys = layer.shape
    causal, places = bool(getattr(layer, "causal", False)), np.arange(queries)
    columns = cell_starts(keys, size)
    ends = np.minimum(np.append(columns[1:], keys), places[:, None] + 1 if causal else keys)
    counts = np.clip(ends - columns, 0, None) * np.ones((queries, 1), dtype=np.int64)
    return MaskFacts(
        first=np.zeros(queries, dtype=np.int64),
        last=np.minimum(places, keys - 1) if causal else np.full(queries, keys - 1),
        valid=None,
        first_key=0,
        first_rows=queries,
        previous_rows=min(queries - 1, keys),
        cells=np.add.reduceat(counts, cell_starts(queries, size), axis=0).astype(np.float32),
        causal=causal,
        alike=True,
    )


def mask_key(layer: AttentionLayer) -> tuple[Any, ...]:
    """Return what two layers have in common whose masks are one: the same tensors, the same shape."""
    parts = [layer.tensors().get(name) for name in ("mask", "bias")]
    places = ((part.data_ptr(), part.shape, part.stride()) if part is not None else None for part in parts)
    return (*layer.shape[1:], bool(getattr(layer, "causal", False)), *places)


def _searched(layer: AttentionLayer, size: int) -> MaskFacts:
    _, queries, keys = layer.shape
    columns, one = cell_starts(keys, size), _one_mask(layer)
    firsts, lasts, valids, counts = [], [], [], []
    causal, alike, previous = queries == keys, True, 0
    step = max(1, _BLOCK_ENTRIES // keys)
    for start in range(0, queries, step):
        part = slice(start, min(queries, start + step))
        own = layer.allowed(0, part)
        allowed = own if one else allowed_by_any_head(layer, part)
        alike = alike and (one or torch.equal(own, allowed))
        causal = causal and torch.equal(allowed, _up_to_query(allowed, start))
        previous += int(diagonal_of(allowed, start - 1).sum()) if start else int(diagonal_of(allowed[1:], 0).sum())
        firsts.append(allowed.float().argmax(dim=1))
        lasts.append(keys - 1 - allowed.flip(1).float().argmax(dim=1))
        valids.append(allowed.any(dim=1))
        counts.append(np.add.reduceat(own.cpu().numpy(), columns, axis=1, dtype=np.int32))
    valid, first, last = (torch.cat(parts) for parts in (valids, firsts, lasts))
    first_key = int(first[valid].min()) if bool(valid.any()) else 0
    return MaskFacts(
        first=torch.where(valid, first, 0).cpu().numpy(),
        last=torch.where(valid, last, keys - 1).cpu().numpy(),
        valid=None if bool(valid.all()) else valid,
        first_key=first_key,
        first_rows=int((valid & (first == first_key)).sum()),
        previous_rows=previous,
        cells=np.add.reduceat(np.concatenate(counts), cell_starts(queries, size), axis=0).astype(np.float32),
        causal=causal and alike,
        alike=alike,
    )


def _up_to_query(allowed: Tensor, start: int) -> Tensor:
    """Return bool [row, key] that is True for the keys up to the query, of rows from `start`."""
    places = torch.arange(start, start + allowed.shape[0], device=allowed.device)
    return torch.arange(allowed.shape[1], device=allowed.device) <= places[:, None]


def _one_mask(layer: AttentionLayer) -> bool:
    """Say whether the layer's tensors are one for all heads."""
    return all(tensor.shape[0] == 1 for name, tensor in layer.tensors().items() if name in ("mask", "bias"))
