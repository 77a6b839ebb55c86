"""The ends of a chart's axis, and intervals in words."""

from collections.abc import Iterable, Sequence

import numpy as np

from app.figures.score_grid import written


def extent(
    values: Iterable[float], given: Sequence[float] | None = None, also: Sequence[float | None] = ()
) -> tuple[float, float]:
    """Return the ends of an axis: `given`, widened where a value lies outside, or around the values with room at both ends.

    `also` are further values that must lie inside (None: none). Values that are not finite do not count.
    """
    held = [float(value) for value in [*values, *also] if value is not None and np.isfinite(value)] or [0.0, 1.0]
    low, high = min(held), max(held)
    if given is not None:
        low, high, room = min(low, *given), max(high, *given), 0.0
    else:
        room = 0.05 * (high - low)
    if high - low < 1e-9:
        room = 0.05 * abs(high) or 0.5
    return low - room, high + room


def equal_units(domains: Sequence[tuple[float, float]], width: float, height: float) -> list[tuple[float, float]]:
    """Widen one of the two domains about its middle, so that a unit is as long across as up."""
    unit = max((high - low) / side for (low, high), side in zip(domains, (width, height), strict=True))
    return [
        ((low + high - unit * side) / 2, (low + high + unit * side) / 2)
        for (low, high), side in zip(domains, (width, height), strict=True)
    ]


def intervals(lows: Iterable[float], highs: Iterable[float]) -> list[str]:
    """Return intervals in words, "none" where an end is not known."""
    return [
        f"{written(low)} to {written(high)}" if np.isfinite([low, high]).all() else "none"
        for low, high in zip(lows, highs, strict=True)
    ]
