"""A long view from above: all of it or a window of it, pooled to a size that a screen shows, exact where it fits."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from model.analysis.view_axes import ViewAxes
from model.analysis.view_rows import ViewRows
from model.analysis.views import LONGEST_WHOLE, AttentionView, axes_of
from model.errors import HeadscopeError

POOLINGS = ("maximum", "mean")
# What is shown blocks of rows as they are made: the first row, weights [row, key] and mask [row, key].
Look = Callable[[int, Tensor, Tensor], None]
_WINDOW = re.compile(r"(\d{1,9}),(\d{1,9}),(\d{1,9}),(\d{1,9})", re.ASCII)


@dataclass(frozen=True)
class Window:
    """A part of a view: its first row and column, and how many of each."""

    top: int
    left: int
    rows: int
    columns: int

    @property
    def text(self) -> str:
        """The window as text, "top,left,rows,columns", such as "120,40,256,256"."""
        return f"{self.top},{self.left},{self.rows},{self.columns}"

    @staticmethod
    def from_text(text: str) -> "Window | None":
        """Return the window that `text` writes; None where it is none."""
        found = _WINDOW.fullmatch(text)
        return None if found is None else Window(*(int(number) for number in found.groups()))

    def fitted(self, axes: ViewAxes) -> "Window":
        """Return the nearest window that lies in a view, of one row and column at least; its size stays where it fits."""
        count, width = axes.shape
        rows, columns = min(max(self.rows, 1), count), min(max(self.columns, 1), width)
        return Window(min(max(self.top, 0), count - rows), min(max(self.left, 0), width - columns), rows, columns)


@dataclass(frozen=True, eq=False)
class PooledView(AttentionView):
    """A window of a view of `whole` (rows, columns), each cell of which is pooled from `cell` (rows, columns) weights.

    `mask` is False where a cell covers no weight that may be attended to. The groups of an axis hold the positions of all
    tokens that a row or column covers, and its name those of the first and the last.
    """

    window: Window
    whole: tuple[int, int]
    cell: tuple[int, int]
    pooling: str

    @property
    def is_exact(self) -> bool:
        """Whether a cell is a single weight."""
        return self.cell == (1, 1)


def pooled_view(
    rows: ViewRows, window: Window | None = None, *, size: int = LONGEST_WHOLE, pooling: str = "maximum",
    look: Look | None = None,
) -> PooledView:  # fmt: skip
    """Return a window of a view, or all of it, pooled to at most size x size.

    cell[r, c] = max or mean of weight[q, k] over those of the cell's a x b weights that may be attended to, with
    a = ceil(rows / size), b = ceil(columns / size), the first cell at the window's first row and column

    Weights are made a block of rows at a time and kept only as pooled; `look` is shown each block before that: its first
    row, weights and mask of all keys. Raises HeadscopeError for a pooling that is not there and a size below 1.
    """
    if pooling not in POOLINGS:
        raise HeadscopeError(f"There is no pooling “{pooling}”. Choose {', '.join(POOLINGS)}.")
    if size < 1:
        raise HeadscopeError(f"A picture of {size} cells shows nothing. Give a size of at least 1.")
    window = Window(0, 0, *rows.axes.shape) if window is None else window
    window = window.fitted(rows.axes)
    cell = -(-window.rows // size), -(-window.columns // size)
    weights, mask = _pooled_window(rows, window, cell, pooling, look)
    axes = _pooled_axes(rows.axes, window, cell)
    return PooledView(
        **axes_of(axes), weights=weights.numpy(), mask=mask.numpy(), window=window, whole=rows.axes.shape, cell=cell,
        pooling=pooling,
    )  # fmt: skip


def pool_cells(
    weights: Tensor, mask: Tensor, cell: tuple[int, int], columns: int, pooling: str
) -> tuple[Tensor, Tensor]:
    """Return weights float32 [row, key] and mask bool [row, key] pooled to [cell row, cell column].

    The last cell of an axis may cover fewer; cells of one weight stay as they are. Keys may be left out at the end: there
    are `columns`, and those that are not there may not be attended to.
    """
    if cell == (1, 1):
        missing = (0, columns - weights.shape[1])
        return torch.nn.functional.pad(weights, missing), torch.nn.functional.pad(mask, missing)
    weights = zeroed(weights, mask)
    if pooling == "maximum":
        allowed = _reduced(mask.view(torch.uint8), cell, columns, torch.amax) > 0
        return _reduced(weights, cell, columns, torch.amax), allowed
    counts = _reduced(mask.float(), cell, columns, torch.sum)
    return _reduced(weights, cell, columns, torch.sum) / counts.clamp(min=1), counts > 0


def zeroed(weights: Tensor, mask: Tensor) -> Tensor:
    """Return weights float32 with zeros where the mask is False, whatever stood there.

    By their bits: to fill or to multiply by a mask of bools takes a processor several times as long.
    """
    bits = weights.view(torch.int32) & mask.view(torch.int8).int().neg_()
    return bits.view(torch.float32)


def _pooled_window(
    rows: ViewRows, window: Window, cell: tuple[int, int], pooling: str, look: Look | None
) -> tuple[Tensor, Tensor]:
    fit = max(1, rows.block_bytes // rows.row_bytes // cell[0]) * cell[0]
    step = window.rows if max(rows.axes.shape) <= LONGEST_WHOLE else fit
    parts = []
    for first in range(window.top, window.top + window.rows, step):
        some = rows.read(first, min(first + step, window.top + window.rows))
        if look is not None:
            look(first, *some)
        weights, mask = (part[:, window.left : window.left + window.columns] for part in some)
        weights, mask = pool_cells(weights, mask, cell, window.columns, pooling)
        parts.append((weights.cpu(), mask.cpu()))
    weights, mask = (torch.cat(part) for part in zip(*parts, strict=True))
    return weights, mask


def _reduced(part: Tensor, cell: tuple[int, int], columns: int, reduce: Any) -> Tensor:
    """Return [cell row, cell column]: rows first, since most of the work is along memory then."""
    down, across = cell
    part = _grouped(part, down, reduce) if down > 1 else part
    missing = -(-columns // across) * across - part.shape[1]
    part = torch.nn.functional.pad(part, (0, missing))
    return reduce(part.unflatten(1, (-1, across)), 2) if across > 1 else part


def _grouped(part: Tensor, down: int, reduce: Any) -> Tensor:
    """Return the rows reduced, `down` at a time; the last may be fewer."""
    whole = part.shape[0] // down * down
    pooled = reduce(part[:whole].unflatten(0, (-1, down)), 1)
    return pooled if whole == part.shape[0] else torch.cat([pooled, reduce(part[whole:], 0)[None]])


def _pooled_axes(axes: ViewAxes, window: Window, cell: tuple[int, int]) -> ViewAxes:
    query = range(window.top, window.top + window.rows, cell[0]), cell[0], window.top + window.rows
    key = range(window.left, window.left + window.columns, cell[1]), cell[1], window.left + window.columns
    return replace(axes, **_side(axes, "query", *query), **_side(axes, "key", *key))


def _side(axes: ViewAxes, side: str, starts: range, step: int, end: int) -> dict[str, tuple[Any, ...]]:
    names, special, groups = (getattr(axes, f"{side}_{name}") for name in ("tokens", "special", "groups"))
    covered = [slice(start, min(start + step, end)) for start in starts]
    return {
        f"{side}_tokens": tuple(_name(names[part]) for part in covered),
        f"{side}_special": tuple(all(special[part]) for part in covered),
        f"{side}_groups": tuple(tuple(place for group in groups[part] for place in group) for part in covered),
    }


def _name(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]}…{names[-1]}"
