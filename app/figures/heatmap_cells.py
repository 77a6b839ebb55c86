"""The parts of a heatmap of tokens: its cells, and the tokens along both sides."""

from collections.abc import Sequence

import numpy as np

from app.figures.svg import add, add_pixels, add_text, clipped, columns, number
from app.figures.theme import Theme, hexadecimal, level_colours

LARGEST_VECTOR_CELLS = 128 * 128
LONGEST_LABEL = 16
CHARACTER = 0.61  # width of a character of the token font, in font sizes
TURN = -52


def draw_cells(
    root,
    levels: np.ndarray,
    left: float,
    top: float,
    cell: float,
    theme: Theme,
    scale: str = "sequential",
    line: float | None = None,
) -> None:
    """Append the cells int [row, column] of levels on a scale of the theme, -1 being masked: vectors, of very many pixels.

    They are `cell` wide and `line` high, square where it is not given.
    """
    rows, across = levels.shape
    line = cell if line is None else line
    if rows * across > LARGEST_VECTOR_CELLS:
        add_pixels(root, left, top, across * cell, rows * line, level_colours(levels, theme, scale))
        return
    # One path per colour: far smaller than a rectangle per cell, and just as sharp.
    wide, high = (number(side - (1.0 if side > 9 else 0.0)) for side in (cell, line))
    group = add(root, "g", transform=f"translate({number(left)} {number(top)})", stroke="none")
    for level in np.unique(levels):
        cells = np.argwhere(levels == level)
        shape = "".join(
            f"M{number(column * cell)} {number(row * line)}h{wide}v{high}h-{wide}z" for row, column in cells
        )
        fill = theme.masked if level < 0 else hexadecimal(getattr(theme, scale)[level])
        add(group, "path", d=shape, fill=fill)


def label_width(tokens: Sequence[str], size: float) -> float:
    """Return how wide the longest of these labels is."""
    return max((min(columns(token), LONGEST_LABEL) for token in tokens), default=1) * size * CHARACTER


def row_labels(
    root, tokens: Sequence[str], quiet: Sequence[bool], left: float, top: float, cell: float, size: float, theme: Theme
) -> None:
    """Append the tokens beside their rows, as many as there is room for; `left` is where the cells begin."""
    for row in range(0, len(tokens), _every(cell, size)):
        label = add_text(
            root, left - 8, top + (row + 0.5) * cell, clipped(tokens[row], LONGEST_LABEL), size=size,
            fill=theme.special if quiet[row] else theme.text, token=True, text_anchor="end",
        )  # fmt: skip
        _whole(label, tokens[row])


def column_labels(
    root, tokens: Sequence[str], quiet: Sequence[bool], left: float, top: float, cell: float, size: float, theme: Theme
) -> None:
    """Append the tokens over their columns, turned; `top` is where the cells begin."""
    for column in range(0, len(tokens), _every(cell, size)):
        x, y = left + (column + 0.5) * cell, top - 8
        label = add_text(
            root, x, y, clipped(tokens[column], LONGEST_LABEL), size=size,
            fill=theme.special if quiet[column] else theme.text, token=True,
            transform=f"rotate({TURN} {number(x)} {number(y)})",
        )  # fmt: skip
        _whole(label, tokens[column])


def _every(cell: float, size: float) -> int:
    return max(1, int(np.ceil((size + 1) / cell)))


def _whole(label, token: str) -> None:
    if columns(token) > LONGEST_LABEL:
        add(label, "title").text = token
