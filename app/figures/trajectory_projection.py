"""Tokens through the layers as a vector figure: the three dimensions as they look from one camera."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import combinations, product

import numpy as np

from app.figures.label_places import label_places
from app.figures.layer_lines import layer_name
from app.figures.svg import add, add_text, add_title, clipped, document, number, serialize, title_width
from app.figures.theme import Theme
from app.figures.trajectory_paths import CAMERA, LONGEST_NAME, MOST_LINES, Paths, token_looks, written_tokens

_SIDE, _TOP, _LINE = 640.0, 64.0, 24.0
_MARGIN = 70.0
_DASHES = ("none", "7 5")
_NOTE = 78  # characters of a line under the picture
_SMALLEST, _LARGEST = 1.6, 5.5


def trajectory_svg(
    paths: Paths, *, theme: Theme, title: str, provenance: Mapping, camera: Sequence[float] = CAMERA
) -> str:
    """Return the SVG of the paths seen from `camera` (x, y, z), the axes stretched to a cube and distances not shortened.

    Points grow from the input to the last layer; the second text has dashed lines and diamonds.
    Raises ValueError where the camera looks straight down, or from the middle.
    """
    count = len(paths.tokens)
    places, corners = _projected(paths, camera)
    scale = (_SIDE - 2 * _MARGIN) / np.ptp(corners, axis=0).max()
    middle = np.array([_SIDE / 2, _TOP + _SIDE / 2 - _MARGIN / 2])
    places, corners = places * scale + middle, corners * scale + middle
    notes = _notes(paths)
    height = _TOP + _SIDE - _MARGIN + _LINE * (len(notes) + 2 * paths.both) + 12
    described = (
        f"Paths of {count} tokens through {paths.states} states in three dimensions, seen from one side. {title}"
    )
    root = document(max(_SIDE, title_width(title)), height, theme, title, described, provenance)
    add_title(root, title, theme)
    _cube(root, corners, paths, theme)
    looks, busy = token_looks(paths, theme), count > MOST_LINES
    # The chosen lie over the rest.
    for token in sorted(range(count), key=lambda token: token in paths.chosen):
        strong = token in paths.chosen or not (busy or paths.chosen)
        _path(root, places[token], looks[token], paths.text_of(token), strong, busy and token not in paths.chosen)
    _names(root, places[:, -1], paths, theme)
    y = _TOP + _SIDE - _MARGIN + 10
    for text in (0, 1) if paths.both else ():
        add(root, "path", d=f"M14 {number(y)}h44", stroke=theme.text, stroke_width=2.5, stroke_dasharray=_DASHES[text])
        add_text(root, 68, y, paths.text_names[text], size=15, fill=theme.text)
        y += _LINE
    for note in notes:
        add_text(root, 14, y, note, size=14, fill=theme.quiet)
        y += _LINE
    return serialize(root)


def view_axes(camera: Sequence[float]) -> np.ndarray:
    """Return the directions right and up of the picture, float [2, (x, y, z)], of unit length; the third axis points up.

    right = f x z / |f x z| and up = right x f with f = -camera / |camera|.
    """
    eye = np.asarray(camera, dtype=float)
    length = np.linalg.norm(eye)
    right = np.cross(-eye, [0.0, 0.0, 1.0])
    if not np.isfinite(eye).all() or np.linalg.norm(right) < 1e-6 * max(length, 1e-6):
        raise ValueError(f"From {tuple(camera)} there is no up: move the camera aside.")
    right = right / np.linalg.norm(right)
    return np.stack([right, np.cross(right, -eye / length)])


def _projected(paths: Paths, camera: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the places [token, state, (x, y)] and those of the corners of the cube, y downwards, in sides of the cube."""
    points = np.asarray(paths.coordinates, dtype=float)
    low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    cube = (points - low) / np.where(high > low, high - low, 1.0) - 0.5
    view = view_axes(camera).T * [1.0, -1.0]
    return cube @ view, np.array(list(product((-0.5, 0.5), repeat=3))) @ view


