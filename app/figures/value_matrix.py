"""A matrix of numbers with named rows and columns as a vector figure: states by dimension, similarities, layers."""

from collections.abc import Mapping, Sequence

import numpy as np

from app.figures.head_heatmap import weight_levels
from app.figures.heatmap_cells import column_labels, draw_cells, label_width, row_labels
from app.figures.legend import SCORE_LEGEND_HEIGHT, score_legend
from app.figures.matrix_chart import tick_step
from app.figures.svg import add, add_text, add_title, columns, document, serialize, title_width
from app.figures.theme import LEVELS, Theme, diverging_position
from model.errors import HeadscopeError

MOST_CELLS = 1_000_000
SHORT_NAME = 5  # names of at most so many columns of type stand upright, spaced out, as numbers on an axis do
_WIDE, _HIGH, _WIDEST_CELL, _HIGHEST_LINE = 900.0, 560.0, 40.0, 26.0
_PIXELS = 2  # pixels of the picture inside for each unit of the figure
_LEGEND = 300.0


def value_matrix(
    values: np.ndarray, *, rows: Sequence[str], columns: Sequence[str], row_title: str, column_title: str, label: str,
    limit: float, diverging: bool, theme: Theme, title: str, provenance: Mapping, marked_columns: Sequence[int] = (),
    marked_rows: Sequence[int] = (), square: bool = False,
) -> str:  # fmt: skip
    """Return the SVG of values [row, column]: from -limit over 0 to +limit (diverging) or from 0 to `limit`; NaN is grey.

    Up to 128 x 128 cells are vectors; more are pixels, each the value of largest magnitude among those it covers. Marked rows
    and columns (places) have a tick and their name. Raises HeadscopeError for more than MOST_CELLS cells.
    """
    values = checked_values(values, rows, columns, limit)
    down, across = values.shape
    cell, line = min(_WIDE / across, _WIDEST_CELL), min(_HIGH / down, _HIGHEST_LINE)
    cell, line = (min(cell, line),) * 2 if square else (cell, line)
    sizes = [float(np.clip(side * 0.78, 8, 16)) for side in (line, cell)]
    short, highest = _short(columns), 0.0 if _short(columns) else label_width(columns, sizes[1]) * 0.82
    left, top = label_width(rows, sizes[0]) + 20, 72 + max(highest, 42.0)
    right = 40.0 if short else max(40.0, label_width(columns[-4:], sizes[1]) * 0.62)
    beyond = beyond_text(values, limit, diverging)
    told = f"{label}; {beyond}" if beyond else label
    width = max(left + across * cell + right, left + _LEGEND + 11 * len(told), title_width(title))
    bottom = top + down * line + 22
    described = f"Matrix of {label}: {down} rows ({row_title}) by {across} columns ({column_title}). {title}"
    root = document(width, bottom + SCORE_LEGEND_HEIGHT, theme, title, described, provenance)
    add_title(root, title, theme)
    add_text(root, 14, 50, f"{row_title} ↓   {column_title} →", size=14, fill=theme.quiet)
    scale = "diverging" if diverging else "sequential"
    levels = value_levels(pool_strongest(values, round(_PIXELS * _HIGH), round(_PIXELS * _WIDE)), limit, diverging)
    drawn = (across * cell / levels.shape[1], down * line / levels.shape[0])
    draw_cells(root, levels, left, top, drawn[0], theme, scale, line=drawn[1])
    row_labels(root, rows, [False] * down, left, top, line, sizes[0], theme)
    if short:
        _numbers(root, columns, marked_columns, left, top, cell, theme)
    else:
        column_labels(root, columns, [False] * across, left, top, cell, sizes[1], theme)
    _marks(root, marked_rows, marked_columns, (left, top, cell, line), 22 if short else 6, theme)
    _legend(root, left, bottom, limit, diverging, told, theme)
    return serialize(root)


def checked_values(values: np.ndarray, rows: Sequence[str], columns: Sequence[str], limit: float) -> np.ndarray:
    """Return the values as float32 [row, column], after a check of names, size and scale.

    Raises HeadscopeError for more than MOST_CELLS cells, ValueError where names do not fit or `limit` is no positive number.
    """
    values = np.asarray(values, dtype=np.float32)
    if values.shape != (len(rows), len(columns)) or not values.size:
        raise ValueError(f"Values of shape {values.shape} have {len(rows)} row and {len(columns)} column names.")
    if not 0 < limit < np.inf:
        raise ValueError(f"The scale ends at {limit}, which is not a positive number.")
    if values.size > MOST_CELLS:
        raise HeadscopeError(
            f"This matrix has {len(rows):,} by {len(columns):,} cells, and at most {MOST_CELLS:,} are drawn. "
            "Shorten the text, or show fewer columns."
        )
    return values


