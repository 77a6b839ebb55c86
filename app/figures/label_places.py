"""Where the names of points and lines stand beside them, so that no name covers another name or a point."""

from collections.abc import Mapping, Sequence

_APART = 22.0
_CHARACTER, _HEIGHT, _AWAY, _POINT = 9.8, 19.0, 12.0, 6.0
# Offsets in units of the distance: right, left, above, below, then the corners and the same further out.
_SIDES = [(1, 0, "left"), (-1, 0, "right"), (0, -1.4, "center"), (0, 1.4, "center"),
          (0.8, -1.1, "left"), (0.8, 1.1, "left"), (-0.8, -1.1, "right"), (-0.8, 1.1, "right")]  # fmt: skip
_TRIED = [(x * reach, y * reach, align) for reach in (1, 1.7, 2.6) for x, y, align in _SIDES]


def label_places(
    points: Sequence[tuple[float, float]], names: Mapping[int, str], side: float
) -> dict[int, tuple[float, float, str]]:
    """Return for the index of every name its offset (x, y) from the point in pixels and its alignment.

    Greedy: each takes the first place that is free of other names and within the square of `side`, and covers fewest points.
    """
    taken: list[tuple[float, float, float, float]] = []
    placed = {}
    for index, name in names.items():
        x, y = points[index]
        ranked = []
        for order, (across, down, align) in enumerate(_TRIED):
            box = _box(x + across * _AWAY, y + down * _AWAY, len(name) * _CHARACTER, align)
            inside = box[0] >= 0 and box[2] <= side and box[1] >= 0 and box[3] <= side
            names_hit = sum(_meet(box, other) for other in taken)
            points_hit = sum(_meet(box, _dot(point)) for at, point in enumerate(points) if at != index)
            ranked.append((names_hit, not inside, points_hit, order, box, (across * _AWAY, down * _AWAY, align)))
        best = min(ranked)
        taken.append(best[4])
        placed[index] = best[5]
    return placed


def _box(x: float, y: float, width: float, align: str) -> tuple[float, float, float, float]:
    left = x if align == "left" else x - width if align == "right" else x - width / 2
    return left, y - _HEIGHT / 2, left + width, y + _HEIGHT / 2


def _dot(point: tuple[float, float]) -> tuple[float, float, float, float]:
    return point[0] - _POINT, point[1] - _POINT, point[0] + _POINT, point[1] + _POINT


def _meet(first: tuple[float, float, float, float], second: tuple[float, float, float, float]) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


def spread(heights: Mapping[str, float], room: float, apart: float = _APART) -> dict[str, float]:
    """Return heights in the same order, at least `apart` pixels from each other, moved little, the last within `room`."""
    ordered = sorted(heights, key=heights.get)
    placed: list[float] = []
    for name in ordered:
        placed.append(max(heights[name], placed[-1] + apart) if placed else heights[name])
    limit = room
    for index in reversed(range(len(placed))):
        placed[index] = min(placed[index], limit)
        limit = placed[index] - apart
    return dict(zip(ordered, placed, strict=True))