def _cube(root, corners: np.ndarray, paths: Paths, theme: Theme) -> None:
    """Append the edges of the cube, and the number of each axis at its far end."""
    ends = list(product((0, 1), repeat=3))
    lines = [
        f"M{number(corners[one][0])} {number(corners[one][1])}L{number(corners[two][0])} {number(corners[two][1])}"
        for one, two in combinations(range(8), 2)
        if sum(first != second for first, second in zip(ends[one], ends[two], strict=True)) == 1
    ]
    add(root, "path", d="".join(lines), stroke=theme.quiet, stroke_width=1, stroke_opacity=0.35, fill="none")
    middle = corners.mean(axis=0)
    for axis, corner in enumerate((4, 2, 1)):
        away = corners[corner] - middle
        x, y = corners[corner] + 16 * away / max(float(np.linalg.norm(away)), 1e-9)
        add_text(root, x, y, str(axis + 1), size=15, fill=theme.quiet, font_weight=600, text_anchor="middle")


def _path(root, places: np.ndarray, colour: str, text: int, strong: bool, end_only: bool) -> None:
    """Append the line of one token and its points, which grow with the state."""
    line = "L".join(f"{number(x)} {number(y)}" for x, y in places)
    opacity = 0.9 if strong else 0.35
    add(
        root, "path", d=f"M{line}", stroke=colour, stroke_width=2.5 if strong else 1.2, stroke_opacity=opacity, fill="none",
        stroke_dasharray=_DASHES[text],
    )  # fmt: skip
    radii = np.linspace(_SMALLEST, _LARGEST, len(places)) if len(places) > 1 else [_LARGEST]
    shapes = [_point(x, y, radius, text) for (x, y), radius in zip(places, radii, strict=True)]
    add(root, "path", d="".join(shapes[-1:] if end_only else shapes), fill=colour, fill_opacity=opacity)


def _point(x: float, y: float, radius: float, text: int) -> str:
    """Return the shape of a point: a circle, or a diamond for the second text."""
    if text:
        r = number(1.25 * radius)
        return f"M{number(x)} {number(y - 1.25 * radius)}l{r} {r}l-{r} {r}l-{r} -{r}z"
    r, across = number(radius), number(2 * radius)
    return f"M{number(x - radius)} {number(y)}a{r} {r} 0 1 0 {across} 0a{r} {r} 0 1 0 -{across} 0z"


def _names(root, ends: np.ndarray, paths: Paths, theme: Theme) -> None:
    """Append the names of the tokens beside the ends of their paths, none upon another; the whole stands in its title."""
    written = written_tokens(paths)
    shown = {index: clipped(paths.tokens[token], LONGEST_NAME) for index, token in enumerate(written)}
    found = label_places([tuple(ends[token]) for token in written], shown, _SIDE + _TOP)
    anchors = {"left": "start", "right": "end", "center": "middle"}
    for index, token in enumerate(written):
        dx, dy, align = found[index]
        label = add_text(
            root, ends[token][0] + dx, ends[token][1] + dy, shown[index], size=14, token=True, text_anchor=anchors[align],
            fill=theme.accent if token in paths.chosen else theme.text, stroke=theme.background, stroke_width=3,
            paint_order="stroke",
        )  # fmt: skip
        if shown[index] != paths.tokens[token]:
            add(label, "title").text = clipped(paths.names[token], 400)


def _notes(paths: Paths) -> list[str]:
    """Return what stands under the picture: the axes, and what the size of a point says."""
    last = layer_name(paths.states - 2)
    return [
        *textwrap.wrap("axes: " + "; ".join(paths.axis_title(axis) for axis in range(3)), _NOTE),
        f"points grow from the input to {last}; each axis is stretched to the cube",
    ]