def value_limit(values: np.ndarray, share: float = 1.0) -> float:
    """Return the end of a scale: the smallest number that a `share` of the known magnitudes does not exceed, 1 where all are 0.

    With less than 1 a few outliers do not make everything else pale; they are drawn as the end of the scale.
    """
    known = np.abs(np.asarray(values, dtype=np.float64))
    known = known[np.isfinite(known)]
    return float(np.quantile(known, share, method="higher")) or 1.0 if known.size else 1.0


def beyond_text(values: np.ndarray, limit: float, diverging: bool) -> str:
    """Return in words how many values lie outside the scale, "" where none does."""
    outside = np.abs(values) > limit * (1 + 1e-6) if diverging else (values > limit * (1 + 1e-6)) | (values < 0)
    count = int(outside.sum())
    if not count:
        return ""
    farthest = values[outside][np.abs(values[outside]).argmax()]
    return f"{count:,} beyond, the farthest {shown(farthest)}"


def value_levels(values: np.ndarray, limit: float, diverging: bool) -> np.ndarray:
    """Return the level of each value on its colour scale, int of the same shape; -1 where there is none."""
    if not diverging:
        return weight_levels(values, "linear", limit)
    position = diverging_position(values, limit)
    return np.where(np.isnan(position), -1, np.rint((LEVELS - 1) * np.nan_to_num(position)).astype(int))


def pool_strongest(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return at most [rows, columns] values, each that of largest magnitude of its cell, with its sign; NaN where all are NaN.

    Cell r covers the rows from ceil(r * count / rows) up to the next cell's first.
    """
    for axis, size in ((0, rows), (1, columns)):
        length = values.shape[axis]
        if length > size:
            starts = np.ceil(np.arange(size) * length / size).astype(int)
            high = np.fmax.reduceat(values, starts, axis=axis)
            low = np.fmin.reduceat(values, starts, axis=axis)
            values = np.where(-low > high, low, high)
    return values


def shown(value: float) -> str:
    """Return a number in four digits, with a true minus."""
    return f"{value:.4g}".replace("-", "−")


def _short(names: Sequence[str]) -> bool:
    return all(columns(name) <= SHORT_NAME for name in names)


def _numbers(
    root, names: Sequence[str], marked: Sequence[int], left: float, top: float, cell: float, theme: Theme
) -> None:
    """Append short names upright over their columns: every so many-th, and higher up the marked ones where they have room."""
    size = 13.0
    room = label_width(names, size) + 8
    step = max(tick_step(len(names)) if room > cell else 1, int(np.ceil(room / cell)))
    for column in range(0, len(names), step):
        if all(abs(column - other) * cell >= room / 2 for other in marked):
            _number(root, names[column], left + (column + 0.5) * cell, top - 12, size, theme.quiet)
    last = -np.inf
    for column in sorted(marked):
        x = left + (column + 0.5) * cell
        if x - last >= room:
            last = x
            _number(root, names[column], x, top - 32, size, theme.accent)


def _number(root, name: str, x: float, y: float, size: float, fill: str) -> None:
    add_text(root, x, y, name, size=size, fill=fill, token=True, text_anchor="middle")


def _marks(
    root,
    rows: Sequence[int],
    marked: Sequence[int],
    place: tuple[float, float, float, float],
    tall: float,
    theme: Theme,
) -> None:
    left, top, cell, line = place
    for column in marked:
        add(
            root, "rect", x=left + (column + 0.5) * cell - 0.75, y=top - tall, width=1.5, height=tall, fill=theme.accent
        )
    for row in rows:
        add(root, "rect", x=left - 7, y=top + (row + 0.5) * line - 0.75, width=6, height=1.5, fill=theme.accent)


def _legend(root, left: float, top: float, limit: float, diverging: bool, label: str, theme: Theme) -> None:
    marks = (shown(-limit), "0", f"+{shown(limit)}") if diverging else ("0", shown(limit))
    score_legend(root, left, top, theme.diverging if diverging else theme.sequential, marks, label, theme)
