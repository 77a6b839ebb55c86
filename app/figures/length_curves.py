"""Loss over position, far past the trained length: one named line for each kind of position."""

import math
from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from app.figures.chart_theme import NUMBER_SIZE, dressed, empty_chart
from app.figures.label_places import spread
from app.figures.svg import clean
from app.figures.theme import Theme, hexadecimal

WIDTH, HEIGHT = 660, 380
_NAME_WIDTH = 150
# Kinds of position and their names, in the order of their looks; any other kind comes after them.
_KNOWN = {
    "sinusoidal": "sinusoidal",
    "learned": "learned",
    "rotary": "rotary",
    "alibi": "ALiBi",
    "none": "no positions",
}
_DASHES = ([1, 0], [10, 4], [3, 3], [14, 4, 3, 4], [6, 6], [2, 6], [18, 6])
_CROSS = "M-1,-1L1,1M-1,1L1,-1"
# Of the trained length, the share from which on positions are drawn: before it every model has little to go by.
_FIRST_SHARE = 1 / 8


def length_chart(frame: pd.DataFrame, trained_length: int, *, theme: Theme, title: str) -> alt.LayerChart:
    """Return loss over position on a log2 axis, each kind named at the end of its line, with a rule at the trained length.

    `frame` has kind, first, last (positions from 1), position between them, loss (nats per token) and error (its standard
    error, shaded). Positions before an eighth of the trained length are left out. A line that ends before the others gets a
    cross, and its name stands below all lines: its model has no position there.
    """
    rows = _worded(frame[frame["first"] >= _FIRST_SHARE * trained_length])
    if rows.empty:
        return empty_chart("No loss was measured.", theme)
    found = set(rows["kind"])
    kinds = [*(kind for kind in _KNOWN if kind in found), *sorted(found - _KNOWN.keys())]
    domain = _loss_domain(rows)
    x, y = _position_axis(rows, trained_length), _loss_axis("loss", domain)
    colours, dashes = colours_of(kinds, theme), list(dashes_of(kinds).values())
    colour = alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=list(colours.values())), legend=None)
    dash = alt.StrokeDash("kind:N", scale=alt.Scale(domain=kinds, range=dashes), legend=None)
    lines = alt.Chart(rows).encode(x=x, y=y, color=colour)
    layers = [
        *_trained_rule(trained_length, x, theme),
        lines.mark_area(opacity=0.22).encode(y=_loss_axis("low", domain), y2="high:Q"),
        lines.mark_line(strokeWidth=3).encode(strokeDash=dash),
        # Marks that are not seen, broad enough to be pointed at.
        lines.mark_circle(size=260, opacity=0).encode(tooltip=_tips()),
        *_names(rows, colours, domain, trained_length, x, y),
    ]  # fmt: skip
    chart = alt.layer(*layers).properties(title=title)
    described = f"{title}: loss in nats per token over position, shaded by ± 1 standard error. "
    described += _told(rows, kinds, trained_length)
    return dressed(chart, theme, described, width=WIDTH, height=HEIGHT)


