"""One frequency pair of the sinusoidal positions: its two curves, and the turn of an offset on the circle."""

from collections.abc import Mapping, Sequence

import numpy as np

from app.figures.svg import add, add_text, add_title, document, number, serialize, title_width
from app.figures.theme import Theme, hexadecimal

_LEFT, _TOP, _WIDTH, _HEIGHT = 64.0, 84.0, 400.0, 250.0
_RADIUS, _CENTRE = 90.0, (606.0, 209.0)
_ARC = 0.3  # of the radius


def position_rotation(
    sine: np.ndarray, cosine: np.ndarray, *, position: int, offset: int, turn: float, theme: Theme, title: str,
    provenance: Mapping,
) -> str:  # fmt: skip
    """Return the SVG of both curves [position] and of the turn, on a circle, from PE(position) to PE(position + offset).

    `turn` is in radians. The circle has the cosine to the right and the sine upwards, so that the angle grows anticlockwise
    with the position. Both positions are marked on the curves where they are among those shown.
    """
    described = (
        f"Two curves, sine and cosine of one frequency pair over {len(sine)} positions, and a circle on which the step from "
        f"position {position} to {position + offset} is a turn by {np.degrees(turn):.2f} degrees. {title}"
    )
    root = document(max(728.0, title_width(title)), 424, theme, title, described, provenance)
    add_title(root, title, theme)
    # The accent is for the position reached, so no curve has its hue.
    sine_colour, cosine_colour = hexadecimal(theme.diverging[0]), theme.quiet
    _frame(root, len(sine), theme)
    for place, fill in ((position, theme.text), (position + offset, theme.accent)):
        if 0 <= place < len(sine):
            x = _across(place, len(sine))
            add(
                root,
                "line",
                x1=x,
                x2=x,
                y1=_TOP,
                y2=_TOP + _HEIGHT,
                stroke=fill,
                stroke_width=2,
                stroke_dasharray="6 4",
            )
    for values, colour, dashes in ((sine, sine_colour, "none"), (cosine, cosine_colour, "9 5")):
        points = " ".join(
            f"{number(_across(at, len(values)))},{number(_down(value))}" for at, value in enumerate(values)
        )
        add(root, "polyline", points=points, fill="none", stroke=colour, stroke_width=2.5, stroke_dasharray=dashes)
    _names(root, sine_colour, cosine_colour, theme)
    if 0 <= position < len(sine):
        _circle(root, float(np.arctan2(sine[position], cosine[position])), turn, (position, offset), theme)
    return serialize(root)


def _across(place: float, count: int) -> float:
    return _LEFT + place * _WIDTH / max(1, count - 1)


def _down(value: float) -> float:
    return _TOP + _HEIGHT * (1 - float(value)) / 2


def _frame(root, count: int, theme: Theme) -> None:
    for value, text in ((1, "1"), (0, "0"), (-1, "−1")):
        line = dict(x1=_LEFT, x2=_LEFT + _WIDTH, y1=_down(value), y2=_down(value))
        add(root, "line", **line, stroke=theme.quiet, stroke_width=1, opacity=0.4)
        add_text(root, _LEFT - 12, _down(value), text, size=17, fill=theme.quiet, token=True, text_anchor="end")
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        place = round(share * (count - 1))
        x = _across(place, count)
        add_text(root, x, _TOP + _HEIGHT + 22, str(place), size=17, fill=theme.quiet, token=True, text_anchor="middle")
    add_text(root, _LEFT + _WIDTH / 2, _TOP + _HEIGHT + 48, "position", size=17, fill=theme.quiet, text_anchor="middle")


def _names(root, sine_colour: str, cosine_colour: str, theme: Theme) -> None:
    names: Sequence = (("sine, even dimension", sine_colour, "none"), ("cosine, odd dimension", cosine_colour, "9 5"))
    for index, (name, colour, dashes) in enumerate(names):
        x = _LEFT + index * 226
        add(root, "line", x1=x, x2=x + 34, y1=58, y2=58, stroke=colour, stroke_width=3, stroke_dasharray=dashes)
        add_text(root, x + 44, 58, name, size=17, fill=theme.text)


def _circle(root, angle: float, turn: float, step: tuple[int, int], theme: Theme) -> None:
    x, y = _CENTRE
    add(root, "circle", cx=x, cy=y, r=_RADIUS, fill="none", stroke=theme.quiet, stroke_width=1.5)
    for end in ((x - _RADIUS, x + _RADIUS, y, y), (x, x, y - _RADIUS, y + _RADIUS)):
        add(root, "line", x1=end[0], x2=end[1], y1=end[2], y2=end[3], stroke=theme.quiet, stroke_width=1, opacity=0.4)
    position, offset = step
    # More than a whole turn is drawn as what is left of it; the sentence below says how many there were.
    left = float(np.sign(turn) * (abs(turn) % (2 * np.pi)))
    steps = np.linspace(angle, angle + left, 65)
    points = " ".join(f"{number(px)},{number(py)}" for px, py in (_on_circle(one, _ARC) for one in steps))
    add(root, "polyline", points=points, fill="none", stroke=theme.accent, stroke_width=3)
    for at, place, colour in ((angle, position, theme.text), (angle + left, position + offset, theme.accent)):
        px, py = _on_circle(at)
        add(root, "line", x1=x, y1=y, x2=px, y2=py, stroke=colour, stroke_width=3)
        add(root, "circle", cx=px, cy=py, r=6, fill=colour)
        if at == angle or offset:
            label = _on_circle(at, 1.2)
            add_text(root, *label, str(place), size=17, fill=colour, token=True, text_anchor="middle", font_weight=700)
    turns = f"turn {np.degrees(turn):.2f}°".replace("-", "−")
    turns += f" = {abs(turn) / (2 * np.pi):.2f} turns" if abs(turn) > 2 * np.pi else ""
    add_text(root, x, y + _RADIUS + 62, turns, size=17, fill=theme.text, text_anchor="middle")


def _on_circle(angle: float, share: float = 1.0) -> tuple[float, float]:
    reach = _RADIUS * share
    return float(_CENTRE[0] + reach * np.cos(angle)), float(_CENTRE[1] - reach * np.sin(angle))
