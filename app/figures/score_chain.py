"""The steps from a dot product to an attention weight, with every number, and the weight among those of the other keys."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from app.figures.score_grid import written
from app.figures.svg import add, add_text, add_title, clean, clipped, columns, document, serialize, title_width
from app.figures.theme import Theme, hexadecimal
from model.analysis.score_parts import ScoreParts, ScoreRow

WIDTH = 760.0
_LEFT, _TOP, _ROW = 28.0, 64.0, 40.0
_OPERATION, _VALUE = 210.0, 730.0
_STRIP, _STRIP_HEIGHT, _LEAST = 700.0, 46.0, 1.5
_CHARACTER, _LONGEST = 11.0, 20


def score_chain(
    row: ScoreRow, key: int, tokens: Sequence[str], *, theme: Theme, title: str, provenance: Mapping
) -> str:
    """Return the SVG of the chain of one key: each step, what it does, and the number after it; then all keys' weights.

    `tokens` are those of the keys. A step that the model does not take is left out, and the last line says which.
    """
    parts = row.at(key)
    steps, left_out = _steps(parts, bool(row.bias.any()))
    height = _TOP + _ROW * len(steps) + 158
    described = f"{title}. " + "; ".join(f"{name}: {value}" for name, _, value in steps) + "."
    root = document(max(WIDTH, title_width(title)), height, theme, title, described, provenance)
    add_title(root, title, theme)
    for place, (name, operation, value) in enumerate(steps):
        y = _TOP + _ROW * (place + 0.5)
        last = place == len(steps) - 1
        fill, size = (theme.accent, 22) if last else (theme.text, 20)
        weight = 700 if last else 400
        if place:
            line = dict(x1=_LEFT, x2=_VALUE, y1=y - _ROW / 2, y2=y - _ROW / 2, stroke=theme.quiet)
            add(root, "line", **line, stroke_width=1, opacity=0.25)
        add_text(root, _LEFT, y, name, size=size, fill=fill, font_weight=weight)
        add_text(root, _OPERATION, y, operation, size=18, fill=theme.quiet, token=True)
        add_text(root, _VALUE, y, value, size=size, fill=fill, token=True, text_anchor="end", font_weight=weight)
    y = _TOP + _ROW * len(steps) + 24
    _strip(root, y, row, key, tokens, theme)
    if left_out:
        add_text(root, _LEFT, y + 112, f"Not in this model: {', '.join(left_out)}.", size=18, fill=theme.quiet)
    return serialize(root)


def _steps(parts: ScoreParts, biased: bool) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Return (name, operation, number) of every step, and the names of those that are not taken."""
    steps = [
        ("dot product", f"q · k, {len(parts.query)} products", _number(parts.dot_product)),
        ("scaled", f"× {_number(parts.scaling)}", _number(parts.scaled)),
    ]
    left_out = []
    if parts.softcap is None:
        left_out.append("softcap")
    else:
        cap = f"{parts.softcap:g}"
        steps.append(("softcap", f"{cap} tanh(scaled / {cap})", _number(parts.capped)))
    if biased and parts.allowed:
        sign = "−" if parts.bias < 0 else "+"
        steps.append(("position bias", f"{sign} {_number(abs(parts.bias))}", _number(parts.biased)))
    elif not biased:
        left_out.append("position bias")
    if not parts.allowed:
        steps.append(("mask", "may not attend: lowest number", "masked"))
    of_what = "score" if parts.allowed else "masked"
    steps.append(("exponential", f"exp({of_what} − {_number(parts.maximum)})", _number(parts.exponential)))
    sink = "" if parts.sink is None else f", sink {_number(parts.sink_exponential)}"
    steps.append(("sum over keys", f"Σ exp(score − {_number(parts.maximum)}){sink}", _number(parts.total)))
    if parts.sink is None:
        left_out.append("sink")
    steps.append(("weight", f"{_number(parts.exponential)} / {_number(parts.total)}", _number(parts.weight)))
    return steps, left_out


def _strip(root, y: float, row: ScoreRow, key: int, tokens: Sequence[str], theme: Theme) -> None:
    """Append the weights of all keys side by side, as long as they are large; the rest of the row is the sink's."""
    add_text(root, _LEFT, y, "weights of all keys", size=18, fill=theme.quiet)
    top, weights = y + 20, row.weights
    edges = np.concatenate([[0.0], weights.cumsum()]) * _STRIP
    add(root, "rect", x=_LEFT, y=top, width=_STRIP, height=_STRIP_HEIGHT, fill=theme.masked, fill_opacity=0.7)
    pale, ink = hexadecimal(theme.sequential[70]), theme.text
    for place, (start, end) in enumerate(pairwise(edges)):
        chosen = place == key
        if end - start < 0.2 and not chosen:
            continue
        wide = max(end - start, _LEAST * 2 if chosen else 0.0)
        part = add(
            root, "rect", x=_LEFT + start, y=top, width=wide, height=_STRIP_HEIGHT, fill=theme.accent if chosen else pale,
            stroke=theme.background, stroke_width=min(1.5, wide / 4),
        )  # fmt: skip
        add(part, "title").text = clean(f"{tokens[place]}, position {place}: {_number(weights[place])}")
        name = clipped(tokens[place], _LONGEST)
        if columns(name) * _CHARACTER + 10 <= end - start:
            fill = theme.background if chosen else ink
            at = _LEFT + (start + end) / 2, top + _STRIP_HEIGHT / 2
            add_text(root, *at, name, size=18, fill=fill, token=True, text_anchor="middle", pointer_events="none")
    if row.sink is not None:
        sink, middle = _STRIP - edges[-1], _LEFT + (edges[-1] + _STRIP) / 2
        if sink > 5 * _CHARACTER:
            at = middle, top + _STRIP_HEIGHT / 2
            add_text(root, *at, "sink", size=18, fill=theme.text, text_anchor="middle")
    # The chosen key is named under the strip: its own part may be a hair's breadth.
    middle = _LEFT + (edges[key] + max(edges[key + 1], edges[key] + 2 * _LEAST)) / 2
    label = f"{clipped(tokens[key], _LONGEST)} {_number(weights[key])}"
    half = columns(label) * _CHARACTER / 2
    at = min(max(middle, _LEFT + half), _LEFT + _STRIP - half), top + _STRIP_HEIGHT + 18
    add_text(root, *at, label, size=18, fill=theme.accent, token=True, text_anchor="middle", font_weight=700)


def _number(value: float) -> str:
    """Return a number with three decimals, or with two figures and a power of ten where that would say 0."""
    if value == 0 or abs(value) >= 0.0005:
        return written(float(value))
    digits, power = f"{value:.1e}".split("e")
    return f"{digits}e{int(power)}".replace("-", "−")
