"""Where in a long map the largest weights stand that are not what most heads do: no diagonal, no attention sinks."""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.analysis.pooled_views import zeroed
from model.analysis.view_rows import ViewRows, row_ranges
from model.errors import HeadscopeError

# A key is a sink where the rows that may attend to it give it more than this on average.
SINK_SHARE = 0.3
# A mean over fewer rows than these says nothing of a sink, unless they are at least half of all.
_TELLING_ROWS = 8
_MOST_BLOCKS = 64
_SMALLEST = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class Pair:
    """A weight, and its row and column in the view."""

    query: int
    key: int
    weight: float


class PairSearch:
    """Looks for the strongest pairs of a view in blocks of its rows, handed over in their order, each once.

    `off_diagonal` leaves out |q - k| <= 1, in rows and columns, where both axes are of the same tokens. `off_sink` leaves out
    attention sinks (Xiao et al. 2023): special tokens, the first token of the sequence, and keys whose mean weight over the
    rows that may attend to them is above 0.3, if these are at least 8 rows or half of all.
    """

    def __init__(self, rows: ViewRows, *, off_diagonal: bool = True, off_sink: bool = True):
        self.rows, self.off_sink = rows, off_sink
        self._diagonal = off_diagonal and rows.same_sequence and rows.axes.query_groups == rows.axes.key_groups
        count, columns = rows.axes.shape
        # Of every block of rows a number is kept for each column: few blocks, so that these stay small beside the map.
        self._step = max(1, -(-count // _MOST_BLOCKS))
        self._blocks: list[tuple[int, int]] = []
        self._peaks: list[Tensor] = []
        self._sums, self._counts = torch.zeros(columns, dtype=torch.float64), torch.zeros(columns, dtype=torch.int64)

    def look(self, start: int, weights: Tensor, mask: Tensor) -> None:
        """Look at weights float32 [row, key] and mask bool [row, key] of the rows from `start` on."""
        reach = weights.shape[1]
        weights = zeroed(weights, mask).nan_to_num_()
        # As bytes, of which a sum is much faster than of bools.
        self._counts[:reach] += mask.view(torch.uint8).sum(dim=0, dtype=torch.int32).cpu()
        self._sums[:reach] += weights.sum(dim=0).double().cpu()
        peaks = _off_diagonal(weights, start, self._diagonal).amax(dim=0).cpu()
        stop = start + weights.shape[0]
        if self._blocks and stop - self._blocks[-1][0] <= self._step:
            self._blocks[-1] = self._blocks[-1][0], stop
        else:
            self._blocks.append((start, stop))
            self._peaks.append(torch.zeros(self.rows.axes.shape[1]))
        torch.maximum(self._peaks[-1][:reach], peaks, out=self._peaks[-1][:reach])

    def found(self, count: int = 20) -> list[Pair]:
        """Return the `count` largest weights, the largest first; equal ones in the order of rows and columns.

        Only what may be attended to and is above zero is among them. Blocks that hold some of them are made once more.
        Raises HeadscopeError for a count below 1.
        """
        if count < 1:
            raise HeadscopeError(f"There are no {count} strongest pairs. Ask for at least 1.")
        wanted = ~self._sinks() if self.off_sink else torch.ones_like(self._counts, dtype=torch.bool)
        peaks = torch.stack(self._peaks) * wanted
        least = max(float(peaks.flatten().topk(min(count, peaks.numel())).values[-1]), _SMALLEST)
        found: list[Pair] = []
        for (start, stop), peak in zip(self._blocks, peaks.amax(dim=1).tolist(), strict=True):
            if peak >= least:
                weights = zeroed(*self.rows.read(start, stop)).nan_to_num_()
                weights = _off_diagonal(weights, start, self._diagonal)
                found += _largest(weights * wanted[: weights.shape[1]].to(weights.device), start, count)
        return sorted(found, key=lambda pair: -pair.weight)[:count]

    def _sinks(self) -> Tensor:
        """Return bool [key], True where a key is an attention sink."""
        axes = self.rows.axes
        telling = self._counts >= min(_TELLING_ROWS, -(-axes.shape[0] // 2))
        sinks = telling & (self._sums > SINK_SHARE * self._counts)
        return sinks | torch.tensor(
            [special or group[0] == 0 for special, group in zip(axes.key_special, axes.key_groups, strict=True)]
        )


def strongest_pairs(rows: ViewRows, count: int = 20, *, off_diagonal: bool = True, off_sink: bool = True) -> list[Pair]:
    """Return the `count` largest weights of a view, made a block of rows at a time; see PairSearch.

    Raises HeadscopeError for a count below 1.
    """
    search = PairSearch(rows, off_diagonal=off_diagonal, off_sink=off_sink)
    for start, stop in row_ranges(rows.axes.shape[0], rows.row_bytes, rows.block_bytes):
        search.look(start, *rows.read(start, stop))
    return search.found(count)


def _off_diagonal(weights: Tensor, start: int, diagonal: bool) -> Tensor:
    """Set what is on the diagonal or beside it to zero, in a block of rows from `start` on, and return the block."""
    for offset in (-1, 0, 1) if diagonal else ():
        weights.diagonal(start + offset).zero_()
    return weights


def _largest(weights: Tensor, start: int, count: int) -> list[Pair]:
    """Return the `count` largest weights of a block above zero."""
    flat = weights.flatten()
    least = max(float(flat.topk(min(count, len(flat))).values[-1]), _SMALLEST)
    places = (flat >= least).nonzero()[:, 0]
    order = flat[places].sort(descending=True, stable=True).indices[:count]
    width = weights.shape[1]
    return [
        Pair(start + place // width, place % width, weight)
        for place, weight in zip(places[order].tolist(), flat[places[order]].tolist(), strict=True)
    ]
