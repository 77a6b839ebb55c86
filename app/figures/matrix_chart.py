"""A matrix of signed numbers as a chart: encodings, similarities of positions, the parts of a score."""

import json
from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from app.figures.chart_theme import dressed
from app.figures.svg import clean, clipped
from app.figures.theme import LEVELS, TOKEN_FONT, Theme, hexadecimal

MOST_CELLS = 64 * 64  # of more, Altair refuses to make a chart
_WIDEST, _TALLEST = 310.0, 310.0
_TICKS, _LONGEST_LABEL = 8, 14
_STOPS = 16


def matrix_chart(
    values: np.ndarray, *, theme: Theme, title: str, rows: str, across: str, label: str, limit: float = 1.0,
    tokens: tuple[Sequence[str], Sequence[str]] | None = None, square: bool = False,
) -> alt.Chart:  # fmt: skip
    """Return the chart of values [row, column] on the diverging scale from -limit over 0 to +limit; NaN is the masked grey.

    `rows` and `across` name the axes ("position", "dimension"), counted from 0, or with the texts of `tokens` (rows, columns);
    `label` says what the values are. A `square` picture has cells as high as they are wide. Raises ValueError for more than
    MOST_CELLS cells.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.size > MOST_CELLS:
        raise ValueError(f"{values.size} cells are more than {MOST_CELLS}.")
    texts = tokens or tuple([str(place) for place in range(count)] for count in values.shape)
    frame = _frame(values, texts)
    ramp = [hexadecimal(theme.diverging[round(stop * (LEVELS - 1) / _STOPS)]) for stop in range(_STOPS + 1)]
    marks = [-limit + 2 * limit * stop / _STOPS for stop in range(_STOPS + 1)]
    colour = alt.Color(
        "value:Q", scale=alt.Scale(domain=marks, range=ramp, clamp=True),
        legend=alt.Legend(title=label, values=[-limit, 0, limit], gradientLength=160, gradientThickness=12, format=".3~g"),
    )  # fmt: skip
    chart = (
        alt.Chart(frame)
        .mark_rect(invalid=None)
        .encode(
            x=alt.X("column:O", title=across, axis=_axis(texts[1], tokens is not None, -52)),
            y=alt.Y("row:O", title=rows, axis=_axis(texts[0], tokens is not None, 0)),
            color=alt.condition("isValid(datum.value) && isFinite(datum.value)", colour, alt.value(theme.masked)),
            tooltip=[
                alt.Tooltip("row_text:N", title=rows),
                alt.Tooltip("column_text:N", title=across),
                alt.Tooltip("value:Q", title=label, format=".5~f"),
            ],
        )
        .properties(title=title)
    )
    width, height = _sides(*values.shape, square)
    described = f"{title}. {label}: {values.shape[0]} rows ({rows}) by {values.shape[1]} columns ({across})."
    return dressed(chart, theme, described, width=width, height=height)


def _frame(values: np.ndarray, texts: Sequence[Sequence[str]]) -> pd.DataFrame:
    down, wide = values.shape
    row, column = np.repeat(np.arange(down), wide), np.tile(np.arange(wide), down)
    named = [
        [clean(f"{text} ({place})") if text != str(place) else text for place, text in enumerate(side)]
        for side in texts
    ]
    return pd.DataFrame(
        {
            "row": row, "column": column, "value": values.ravel(), "row_text": np.array(named[0], dtype=object)[row],
            "column_text": np.array(named[1], dtype=object)[column],
        }
    )  # fmt: skip


def _sides(down: int, wide: int, square: bool) -> tuple[float, float]:
    if not square:
        return _WIDEST, _TALLEST
    cell = min(_WIDEST / wide, _TALLEST / down)
    return cell * wide, cell * down


def _axis(texts: Sequence[str], tokens: bool, angle: int) -> alt.Axis:
    """Return an axis that writes every token, or every so many-th number."""
    options = dict(ticks=False, domain=False, labelPadding=6, labelOverlap=False, labelFont=TOKEN_FONT)
    if not tokens:
        step = _tick_step(len(texts))
        return alt.Axis(values=list(range(0, len(texts), step)), labelAngle=0, **options)
    # A token stands twice in a text, so the axis goes by place and only writes the token.
    shown = json.dumps([clipped(clean(text), _LONGEST_LABEL) for text in texts])
    return alt.Axis(labelExpr=f"{shown}[datum.value]", labelAngle=angle, labelLimit=0, **options)


def _tick_step(count: int) -> int:
    """Return the smallest of the steps 1, 2, 5, 10, 20, 50, ... that leaves at most eight marks."""
    steps = (base * 10**power for power in range(9) for base in (1, 2, 5))
    return next(step for step in steps if count / step <= _TICKS)
