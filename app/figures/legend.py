"""The legend of the colour scale, drawn into a figure."""

from app.figures.svg import add, add_text
from app.figures.theme import LEVELS, Theme, hexadecimal

LEGEND_WIDTH = 434.0


def colour_legend(root, left: float, y: float, top: str, scale: str, masked: bool, theme: Theme) -> None:
    """Append the colour scale from 0 to `top`, and the masked grey where something is masked."""
    for step in range(64):
        colour = hexadecimal(theme.sequential[step * (LEVELS - 1) // 63])
        # Each reaches to the end and the next paints over it, so that no seam shows between two.
        add(root, "rect", x=left + step * 2.5, y=y, width=160 - step * 2.5, height=10, fill=colour)
    add_text(root, left + 168, y + 5, f"0 to {top}, {scale} scale", size=12, fill=theme.quiet)
    if masked:
        add(root, "rect", x=left + 350, y=y, width=12, height=10, fill=theme.masked)
        add_text(root, left + 368, y + 5, "masked", size=12, fill=theme.quiet)
