"""The cost of layers over a size on log axes, with the lines that were fitted and their exponents."""

import math
from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from app.figures.chart_theme import NUMBER_SIZE, dressed, empty_chart
from app.figures.label_places import spread
from app.figures.theme import Theme, hexadecimal

WIDTH, HEIGHT = 400, 320
_SHAPES = {
    "fused attention": "circle",
    "explicit attention": "diamond",
    "recurrence": "triangle-up",
    "convolution": "square",
}


def cost_chart(
    points: pd.DataFrame, lines: pd.DataFrame, names: Mapping[str, str], *, theme: Theme, title: str, size: str, value: str,
    unit: str,
) -> alt.LayerChart:  # fmt: skip
    """Return `points` as marks and `lines` as fitted lines on log axes, each kind named at the end of its line.

    Both frames have kind, size and value, all above zero; `names` says what stands at the line of each kind, as its exponent.
    `size` and `value` are the titles of the axes and `unit` ("s", "B" or "") follows the numbers of the second.
    """
    if points.empty:
        return empty_chart("Nothing was measured.", theme)
    kinds = list(dict.fromkeys(points["kind"]))
    colours, shapes = [_colour(kind, theme) for kind in kinds], [_SHAPES.get(kind, "circle") for kind in kinds]
    domain = _decades([*points["value"], *lines["value"]])
    x = alt.X(
        "size:Q",
        title=size,
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(values=_ticks(points["size"]), format="d"),
    )
    y = alt.Y("value:Q", title=value, scale=alt.Scale(type="log", domain=domain), axis=_value_axis(domain, unit))
    colour = alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=colours), legend=None)
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=shapes), legend=None)
    # Kinds that cost the same lie upon each other: hollow marks and dashes let both be seen.
    dashes = [[8, 6] if kind == "convolution" else [1, 0] for kind in kinds]
    dash = alt.StrokeDash("kind:N", scale=alt.Scale(domain=kinds, range=dashes), legend=None)
    tips = [
        alt.Tooltip("kind:N"),
        alt.Tooltip("size:Q", title=size),
        alt.Tooltip("value:Q", title=value, format=".4~s"),
    ]
    layers = [
        alt.Chart(lines).mark_line(strokeWidth=2.5).encode(x=x, y=y, color=colour, strokeDash=dash),
        alt.Chart(points).mark_point(filled=False, size=90, strokeWidth=2.5, opacity=1).encode(
            x=x, y=y, color=colour, shape=shape, tooltip=tips
        ),
        *_named(_ends(points, lines, kinds), domain, names, theme),
    ]  # fmt: skip
    described = f"{title}: {value} over {size}, both on log axes. " + "; ".join(names.get(kind, kind) for kind in kinds)
    return dressed(alt.layer(*layers).properties(title=title), theme, described, width=WIDTH, height=HEIGHT)


def _colour(kind: str, theme: Theme) -> str:
    named = {
        "recurrence": hexadecimal(theme.diverging[0]),
        "convolution": theme.text,
        "explicit attention": theme.quiet,
    }
    return named.get(kind, theme.accent)


def _decades(values: Sequence[float]) -> list[float]:
    """Return the powers of ten around the values, at least one decade."""
    low = math.floor(math.log10(min(values)) + 1e-9)
    return [10.0**low, 10.0 ** max(low + 1, math.ceil(math.log10(max(values)) - 1e-9))]


def _ticks(sizes: pd.Series) -> list[int]:
    """Return the sizes that doubling the smallest one gives."""
    smallest, largest = int(sizes.min()), int(sizes.max())
    return [smallest * 2**step for step in range(int(math.log2(largest / smallest) + 1e-9) + 1)]


def _value_axis(domain: list[float], unit: str) -> alt.Axis:
    first, last = (round(math.log10(bound)) for bound in domain)
    step = max(1, math.ceil((last - first) / 6))
    values = [10.0**power for power in range(first, last + 1, step)]
    # "100m" of seconds is written "100 ms".
    written = f"replace(format(datum.value, '~s'), regexp('([^0-9.]?)$'), ' $1{unit}')"
    return alt.Axis(values=values, labelExpr=written, titlePadding=12)


def _ends(points: pd.DataFrame, lines: pd.DataFrame, kinds: list[str]) -> dict[str, float]:
    """Return the value at which each kind ends: that of its line, or of its last point where it has none."""
    both = pd.concat([points.assign(line=0), lines.assign(line=1)]).sort_values(["line", "size"])
    return {kind: float(both[both["kind"] == kind]["value"].iloc[-1]) for kind in kinds}


def _named(ends: dict[str, float], domain: list[float], names: Mapping[str, str], theme: Theme) -> list[alt.Chart]:
    decades = math.log10(domain[1] / domain[0])
    heights = {kind: HEIGHT * math.log10(domain[1] / end) / decades for kind, end in ends.items()}
    written = []
    for kind, height in spread(heights, HEIGHT).items():
        mark = alt.Chart(pd.DataFrame({"name": [names.get(kind, kind)]})).mark_text(
            align="left", baseline="middle", dx=16, fontSize=NUMBER_SIZE, fontWeight=600, color=_colour(kind, theme)
        )
        written.append(mark.encode(x=alt.value("width"), y=alt.value(height), text="name:N"))
    return written
