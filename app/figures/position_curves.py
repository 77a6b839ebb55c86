"""Curves over the distance of two tokens: a bias per head, the score of a rotary pair, the bound of its decay."""

import altair as alt
import pandas as pd

from app.figures.chart_theme import dressed, empty_chart
from app.figures.theme import Theme, hexadecimal

_WIDTH, _HEIGHT = 440, 300
_DASHES = ([1, 0], [8, 4], [2, 3], [10, 3, 2, 3])


def distance_curves(
    frame: pd.DataFrame, *, value: str, curve: str, theme: Theme, title: str, value_title: str, distance_title: str
) -> alt.LayerChart | alt.Chart:
    """Return one line per `curve` (a column of names, as "head") of the column `value` over the column `distance`.

    Colours run through the sequential scale in the order of the names, and dashes repeat, so that neighbours differ in both.
    """
    if frame.empty:
        return empty_chart("There are no curves to show.", theme)
    names = list(dict.fromkeys(frame[curve]))
    # The palest third of the scale is not told from the ground.
    levels = [90 + round(165 * index / max(1, len(names) - 1)) for index in range(len(names))]
    colours = [hexadecimal(theme.sequential[level]) for level in levels]
    colours = [theme.accent] if len(names) == 1 else colours
    dashes = [_DASHES[index % len(_DASHES)] for index in range(len(names))]
    legend = (
        None
        if len(names) == 1
        else alt.Legend(title=None, columns=2 if len(names) > 12 else 1, symbolStrokeWidth=3, symbolSize=900)
    )
    rows = frame.rename(columns={value: "value", curve: "curve"})[["distance", "curve", "value"]]
    chart = alt.Chart(rows).mark_line(strokeWidth=2.5).encode(
        x=alt.X("distance:Q", title=distance_title),
        y=alt.Y("value:Q", title=value_title),
        color=alt.Color("curve:N", sort=names, scale=alt.Scale(domain=names, range=colours), legend=legend),
        strokeDash=alt.StrokeDash("curve:N", sort=names, scale=alt.Scale(domain=names, range=dashes), legend=legend),
        tooltip=[
            alt.Tooltip("curve:N", title=curve), alt.Tooltip("distance:Q"), alt.Tooltip("value:Q", title=value, format=".3f")
        ],
    )  # fmt: skip
    described = (
        f"{title}. {len(names)} curves of {value} over distances {rows['distance'].min()} to {rows['distance'].max()}, values "
        f"{rows['value'].min():.3f} to {rows['value'].max():.3f}."
    )
    return dressed(chart.properties(title=title), theme, described, width=_WIDTH, height=_HEIGHT)
