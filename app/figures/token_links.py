"""Token links of one head as a vector figure: queries on the left, keys on the right."""

from collections.abc import Mapping

import numpy as np

from app.figures.svg import add, add_text, add_title, clean, clipped, columns, document, number, serialize, title_width
from app.figures.theme import Theme, hexadecimal
from model.analysis.views import AttentionView

LONGEST_LABEL = 18
MOST_LINES = 5000


def token_links(
    view: AttentionView, *, theme: Theme, title: str, threshold: float, selected: str, provenance: Mapping
) -> str:
    """Return the SVG of the weights of at least `threshold` as lines, their width and strength by the weight.

    Of more than 5,000 lines the strongest are drawn, and the figure says so.

    `selected` ("q3", "k5" or "") names the query row or key column whose lines take the accent colour.
    """
    rows, across = view.weights.shape
    step = 26.0 if max(rows, across) <= 40 else 18.0
    size, column = min(16.0, step * 0.62), 190.0
    width, height = max(620.0, title_width(title)), 84 + max(rows, across) * step
    root = document(width, height, theme, title, f"Links between {rows} queries and {across} keys. {title}", provenance)
    add_title(root, title, theme)
    add_text(root, column, 52, "query", size=12, fill=theme.quiet, text_anchor="end")
    add_text(root, width - column, 52, "key", size=12, fill=theme.quiet)
    query, key = _focus(selected)
    found = _lines(root, view, threshold, query, key, (column + 8, width - column - 8), step, theme)
    for tokens, special, x, anchor, strong in (
        (view.query_tokens, view.query_special, column, "end", query),
        (view.key_tokens, view.key_special, width - column, "start", key),
    ):
        for position, token in enumerate(tokens):
            fill = theme.accent if position == strong else theme.special if special[position] else theme.text
            weight = 700 if position == strong else 400
            label = add_text(
                root, x, _y(position, step), clipped(token, LONGEST_LABEL), size=size, fill=fill, token=True,
                text_anchor=anchor, font_weight=weight,
            )  # fmt: skip
            if columns(token) > LONGEST_LABEL:
                add(label, "title").text = clean(token)
    drawn = f", the strongest {MOST_LINES:,} of {found:,}" if found > MOST_LINES else ""
    add_text(root, 14, height - 14, f"weights of at least {threshold:g}{drawn}", size=12, fill=theme.quiet)
    return serialize(root)


def _focus(selected: str) -> tuple[int, int]:
    position = int(selected[1:]) if selected else -1
    return (position if selected.startswith("q") else -1), (position if selected.startswith("k") else -1)


def _y(position: int, step: float) -> float:
    return 66 + (position + 0.5) * step


def _lines(root, view, threshold, query, key, ends: tuple[float, float], step: float, theme: Theme) -> int:
    weights = np.where(view.mask, view.weights, 0)
    found = np.argwhere((weights >= threshold) & (weights > 0))
    strongest = found[np.argsort(-weights[found[:, 0], found[:, 1]], kind="stable")[:MOST_LINES]]
    order = sorted(map(tuple, strongest), key=lambda cell: (cell[0] == query or cell[1] == key, weights[cell]))
    chosen = query >= 0 or key >= 0
    plain = hexadecimal(theme.sequential[158])
    (start, end), group = ends, add(root, "g", fill="none")
    for row, column in order:
        weight, focused = float(min(1, weights[row, column])), row == query or column == key
        bend, first, second = (end - start) * 0.4, _y(row, step), _y(column, step)
        add(
            group, "path", stroke=theme.accent if focused else plain, stroke_width=0.6 + 7 * weight,
            stroke_opacity=0.03 + 0.1 * weight if chosen and not focused else 0.2 + 0.8 * weight,
            d=f"M{number(start)} {number(first)}C{number(start + bend)} {number(first)} {number(end - bend)} "
            f"{number(second)} {number(end)} {number(second)}",
        )  # fmt: skip
    return len(found)
