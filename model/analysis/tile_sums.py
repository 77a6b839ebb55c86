"""Attention pooled to tiles from blocks of its weights: the largest weight and the sum of every cell."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from model.analysis.mask_facts import cell_starts


class TileSums:
    """Pools the weights of one layer's heads to at most size x size cells, from blocks of rows in the order of the rows.

    `maximum` and `total` [head, row, column] hold each cell's largest weight and the sum of its weights; `maxima` [head]
    the largest weight of a head and `strongest` [head, 2] its row and column, the first where several share it. What a row
    may not attend to has to come as zero.
    """

    def __init__(self, heads: int, rows: int, columns: int, size: int):
        self._rows, self._columns = cell_starts(rows, size), cell_starts(columns, size)
        self._ends = np.append(self._rows[1:], rows)
        shape = heads, len(self._rows), len(self._columns)
        self.maximum, self.total = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        self.maxima, self.strongest = np.zeros(heads, dtype=np.float32), np.zeros((heads, 2), dtype=np.int64)

    def add(self, weights: Tensor, first_row: int, first_key: int = 0, heads: slice = slice(None)) -> None:
        """Add weights float32 [head, row, key] of some `heads`; the rows and keys are consecutive, those left out are zero."""
        cells = list(self._cells(first_row, first_row + weights.shape[1]))
        columns = slice(
            *(np.searchsorted(self._columns, (first_key, first_key + weights.shape[2] - 1), "right") - (1, 0))
        )
        starts = np.maximum(self._columns[columns] - first_key, 0)
        place = heads, slice(cells[0][0], cells[-1][0] + 1), columns
        highest = _down(weights, cells, first_row, torch.amax)
        np.maximum(self.maximum[place], np.maximum.reduceat(highest, starts, axis=2), out=self.maximum[place])
        self.total[place] += np.add.reduceat(_down(weights, cells, first_row, torch.sum), starts, axis=2)

    def add_maxima(
        self, weights: Tensor, row_maxima: Tensor, first_row: int, first_key: int = 0, heads: slice = slice(None)
    ) -> None:
        """Note where the largest weight of each head is; row_maxima [head, row] are those of the rows."""
        highest, rows = row_maxima.max(dim=1)
        found = zip(range(len(self.maxima))[heads], highest.tolist(), rows.tolist(), strict=True)
        for place, (head, weight, row) in enumerate(found):
            if weight > self.maxima[head]:
                self.maxima[head] = weight
                self.strongest[head] = first_row + row, first_key + int(weights[place, row].argmax())

    def mean(self, counts: Float32[np.ndarray, "row column"]) -> Float32[np.ndarray, "head row column"]:
        """Return the mean of every cell over the `counts` of its weights that may be attended to; 0 where there are none."""
        return self.total / np.maximum(counts, 1)

    def _cells(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Yield (cell, first row, end) of the parts of cells that these rows make up."""
        first, last = np.searchsorted(self._rows, (start, stop - 1), "right") - 1
        for cell in range(first, last + 1):
            yield cell, max(start, int(self._rows[cell])), min(stop, int(self._ends[cell]))


def _down(weights: Tensor, cells: list[tuple[int, int, int]], first: int, reduce: Any) -> np.ndarray:
    """Return [head, cell, key] reduced over the rows of each cell."""
    if len(cells) == weights.shape[1]:
        return weights.cpu().numpy()
    heights = {end - start for _, start, end in cells}
    if len(heights) == 1:
        return reduce(weights.unflatten(1, (len(cells), -1)), 2).cpu().numpy()
    parts = [reduce(weights[:, start - first : end - first], 1) for _, start, end in cells]
    return torch.stack(parts, dim=1).cpu().numpy()