def _worded(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the bounds of the shade and the span in words."""
    spans = [str(row.first) if row.first == row.last else f"{row.first} to {row.last}" for row in frame.itertuples()]
    return frame.assign(
        kind=[clean(str(kind)) for kind in frame["kind"]], span=spans,
        low=frame["loss"] - frame["error"], high=frame["loss"] + frame["error"],
    )  # fmt: skip


def colours_of(kinds: Sequence[str], theme: Theme) -> dict[str, str]:
    """Return the colour of each kind of position; those that are not known are grey and differ in their dashes."""
    named = {
        "sinusoidal": theme.accent,
        "learned": hexadecimal(theme.sequential[130]),
        "rotary": hexadecimal(theme.diverging[0]),
        "alibi": theme.text,
    }
    return {kind: named.get(kind, theme.quiet) for kind in kinds}


def dashes_of(kinds: Sequence[str]) -> dict[str, list[int]]:
    """Return the dashes of each kind of position, so that no two are told apart by colour alone."""
    places = list(dict.fromkeys([*_KNOWN, *kinds]))
    return {kind: _DASHES[places.index(kind) % len(_DASHES)] for kind in kinds}


def _loss_domain(rows: pd.DataFrame) -> list[float]:
    low, high = float(rows["low"].min()), float(rows["high"].max())
    room = 0.18 * max(high - low, 1e-3)
    return [max(0.0, low - room), high + 0.25 * room]


def _position_axis(rows: pd.DataFrame, trained_length: int) -> alt.X:
    first, last = float(rows["position"].min()), int(rows["last"].max())
    # The trained length times and over powers of two.
    steps = range(math.ceil(math.log2(first / trained_length)), math.floor(math.log2(last / trained_length)) + 1)
    return alt.X(
        "position:Q", title="position (tokens)", axis=alt.Axis(values=[trained_length * 2**step for step in steps], format="d"),
        scale=alt.Scale(type="log", base=2, domain=[first, last], nice=False),
    )  # fmt: skip


def _loss_axis(column: str, domain: list[float]) -> alt.Y:
    scale = alt.Scale(domain=domain, nice=False, zero=False)
    return alt.Y(f"{column}:Q", title="loss (nats per token)", scale=scale, axis=alt.Axis(tickCount=6))


def _trained_rule(trained_length: int, x: alt.X, theme: Theme) -> list[alt.Chart]:
    label = f"trained length: {trained_length} tokens"
    rule = alt.Chart(pd.DataFrame({"position": [trained_length], "label": [label]}))
    return [
        rule.mark_rule(color=theme.quiet, strokeWidth=2, strokeDash=[6, 4]).encode(x=x, y=alt.value(0), y2=alt.value("height")),
        rule.mark_text(color=theme.quiet, fontSize=NUMBER_SIZE, dy=-10, baseline="bottom").encode(
            x=x, y=alt.value(0), text="label:N"
        ),
    ]  # fmt: skip


def _names(
    rows: pd.DataFrame, colours: Mapping[str, str], domain: list[float], trained_length: int, x: alt.X, y: alt.Y
) -> list[alt.Chart]:
    """Return the name of each kind where its line ends; no name covers another."""
    ends = rows.groupby("kind", sort=False).tail(1).set_index("kind")
    short = ends[ends["last"] < ends["last"].max()]
    through = {kind: _height(loss, domain) for kind, loss in ends["loss"].drop(short.index).items()}
    layers = [
        _name(_KNOWN.get(kind, kind), colours[kind], x=alt.value("width"), y=alt.value(height))
        for kind, height in spread(through, HEIGHT).items()
    ]
    for place, row in enumerate(short.reset_index().itertuples()):
        point = alt.Chart(pd.DataFrame({"position": [row.position], "loss": [row.loss]}))
        colour = colours[row.kind]
        layers.append(point.mark_point(shape=_CROSS, size=260, strokeWidth=5, opacity=1, color=colour).encode(x=x, y=y))
        name, end = _KNOWN.get(row.kind, row.kind), "no row past" if row.last == trained_length else "ends at"
        at = alt.value(HEIGHT - 18 - 24 * place)
        words = f"{name}: {end} {row.last}"
        layers.append(_name(words, colour, x=alt.datum(row.last), y=at, width=WIDTH // 2))
    return layers


def _name(words: str, colour: str, *, x, y, width: int = _NAME_WIDTH) -> alt.Chart:
    mark = alt.Chart(pd.DataFrame({"name": [words]})).mark_text(
        align="left", baseline="middle", dx=14, fontSize=NUMBER_SIZE, fontWeight=600, color=colour, limit=width
    )
    return mark.encode(x=x, y=y, text="name:N")


def _height(loss: float, domain: list[float]) -> float:
    return HEIGHT * (domain[1] - loss) / (domain[1] - domain[0])


def _tips() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("kind:N", title="positions"),
        alt.Tooltip("span:N", title="position"),
        alt.Tooltip("loss:Q", title="loss (nats per token)", format=".4f"),
        alt.Tooltip("error:Q", title="standard error", format=".4f"),
    ]


def _told(rows: pd.DataFrame, kinds: list[str], trained_length: int) -> str:
    """Return the curves in words: the loss of each kind where the trained length ends, and where its line ends."""
    told = []
    for kind in kinds:
        own = rows[rows["kind"] == kind]
        shown = pd.concat([own[own["last"] <= trained_length].tail(1), own.tail(1)]).drop_duplicates()
        told.append(
            f"{_KNOWN.get(kind, kind)} " + ", ".join(f"{row.loss:.3f} at {row.span}" for row in shown.itertuples())
        )
    return f"Trained length: {trained_length} tokens. " + "; ".join(told) + "."
