"""The legends of the colour scales, drawn into a figure."""

from collections.abc import Sequence

import numpy as np

from app.figures.svg import add, add_text
from app.figures.theme import LEVELS, Theme, hexadecimal

LEGEND_WIDTH = 434.0
SCORE_LEGEND_HEIGHT = 52.0
_STEPS, _WIDTH = 64, 160.0
_SCORE_WIDTH = 260.0


def colour_legend(root, left: float, y: float, top: str, scale: str, masked: bool, theme: Theme) -> None:
    """Append the colour scale from 0 to `top`, and the masked grey where something is masked."""
    _ramp(root, left, y, _WIDTH, 10, theme.sequential)
    add_text(root, left + 168, y + 5, f"0 to {top}, {scale} scale", size=12, fill=theme.quiet)
    if masked:
        add(root, "rect", x=left + 350, y=y, width=12, height=10, fill=theme.masked)
        add_text(root, left + 368, y + 5, "masked", size=12, fill=theme.quiet)


def score_legend(
    root, left: float, y: float, colours: np.ndarray, marks: Sequence[str], label: str, theme: Theme
) -> None:
    """Append a colour scale uint8 [level, rgb] with `marks` spread evenly under it from end to end, and its label."""
    _ramp(root, left, y, _SCORE_WIDTH, 16, colours)
    for index, mark in enumerate(marks):
        share = index / max(1, len(marks) - 1)
        anchor = "start" if index == 0 else "end" if index == len(marks) - 1 else "middle"
        add_text(
            root, left + share * _SCORE_WIDTH, y + 32, mark, size=16, fill=theme.quiet, token=True, text_anchor=anchor
        )
    add_text(root, left + _SCORE_WIDTH + 18, y + 8, label, size=18, fill=theme.text)


def _ramp(root, left: float, y: float, width: float, height: float, colours: np.ndarray) -> None:
    for step in range(_STEPS):
        colour = hexadecimal(colours[step * (LEVELS - 1) // (_STEPS - 1)])
        # Each reaches to the end and the next paints over it, so that no seam shows between two.
        x = step * width / _STEPS
        add(root, "rect", x=left + x, y=y, width=width - x, height=height, fill=colour)
