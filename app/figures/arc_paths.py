"""The ways of arcs over a sentence: an arch within a line, and through the space between the lines from one to another."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from app.figures.sentence_lines import LEFT, SIZE, Place, place_words
from app.figures.svg import number

Span = tuple[int, int]
LANE, RADIUS, MARGIN = 52.0, 20.0, 34.0
_LOWEST, _HIGHEST, _RISE, _STEP = 88.0, 250.0, 0.3, 66.0
_HALF = SIZE * 0.72  # from the middle of a line to where arcs touch its words
_SPREAD = 23.0  # between the ends of two arcs at one word
_LABEL = 110.0


@dataclass(frozen=True)
class ArcPath:
    """The outline of an arc, and where its number stands."""

    shape: str
    label: tuple[float, float]


@dataclass(frozen=True)
class ArcLayout:
    """The middle of every line of words, the height that all takes, and the way of every arc."""

    middles: tuple[float, ...]
    height: float
    paths: tuple[ArcPath, ...]


@dataclass(frozen=True)
class _End:
    line: int
    middle: float
    width: float


def place_for(words: Sequence[str], pairs: Sequence[tuple[Span, Span]]) -> list[Place]:
    """Return the places of words with room at the left for the arcs that pass by whole lines."""
    # Room for one arc may wrap a word and so let another pass by a line: as often as there are arcs.
    indent, places = 0.0, place_words(words)
    for _ in pairs:
        ends = [(_end(places, first), _end(places, second)) for first, second in pairs]
        indent = max(indent, MARGIN * len(_columns(ends)))
        places = place_words(words, indent)
    return places


def route_arcs(places: Sequence[Place], pairs: Sequence[tuple[Span, Span]], top: float) -> ArcLayout:
    """Return the ways of arcs between spans of words, the first line's arcs beginning at `top`.

    Arches over the same words rise in steps, so that no number stands on another; each arc between lines has a lane of its own.
    """
    ends = [(_end(places, first), _end(places, second)) for first, second in pairs]
    heights = _heights(ends)
    columns = _columns(ends)
    lanes, gaps = _lanes(ends, columns)
    lines = 1 + max((place.line for place in places), default=0)
    middles, y = [], top
    for line in range(lines):
        rises = [heights[index] for index, (first, second) in enumerate(ends) if first.line == second.line == line]
        y += (max(rises) + 34 if rises else 8) + _HALF
        middles.append(y)
        y += _HALF + 18 + LANE * gaps.get(line, 0)
    feet = _feet(ends, columns)
    paths = [
        _arch(feet[index], middles[first.line] - _HALF, heights[index])
        if first.line == second.line
        else _between((first, second), feet[index], middles, lanes[index], columns.get(index))
        for index, (first, second) in enumerate(ends)
    ]
    return ArcLayout(tuple(middles), y + 6, tuple(paths))


def _end(places: Sequence[Place], span: Span) -> _End:
    """Return where arcs touch a run of words: in its last line, since the head of a phrase tends to come last."""
    line = places[span[1] - 1].line
    members = [place for place in places[slice(*span)] if place.line == line]
    left, right = members[0].left, members[-1].right
    return _End(line, (left + right) / 2, right - left)


def _heights(ends: Sequence[tuple[_End, _End]]) -> dict[int, float]:
    """Return the height of every arch: higher the further it reaches, and a step above those it overlaps."""
    within = [index for index, (first, second) in enumerate(ends) if first.line == second.line]
    reach = {index: tuple(sorted(end.middle for end in ends[index])) for index in within}
    heights: dict[int, float] = {}
    for index in sorted(within, key=lambda index: reach[index][1] - reach[index][0]):
        (left, right), line = reach[index], ends[index][0].line
        under = [
            height for other, height in heights.items()
            if ends[other][0].line == line and reach[other][0] < right and left < reach[other][1]
        ]  # fmt: skip
        natural = min(_HIGHEST, max(_LOWEST, _RISE * (right - left)))
        heights[index] = max([natural, *(height + _STEP for height in under)])
    return heights


def _columns(ends: Sequence[tuple[_End, _End]]) -> dict[int, int]:
    """Return the column left of the words of every arc that passes by whole lines: from the highest word the outermost."""
    far = [index for index, (first, second) in enumerate(ends) if abs(first.line - second.line) > 1]
    upper = {index: min(ends[index], key=lambda end: end.line) for index in far}
    order = sorted(far, key=lambda index: (upper[index].line, upper[index].middle))
    return {index: column for column, index in enumerate(order)}


def _lanes(ends: Sequence[tuple[_End, _End]], columns) -> tuple[dict[int, tuple[int, int]], dict[int, int]]:
    """Return the lane of every arc between lines under its upper and over its lower word, and the lanes under each line.

    The order crosses least: first the arcs that leave for a column, then those to the next line from the nearest word on,
    then those that come from a column, the innermost first.
    """
    wanted: dict[int, list] = {}
    for index, pair in enumerate(ends):
        upper, lower = sorted(pair, key=lambda end: end.line)
        if index in columns:
            wanted.setdefault(upper.line, []).append((0, upper.middle, columns[index], index, 0))
            wanted.setdefault(lower.line - 1, []).append((2, -columns[index], 0, index, 1))
        elif upper.line != lower.line:
            wanted.setdefault(upper.line, []).append((1, abs(upper.middle - lower.middle), 0, index, 0))
    taken: dict[int, dict[int, int]] = {}
    for members in wanted.values():
        for lane, (_, _, _, index, side) in enumerate(sorted(members)):
            taken.setdefault(index, {})[side] = lane
    lanes = {index: (sides[0], sides.get(1, sides[0])) for index, sides in taken.items()}
    return lanes, {gap: len(members) for gap, members in wanted.items()}


def _feet(ends: Sequence[tuple[_End, _End]], columns) -> list[tuple[float, float]]:
    """Return the x of both ends of every arc; several at one word stand side by side, in the order that crosses least."""
    feet = [[first.middle, second.middle] for first, second in ends]
    attached: dict[tuple, list] = {}
    for index, pair in enumerate(ends):
        for side in (0, 1):
            here, there = pair[side], pair[1 - side]
            if here.line == there.line:
                order = (0 if there.middle < here.middle else 3, -there.middle)
            else:
                order = (1, columns[index]) if index in columns else (2, there.middle)
            attached.setdefault((here.line, here.middle, here.line < there.line), []).append((order, index, side))
    for (_, middle, _), members in attached.items():
        width = min(ends[index][side].width for _, index, side in members)
        step = min(_SPREAD, width / len(members))
        for place, (_, index, side) in enumerate(sorted(members)):
            feet[index][side] = middle + (place - (len(members) - 1) / 2) * step
    return [(first, second) for first, second in feet]


def _arch(feet: tuple[float, float], y: float, height: float) -> ArcPath:
    (first, second), control = feet, y - height / 0.75
    shape = f"M{number(first)} {number(y)}C" + " ".join(
        number(value) for value in (first, control, second, control, second, y)
    )
    return ArcPath(shape, ((first + second) / 2, y - height))


def _between(pair: tuple[_End, _End], feet, middles: Sequence[float], lanes: tuple[int, int], column) -> ArcPath:
    """Return the way from under the upper word to over the lower one, past whole lines in its column at the left."""
    (upper, start), (lower, stop) = sorted(zip((end.line for end in pair), feet, strict=True))
    leave = middles[upper] + _HALF + 22 + LANE * (lanes[0] + 0.5)
    arrive = middles[lower - 1] + _HALF + 22 + LANE * (lanes[1] + 0.5)
    begin, finish = (start, middles[upper] + _HALF + 12), (stop, middles[lower] - _HALF)
    turns = [(start, leave), (stop, leave)]
    if column is not None:
        x = LEFT + MARGIN * (column + 0.2)
        turns = [(start, leave), (x, leave), (x, arrive), (stop, arrive)]
    # By the target, beside the corner where there is room, so that the number does not hide it.
    corner, other = (turns[-1], turns[-2]) if pair[1].line == lower else turns[:2]
    along = other[0] - corner[0]
    away = along / 2 if abs(along) < 2 * _LABEL else _LABEL * (1 if along > 0 else -1)
    return ArcPath(_rounded([begin, *turns, finish]), (corner[0] + away, corner[1]))


def _rounded(points: Sequence[tuple[float, float]]) -> str:
    """Return the path through points by straight lines whose corners are rounded."""
    shape = f"M{number(points[0][0])} {number(points[0][1])}"
    for (before, corner), (_, after) in zip(pairwise(points), list(pairwise(points))[1:], strict=False):
        enter, leave = _towards(corner, before), _towards(corner, after)
        shape += f"L{number(enter[0])} {number(enter[1])}Q" + " ".join(number(value) for value in (*corner, *leave))
    return shape + f"L{number(points[-1][0])} {number(points[-1][1])}"


def _towards(corner: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """Return the point at the corner's radius, or half way where the other end is nearer than that."""
    length = abs(other[0] - corner[0]) + abs(other[1] - corner[1])
    share = min(RADIUS, length / 2) / length if length else 0.0
    return corner[0] + share * (other[0] - corner[0]), corner[1] + share * (other[1] - corner[1])
