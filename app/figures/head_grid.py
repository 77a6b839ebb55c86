"""The head grid as a figure: one thumbnail per head, pixels inside a vector frame."""

from collections.abc import Mapping

import numpy as np

from app.figures.legend import LEGEND_WIDTH, colour_legend
from app.figures.svg import add, add_pixels, add_text, add_title, document, serialize, title_width
from app.figures.theme import LEVELS, Theme, level_colours, scale_position
from model.analysis.thumbnails import MASKED_CODE, Thumbnails, decode_tiles

SIDE, GAP, LEFT, TOP = 64.0, 6.0, 56.0, 78.0


def head_grid(
    thumbnails: Thumbnails, *, theme: Theme, title: str, selected: tuple[int, int], scale: str, common: bool,
    provenance: Mapping,
) -> str:  # fmt: skip
    """Return the SVG of all heads, layers from top to bottom; `selected` (layer, head) is framed in the accent colour."""
    layers, heads, _, _ = thumbnails.tiles.shape
    width = max(LEFT + heads * (SIDE + GAP) + 20, LEFT + LEGEND_WIDTH, title_width(title))
    bottom = TOP + layers * (SIDE + GAP) + 12
    description = f"Grid of {layers} layers by {heads} heads, one thumbnail of attention weights each. {title}"
    root = document(width, bottom + 36, theme, title, description, provenance)
    add_title(root, title, theme)
    for head in range(heads):
        x = LEFT + head * (SIDE + GAP) + SIDE / 2
        add_text(root, x, TOP - 16, f"H{head}", size=15, fill=theme.quiet, token=True, text_anchor="middle")
    for row, layer in enumerate(thumbnails.layers):
        y = TOP + row * (SIDE + GAP)
        add_text(root, LEFT - 12, y + SIDE / 2, f"L{layer}", size=15, fill=theme.quiet, token=True, text_anchor="end")
        for head in range(heads):
            maximum = 1.0 if common else float(thumbnails.maxima[row, head]) or 1.0
            pixels = tile_colours(thumbnails.tiles[row, head], theme, scale, maximum)
            x = LEFT + head * (SIDE + GAP)
            add_pixels(root, x, y, SIDE, SIDE, pixels)
            if (layer, head) == selected:
                add(
                    root, "rect", x=x - 2, y=y - 2, width=SIDE + 4, height=SIDE + 4, fill="none",
                    stroke=theme.accent, stroke_width=3,
                )  # fmt: skip
    masked = bool((thumbnails.tiles == MASKED_CODE).any())
    colour_legend(root, LEFT, bottom, "1" if common else "each head's maximum", scale, masked, theme)
    return serialize(root)


def tile_colours(codes: np.ndarray, theme: Theme, scale: str, maximum: float) -> np.ndarray:
    """Return uint8 pixels [row, column, rgb] of one tile of codes [row, column]."""
    weights = decode_tiles(codes)
    levels = np.rint((LEVELS - 1) * scale_position(weights, scale, maximum)).astype(int)
    return level_colours(np.where(np.isnan(weights), -1, levels), theme)
