"""A matrix over positions as a picture: encodings, similarities, the matrix of an offset."""

from collections.abc import Mapping

import numpy as np

from app.figures.legend import SCORE_LEGEND_HEIGHT, score_legend
from app.figures.score_grid import written
from app.figures.svg import add, add_pixels, add_text, add_title, columns, document, serialize, title_width
from app.figures.theme import LEVELS, Theme, diverging_position

_LEFT, _TOP = 84.0, 96.0
_WIDEST, _TALLEST = 760.0, 480.0
_LEGEND_WIDTH, _LETTER = 290.0, 10.5
_TICKS = 8


def position_matrix(
    values: np.ndarray, *, theme: Theme, title: str, rows: str, across: str, label: str, limit: float = 1.0,
    square: bool = False, provenance: Mapping,
) -> str:  # fmt: skip
    """Return the SVG of values [row, column] on the diverging scale from -limit over 0 to +limit; NaN is the masked grey.

    `rows` and `across` name the axes ("position", "dimension"), both counted from 0; `label` says what the values are. A `square`
    picture has cells as high as they are wide.
    """
    values = np.asarray(values, dtype=np.float64)
    down, wide = values.shape
    width, height = _sides(down, wide, square)
    bottom = _TOP + height + 22
    whole = max(_LEFT + width + 40, _LEFT + _LEGEND_WIDTH + _LETTER * columns(label), title_width(title))
    described = f"Picture of {label}: {down} rows ({rows}) by {wide} columns ({across}). {title}"
    root = document(whole, bottom + SCORE_LEGEND_HEIGHT, theme, title, described, provenance)
    add_title(root, title, theme)
    add_pixels(root, _LEFT, _TOP, width, height, _colours(values, limit, theme))
    add(root, "rect", x=_LEFT, y=_TOP, width=width, height=height, fill="none", stroke=theme.quiet, stroke_width=0.8)
    _axis(root, down, height / down, rows, theme, vertical=True)
    _axis(root, wide, width / wide, across, theme, vertical=False)
    marks = (written(-limit), "0", written(limit))
    score_legend(root, _LEFT, bottom, theme.diverging, marks, label, theme)
    return serialize(root)


def _sides(down: int, wide: int, square: bool) -> tuple[float, float]:
    if not square:
        return _WIDEST, _TALLEST
    cell = min(_WIDEST / wide, _TALLEST / down)
    return cell * wide, cell * down


def _colours(values: np.ndarray, limit: float, theme: Theme) -> np.ndarray:
    masked = np.array([int(theme.masked[start : start + 2], 16) for start in (1, 3, 5)], dtype=np.uint8)
    levels = np.rint((LEVELS - 1) * diverging_position(np.nan_to_num(values), limit)).astype(int)
    return np.where(np.isnan(values)[..., None], masked, theme.diverging[levels]).astype(np.uint8)


def _axis(root, count: int, step: float, name: str, theme: Theme, *, vertical: bool) -> None:
    every = _tick_step(count)
    for index in range(0, count, every):
        middle = (index + 0.5) * step
        x, y = (_LEFT - 10, _TOP + middle) if vertical else (_LEFT + middle, _TOP - 14)
        anchor = "end" if vertical else "middle"
        add_text(root, x, y, str(index), size=16, fill=theme.quiet, token=True, text_anchor=anchor)
    if vertical:
        add_text(root, 14, _TOP - 40, f"{name} ↓", size=16, fill=theme.text)
    else:
        add_text(root, _LEFT + 60, _TOP - 40, f"{name} →", size=16, fill=theme.text)


def _tick_step(count: int) -> int:
    """Return the smallest of the steps 1, 2, 5, 10, 20, 50, ... that leaves at most eight marks."""
    steps = (base * 10**power for power in range(9) for base in (1, 2, 5))
    return next(step for step in steps if count / step <= _TICKS)
