"""The wavelength of every frequency pair, from 2 pi positions on, on a log axis."""

import altair as alt
import numpy as np
import pandas as pd

from app.figures.chart_theme import NUMBER_SIZE, dressed
from app.figures.theme import Theme

_WIDTH, _HEIGHT = 340, 300


def wavelength_chart(wavelengths: np.ndarray, chosen: int, *, theme: Theme, title: str) -> alt.LayerChart:
    """Return one dot per pair of dimensions, the chosen one in the accent colour with its wavelength written."""
    frame = pd.DataFrame({"pair": np.arange(len(wavelengths)), "wavelength": wavelengths})
    x = alt.X("pair:Q", title="frequency pair i", scale=alt.Scale(nice=False, padding=10))
    marks = [10.0**power for power in range(1, int(np.log10(wavelengths.max())) + 1)]
    y = alt.Y(
        "wavelength:Q",
        title="wavelength, positions",
        scale=alt.Scale(type="log"),
        axis=alt.Axis(values=marks, format="~s"),
    )
    tips = [alt.Tooltip("pair:Q"), alt.Tooltip("wavelength:Q", format=",.2f")]
    dots = alt.Chart(frame).mark_circle(size=70, opacity=1, color=theme.text).encode(x=x, y=y, tooltip=tips)
    marked = alt.Chart(frame[frame["pair"] == chosen])
    dot = marked.mark_circle(size=220, opacity=1, color=theme.accent).encode(x=x, y=y, tooltip=tips)
    # On the side where the curve leaves room.
    near_end = chosen > len(wavelengths) // 2
    name = marked.mark_text(
        fontSize=NUMBER_SIZE, dy=0 if near_end else 24, dx=-16 if near_end else 12, align="right" if near_end else "left",
        color=theme.accent, fontWeight=600,
    ).encode(x=x, y=y, text=alt.Text("wavelength:Q", format=",.1f"))  # fmt: skip
    described = (
        f"{title}. {len(frame)} pairs, from {wavelengths[0]:.2f} to {wavelengths[-1]:,.0f} positions; pair {chosen} has "
        f"{wavelengths[chosen]:,.2f}."
    )
    chart = alt.layer(dots, dot, name).properties(title=title)
    return dressed(chart, theme, described, width=_WIDTH, height=_HEIGHT)
