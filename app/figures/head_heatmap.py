"""The heatmap of one head as a vector figure."""

from collections.abc import Mapping

import numpy as np

from app.figures.heatmap_cells import column_labels, draw_cells, label_width, row_labels
from app.figures.legend import LEGEND_WIDTH, colour_legend
from app.figures.svg import add_title, document, serialize, title_width
from app.figures.theme import LEVELS, Theme, scale_position, scale_top
from model.analysis.views import AttentionView


def attention_heatmap(
    view: AttentionView, *, theme: Theme, title: str, scale: str, common: bool, provenance: Mapping
) -> str:
    """Return the SVG of weights [query, key]: rows are queries, columns are keys, both from the first token on.

    The scale runs from 0 to 1 (`common`) or to the head's own maximum. Up to 128 x 128 cells are vectors, more are pixels.
    """
    rows, across = view.weights.shape
    cell = float(np.clip(560 / max(rows, across), 2.5, 34))
    size = float(np.clip(cell * 0.78, 7, 17))
    left = label_width(view.query_tokens, size) + 14
    top = 46 + label_width(view.key_tokens, size) * 0.82 + 14
    right = max(40.0, label_width(view.key_tokens[-4:], size) * 0.6)
    width = max(left + across * cell + right, left + LEGEND_WIDTH, title_width(title))
    maximum = scale_top(view.weights, view.mask, common)
    description = f"Heatmap of attention weights, {rows} queries by {across} keys. {title}"
    root = document(width, top + rows * cell + 56, theme, title, description, provenance)
    add_title(root, title, theme)
    draw_cells(root, cell_levels(view, scale, maximum), left, top, cell, theme)
    row_labels(root, view.query_tokens, view.query_special, left, top, cell, size, theme)
    column_labels(root, view.key_tokens, view.key_special, left, top, cell, size, theme)
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
    return weight_levels(np.where(view.mask, view.weights, np.nan), scale, maximum)


def weight_levels(weights: np.ndarray, scale: str, maximum: float) -> np.ndarray:
    """Return the level of weights on the colour scale, int of the same shape; -1 where not a number."""
    levels = np.rint((LEVELS - 1) * scale_position(weights, scale, maximum)).astype(int)
    return np.where(np.isnan(weights), -1, levels)
