"""One number per head as a grid of layers by heads: colour for the glance, the number where it fits."""

from collections.abc import Mapping, Sequence

import numpy as np

from app.figures.legend import SCORE_LEGEND_HEIGHT, score_legend
from app.figures.svg import add, add_text, add_title, columns, document, serialize, title_width
from app.figures.theme import LEVELS, Theme, diverging_position, hexadecimal, ink, scale_position

LEFT, TOP = 64.0, 92.0
NUMBERS = ("auto", "none")
_WIDEST, _TALLEST, _NARROWEST, _LOWEST = 84.0, 48.0, 15.0, 13.0
_SMALLEST_NUMBER, _CHARACTER = 10.0, 0.61
_LEGEND_WIDTH = 290.0


def score_grid(
    values: np.ndarray, layers: Sequence[int], *, theme: Theme, title: str, label: str, limit: float | None = None,
    diverging: bool = True, selected: tuple[int, int] | None = None, provenance: Mapping, numbers: str = "auto",
) -> str:  # fmt: skip
    """Return the SVG of values [layer, head], layers from top to bottom; NaN, where a layer has no such head, stays empty.

    Diverging: from -m over 0 to +m, m being `limit` or the largest |value|. Otherwise from 0 to `limit`, 1 where none is
    given. `label` says what the values are, `selected` (layer, head) is framed. `numbers` "auto" writes each value in its cell
    where it fits, "none" never.
    """
    values = np.asarray(values, dtype=np.float64)
    rows, heads = values.shape
    across, down = (
        float(np.clip(1100 / max(heads, 1), _NARROWEST, _WIDEST)),
        float(np.clip(720 / max(rows, 1), _LOWEST, _TALLEST)),
    )
    top_value = _limit(values, limit) if diverging else 1.0 if limit is None else float(limit)
    bottom = TOP + rows * down + 22
    legend = LEFT + _LEGEND_WIDTH + 10.5 * columns(label)
    width = max(LEFT + heads * across + 24, legend, title_width(title))
    described = f"Grid of {rows} layers by {heads} heads, one number each: {label}. {title}"
    root = document(width, bottom + SCORE_LEGEND_HEIGHT, theme, title, described, provenance)
    add_title(root, title, theme)
    _axis(root, [f"L{layer}" for layer in layers], down, selected and f"L{selected[0]}", theme, vertical=True)
    _axis(root, [f"H{head}" for head in range(heads)], across, selected and f"H{selected[1]}", theme, vertical=False)
    colours = _colours(values, top_value, diverging, theme)
    size = _number_size(values, across, down) if numbers == "auto" else 0.0
    for row, layer in enumerate(layers):
        for head in range(heads):
            name = f"L{layer} H{head}"
            _cell(root, values[row, head], colours[row, head], name, (row, head), (across, down), size, theme)
    if selected is not None and selected[0] in layers and selected[1] < heads:
        _frame(root, list(layers).index(selected[0]), selected[1], across, down, theme)
    top = "1" if top_value == 1 and not diverging else written(top_value)
    marks = (written(-top_value), "0", top) if diverging else ("0", top)
    score_legend(root, LEFT, bottom, theme.diverging if diverging else theme.sequential, marks, label, theme)
    return serialize(root)


def written(value: float) -> str:
    """Return a value with three decimals and a true minus sign; what rounds to zero has none."""
    text = f"{value:.3f}"
    return text.replace("-", "") if float(text) == 0 else text.replace("-", "−")


def _limit(values: np.ndarray, limit: float | None) -> float:
    if limit is not None:
        return float(limit)
    return float(np.abs(values[np.isfinite(values)]).max(initial=0)) or 1.0


def _colours(values: np.ndarray, limit: float, diverging: bool, theme: Theme) -> np.ndarray:
    if diverging:
        colours, position = theme.diverging, diverging_position(np.nan_to_num(values), limit)
    else:
        colours, position = theme.sequential, scale_position(values, "linear", limit)
    return colours[np.rint((LEVELS - 1) * position).astype(int)]


def _number_size(values: np.ndarray, across: float, down: float) -> float:
    """Return the font size at which every number fits its cell, 0 where that is too small to read."""
    longest = max((len(written(value)) for value in values[np.isfinite(values)]), default=5)
    size = min(0.42 * down, (across - 16) / (longest * _CHARACTER))
    return size if size >= _SMALLEST_NUMBER else 0.0


def _cell(root, value, rgb, name: str, place: tuple[int, int], sides: tuple[float, float], size: float, theme) -> None:
    (row, head), (across, down) = place, sides
    gap = 2.0 if min(sides) > 20 else 1.0
    x, y = LEFT + head * across, TOP + row * down
    box = dict(x=x, y=y, width=across - gap, height=down - gap)
    if np.isnan(value):
        empty = add(root, "rect", **box, fill="none", stroke=theme.masked, stroke_width=0.8)
        add(empty, "title").text = f"{name}: no such head"
        return
    cell = add(root, "rect", **box, fill=hexadecimal(rgb))
    add(cell, "title").text = f"{name}: {written(value)}"
    if size:
        middle = x + (across - gap) / 2, y + (down - gap) / 2
        add_text(root, *middle, written(value), size=size, fill=ink(rgb), token=True, text_anchor="middle")


def _axis(root, names: list[str], step: float, strong: str | None, theme: Theme, *, vertical: bool) -> None:
    size = float(np.clip(step * 0.5, 13, 18))
    room = size * 1.15 if vertical else size * _CHARACTER * (max(map(len, names), default=2) + 0.6)
    every = max(1, int(np.ceil(room / step)))
    chosen = names.index(strong) if strong in names else None
    for index, name in enumerate(names):
        near = chosen is not None and index != chosen and abs(index - chosen) < every
        if index != chosen and (index % every or near):
            continue
        middle = (index + 0.5) * step - 1
        x, y = (LEFT - 12, TOP + middle) if vertical else (LEFT + middle, TOP - 18)
        fill, weight = (theme.accent, 700) if index == chosen else (theme.quiet, 400)
        anchor = "end" if vertical else "middle"
        add_text(root, x, y, name, size=size, fill=fill, token=True, text_anchor=anchor, font_weight=weight)


def _frame(root, row: int, head: int, across: float, down: float, theme: Theme) -> None:
    # In the colour of text: the accent is one of the scale's own hues.
    gap = 2.0 if min(across, down) > 20 else 1.0
    add(
        root, "rect", x=LEFT + head * across - 2, y=TOP + row * down - 2, width=across - gap + 4, height=down - gap + 4,
        rx=2, fill="none", stroke=theme.text, stroke_width=3,
    )  # fmt: skip
