"""Where in a long map the largest weights stand that are not what most heads do: no diagonal, no attention sinks."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from model.analysis.view_axes import ViewAxes
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


@dataclass(frozen=True, eq=False)
class _Survey:
    """Of each column: its largest weight in each block of rows, its sum, and how many rows may attend to it."""

    peaks: Tensor
    sums: Tensor
    counts: Tensor


def strongest_pairs(rows: ViewRows, count: int = 20, *, off_diagonal: bool = True, off_sink: bool = True) -> list[Pair]:
    """Return the `count` largest weights of a view, the largest first; equal ones in the order of rows and columns.

    Only what may be attended to and is above zero is among them. `off_diagonal` leaves out |q - k| <= 1, in rows and columns,
    where both axes are of the same tokens. `off_sink` leaves out attention sinks (Xiao et al. 2023): special tokens, the
    first token of the sequence, and keys whose mean weight over the rows that may attend to them is above 0.3, if these are
    at least 8 rows or half of all. Rows are made a block at a time, and twice where a block holds what is found. Raises
    HeadscopeError for a count below 1.
    """
    if count < 1:
        raise HeadscopeError(f"There are no {count} strongest pairs. Ask for at least 1.")
    blocks = list(_ranges(rows))
    diagonal = off_diagonal and rows.same_sequence and rows.axes.query_groups == rows.axes.key_groups
    survey = _survey(rows, blocks, diagonal)
    wanted = ~_sinks(survey, rows.axes) if off_sink else torch.ones_like(survey.counts, dtype=torch.bool)
    peaks = survey.peaks * wanted
    least = max(float(peaks.flatten().topk(min(count, peaks.numel())).values[-1]), _SMALLEST)
    found: list[Pair] = []
    for (start, stop), peak in zip(blocks, peaks.amax(dim=1).tolist(), strict=True):
        if peak >= least:
            weights = _candidates(*rows.read(start, stop), start, diagonal)
            found += _largest(weights * wanted[: weights.shape[1]].to(weights.device), start, count)
    return sorted(found, key=lambda pair: -pair.weight)[:count]


def _ranges(rows: ViewRows) -> Iterator[tuple[int, int]]:
    # Each block keeps a number for each column: few blocks, so that these stay small beside the map.
    count = rows.axes.shape[0]
    return row_ranges(count, rows.row_bytes, max(rows.block_bytes, count * rows.row_bytes // _MOST_BLOCKS))


def _survey(rows: ViewRows, blocks: list[tuple[int, int]], diagonal: bool) -> _Survey:
    columns = rows.axes.shape[1]
    peaks = torch.zeros(len(blocks), columns)
    sums, counts = torch.zeros(columns, dtype=torch.float64), torch.zeros(columns, dtype=torch.int64)
    for number, (start, stop) in enumerate(blocks):
        weights, mask = rows.read(start, stop)
        reach = weights.shape[1]
        # float32 counts the rows of a block exactly, and much faster than a sum of bools.
        counts[:reach] += mask.float().sum(dim=0).long().cpu()
        sums[:reach] += (weights * mask).nan_to_num_().sum(dim=0).double().cpu()
        peaks[number, :reach] = _candidates(weights, mask, start, diagonal).amax(dim=0).cpu()
    return _Survey(peaks, sums, counts)


def _sinks(survey: _Survey, axes: ViewAxes) -> Tensor:
    """Return bool [key], True where a key is an attention sink."""
    telling = survey.counts >= min(_TELLING_ROWS, -(-axes.shape[0] // 2))
    sinks = telling & (survey.sums > SINK_SHARE * survey.counts)
    return sinks | torch.tensor(
        [special or group[0] == 0 for special, group in zip(axes.key_special, axes.key_groups, strict=True)]
    )


def _candidates(weights: Tensor, mask: Tensor, start: int, diagonal: bool) -> Tensor:
    """Return the weights of a block of rows from `start` on, zero where they may not be among the strongest pairs."""
    weights = (weights * mask).nan_to_num_()
    if diagonal:
        for offset in (-1, 0, 1):
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
