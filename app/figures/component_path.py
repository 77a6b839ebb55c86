"""Positions as points along their first principal components, in order."""

import altair as alt
import numpy as np
import pandas as pd

from app.figures.chart_theme import NUMBER_SIZE, dressed
from app.figures.theme import TOKEN_FONT, Theme, hexadecimal

_SIDE = 320
_NAMED = 8


def component_path(coordinates: np.ndarray, shares: np.ndarray, *, theme: Theme, title: str) -> alt.LayerChart:
    """Return the path of the positions over two principal components [position, component], with every so many-th named.

    `shares` [component] is the share of the variance of each.
    """
    frame = pd.DataFrame(np.asarray(coordinates)[:, :2], columns=["first", "second"]).assign(
        position=np.arange(len(coordinates))
    )
    # One unit is as long on both axes, so that a circle is round.
    reach = 0.54 * float(np.ptp(coordinates[:, :2], axis=0).max() or 1.0)
    middle = (coordinates[:, :2].max(axis=0) + coordinates[:, :2].min(axis=0)) / 2
    scales = [alt.Scale(domain=[float(at - reach), float(at + reach)], nice=False) for at in middle]
    ramp = [hexadecimal(theme.sequential[level]) for level in range(90, 256, 33)]
    x = alt.X("first:Q", scale=scales[0], title=f"first component, {shares[0]:.0%} of the variance")
    y = alt.Y("second:Q", scale=scales[1], title=f"second component, {shares[1]:.0%}")
    colour = alt.Color(
        "position:Q", scale=alt.Scale(range=ramp), legend=alt.Legend(title="position", gradientLength=180)
    )
    base = alt.Chart(frame)
    line = base.mark_line(strokeWidth=1.5, color=theme.quiet, opacity=0.7).encode(x=x, y=y, order="position:Q")
    points = base.mark_circle(size=64, opacity=1).encode(
        x=x, y=y, color=colour,
        tooltip=["position:Q", alt.Tooltip("first:Q", format=".4f"), alt.Tooltip("second:Q", format=".4f")],
    )  # fmt: skip
    every = max(1, len(frame) // _NAMED)
    names = alt.Chart(frame[frame["position"] % every == 0]).mark_text(
        font=TOKEN_FONT, fontSize=NUMBER_SIZE, dy=-13, color=theme.text
    ).encode(x=x, y=y, text="position:Q")  # fmt: skip
    described = (
        f"{title}. {len(frame)} positions over their first two principal components, which hold "
        f"{100 * float(shares[:2].sum()):.0f} per cent of the variance."
    )
    return dressed(alt.layer(line, points, names).properties(title=title), theme, described, width=_SIDE, height=_SIDE)
