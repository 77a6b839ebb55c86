"""The heatmap of one head as a vector figure."""

from collections.abc import Mapping

import numpy as np

from app.figures.legend import LEGEND_WIDTH, colour_legend
from app.figures.svg import (
    add,
    add_pixels,
    add_text,
    add_title,
    clipped,
    columns,
    document,
    number,
    serialize,
    title_width,
)
from app.figures.theme import LEVELS, Theme, hexadecimal, level_colours, scale_position, scale_top
from model.analysis.views import AttentionView

LARGEST_VECTOR_CELLS = 128 * 128
LONGEST_LABEL = 16
CHARACTER = 0.61  # width of a character of the token font, in font sizes


def attention_heatmap(
    view: AttentionView, *, theme: Theme, title: str, scale: str, common: bool, provenance: Mapping
) -> str:
    """Return the SVG of weights [query, key]: rows are queries, columns are keys, both from the first token on.

    The scale runs from 0 to 1 (`common`) or to the head's own maximum. Up to 128 x 128 cells are vectors, more are pixels.
    """
    rows, across = view.weights.shape
    cell = float(np.clip(560 / max(rows, across), 2.5, 34))
    size = float(np.clip(cell * 0.78, 7, 17))
    left = _label_width(view.query_tokens, size) + 14
    top = 46 + _label_width(view.key_tokens, size) * 0.82 + 14
    right = max(40.0, _label_width(view.key_tokens[-4:], size) * 0.6)
    width = max(left + across * cell + right, left + LEGEND_WIDTH, title_width(title))
    maximum = scale_top(view.weights, view.mask, common)
    description = f"Heatmap of attention weights, {rows} queries by {across} keys. {title}"
    root = document(width, top + rows * cell + 56, theme, title, description, provenance)
    add_title(root, title, theme)
    levels = cell_levels(view, scale, maximum)
    if rows * across <= LARGEST_VECTOR_CELLS:
        _vector_cells(root, levels, left, top, cell, theme)
    else:
        add_pixels(root, left, top, across * cell, rows * cell, level_colours(levels, theme))
    _labels(root, view, left, top, cell, size, theme)
    colour_legend(
        root,
        left,
        top + rows * cell + 20,
        "1" if maximum == 1 else f"{maximum:.3f}",
        scale,
        bool((~view.mask).any()),
        theme,
    )
    return serialize(root)


def cell_levels(view: AttentionView, scale: str, maximum: float) -> np.ndarray:
    """Return the level of each cell on the colour scale, int [query, key]; -1 where masked or not a number."""
    levels = np.rint((LEVELS - 1) * scale_position(view.weights, scale, maximum)).astype(int)
    return np.where(view.mask & ~np.isnan(view.weights), levels, -1)


def _vector_cells(root, levels: np.ndarray, left: float, top: float, cell: float, theme: Theme) -> None:
    # One path per colour: far smaller than a rectangle per cell, and just as sharp.
    gap = 1.0 if cell > 9 else 0.0
    side = number(cell - gap)
    group = add(root, "g", transform=f"translate({number(left)} {number(top)})", stroke="none")
    for level in np.unique(levels):
        cells = np.argwhere(levels == level)
        shape = "".join(
            f"M{number(column * cell)} {number(row * cell)}h{side}v{side}h-{side}z" for row, column in cells
        )
        add(group, "path", d=shape, fill=theme.masked if level < 0 else hexadecimal(theme.sequential[level]))


def _label_width(tokens: tuple[str, ...], size: float) -> float:
    return max((min(columns(token), LONGEST_LABEL) for token in tokens), default=1) * size * CHARACTER


def _labels(root, view: AttentionView, left: float, top: float, cell: float, size: float, theme: Theme) -> None:
    every = max(1, int(np.ceil((size + 1) / cell)))
    for row in range(0, len(view.query_tokens), every):
        fill = theme.special if view.query_special[row] else theme.text
        label = add_text(
            root, left - 8, top + (row + 0.5) * cell, clipped(view.query_tokens[row], LONGEST_LABEL),
            size=size, fill=fill, token=True, text_anchor="end",
        )  # fmt: skip
        _whole(label, view.query_tokens[row])
    for column in range(0, len(view.key_tokens), every):
        fill = theme.special if view.key_special[column] else theme.text
        x, y = left + (column + 0.5) * cell, top - 8
        label = add_text(
            root, x, y, clipped(view.key_tokens[column], LONGEST_LABEL), size=size, fill=fill, token=True,
            transform=f"rotate(-52 {number(x)} {number(y)})",
        )  # fmt: skip
        _whole(label, view.key_tokens[column])


def _whole(label, token: str) -> None:
    if columns(token) > LONGEST_LABEL:
        add(label, "title").text = token
