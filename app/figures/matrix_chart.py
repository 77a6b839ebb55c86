"""A matrix of numbers as a chart: encodings, similarities of positions or layers, the parts of a score."""

import json
from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from app.figures.chart_theme import NUMBER_SIZE, chart_words, dressed
from app.figures.svg import clean, clipped, columns
from app.figures.theme import LEVELS, TOKEN_FONT, Theme, hexadecimal, ink, scale_position

MOST_CELLS = 64 * 64  # of more, Altair refuses to make a chart
MOST_WRITTEN = 13
_WIDEST, _TALLEST = 310.0, 310.0
_TICKS, _LONGEST_LABEL = 8, 14
_STOPS = 16
_NUMBER, _LINE, _GAP, _WIDTH_OF_TYPE = 14, 26.0, 8.0, 0.61


def matrix_chart(
    values: np.ndarray, *, theme: Theme, title: str, rows: str, across: str, label: str, limit: float = 1.0,
    tokens: tuple[Sequence[str], Sequence[str]] | None = None, square: bool = False, diverging: bool = True,
    numbers: bool | None = None, longest: int = _LONGEST_LABEL,
) -> alt.Chart | alt.LayerChart:  # fmt: skip
    """Return the chart of values [row, column]; NaN is the masked grey.

    Diverging: from -limit over 0 to +limit. Otherwise the sequential scale from 0 to `limit`. The `numbers` stand in the cells
    where that is asked for; without a word, in a matrix of at most 13 by 13 on the sequential scale. `rows` and `across` name
    the axes ("position", "dimension"), counted from 0, or with the texts of `tokens` (rows, columns), at most `longest` columns
    of each; `label` says what the values are. A `square` picture has cells as high as they are wide.
    Raises ValueError for more than MOST_CELLS cells.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.size > MOST_CELLS:
        raise ValueError(f"{values.size} cells are more than {MOST_CELLS}.")
    texts = tokens or tuple([str(place) for place in range(count)] for count in values.shape)
    frame = _frame(values, texts)
    low, colours = (-limit, theme.diverging) if diverging else (0.0, theme.sequential)
    least = 0.0
    if (not diverging and max(values.shape) <= MOST_WRITTEN) if numbers is None else numbers:
        frame = frame.assign(**_numbers(frame["value"], low, limit, colours))
        least = _GAP + _NUMBER * _WIDTH_OF_TYPE * frame["number"].str.len().max()
    width, height = _sides(*values.shape, square, least)
    chart = alt.Chart(frame).encode(
        x=alt.X("column:O", title=chart_words(across), axis=_axis(texts[1], tokens is not None, longest, width)),
        y=alt.Y("row:O", title=chart_words(rows) or None, axis=_axis(texts[0], tokens is not None, longest)),
        tooltip=[
            alt.Tooltip("row_text:N", title=chart_words(rows) or "row"),
            alt.Tooltip("column_text:N", title=chart_words(across)),
            alt.Tooltip("told:N", title=chart_words(label)),
        ],
    )
    cells = chart.mark_rect(invalid=None).encode(color=_colour(label, low, limit, colours, theme))
    if least:
        written = chart.mark_text(font=TOKEN_FONT, fontSize=_NUMBER, color=alt.expr("datum.ink"))
        cells = alt.layer(cells, written.encode(text="number:N"))
    described = f"{title}. {label}: {values.shape[0]} rows ({rows}) by {values.shape[1]} columns ({across})."
    return dressed(cells.properties(title=title), theme, described, width=width, height=height)


def ramp(low: float, high: float, colours: np.ndarray) -> alt.Scale:
    """Return the colour scale from `low` to `high` of uint8 [level, rgb]."""
    steps = [stop / _STOPS for stop in range(_STOPS + 1)]
    shown = [hexadecimal(colours[round(step * (LEVELS - 1))]) for step in steps]
    return alt.Scale(domain=[low + (high - low) * step for step in steps], range=shown, clamp=True)


def _colour(label: str, low: float, limit: float, colours: np.ndarray, theme: Theme):
    legend = alt.Legend(
        title=chart_words(label),
        values=[low, (low + limit) / 2, limit],
        gradientLength=160,
        gradientThickness=12,
        format=".3~g",
    )
    colour = alt.Color("value:Q", scale=ramp(low, limit, colours), legend=legend)
    # In this order: where the scale is the condition, a missing value is drawn as 0.
    return alt.condition("!isValid(datum.value)", alt.value(theme.masked), colour)


def _numbers(values: pd.Series, low: float, limit: float, colours: np.ndarray) -> dict[str, list[str]]:
    """Return what is written in each cell, "" where there is no value, and in which colour."""
    known = np.isfinite(values)
    levels = np.rint((LEVELS - 1) * scale_position(values.to_numpy() - low, "linear", limit - low)).astype(int)
    return {
        "number": [
            f"{round(value, 2) + 0.0:.2f}".replace("-", "−") if own else ""
            for value, own in zip(values, known, strict=True)
        ],
        "ink": [ink(colours[level]) for level in levels],
    }


def _frame(values: np.ndarray, texts: Sequence[Sequence[str]]) -> pd.DataFrame:
    down, wide = values.shape
    row, column = np.repeat(np.arange(down), wide), np.tile(np.arange(wide), down)
    named = [
        [clean(f"{text} ({place})") if text != str(place) else text for place, text in enumerate(side)]
        for side in texts
    ]
    told = [_exact(value) for value in values.ravel()]
    return pd.DataFrame(
        {
            "row": row, "column": column, "value": values.ravel(), "told": told,
            "row_text": np.array(named[0], dtype=object)[row], "column_text": np.array(named[1], dtype=object)[column],
        }
    )  # fmt: skip


def _exact(value: float) -> str:
    if not np.isfinite(value):
        return "none"
    return f"{round(value, 5) + 0.0:.5f}".rstrip("0").rstrip(".").replace("-", "−")


def _sides(down: int, wide: int, square: bool, least: float) -> tuple[float, float]:
    """Return width and height; `least` is the width of the widest number that is written in a cell."""
    if not square:
        return max(_WIDEST, least * wide), max(_TALLEST, _LINE * down if least else 0.0)
    cell = max(min(_WIDEST / wide, _TALLEST / down), least)
    return cell * wide, cell * down


def _axis(texts: Sequence[str], tokens: bool, longest: int, width: float = 0.0) -> alt.Axis:
    """Return an axis that writes every token, aslant where the `width` is too small, or every so many-th number."""
    options = dict(ticks=False, domain=False, labelPadding=6, labelOverlap=False, labelFont=TOKEN_FONT)
    if not tokens:
        return alt.Axis(values=list(range(0, len(texts), tick_step(len(texts)))), labelAngle=0, **options)
    # A token stands twice in a text, so the axis goes by place and only writes the token.
    shown = [clipped(clean(text), longest) for text in texts]
    room = _GAP + NUMBER_SIZE * _WIDTH_OF_TYPE * max(map(columns, shown), default=0)
    angle = -52 if width and room * len(shown) > width else 0
    return alt.Axis(labelExpr=f"{json.dumps(shown)}[datum.value]", labelAngle=angle, labelLimit=0, **options)


def tick_step(count: int) -> int:
    """Return the smallest of the steps 1, 2, 5, 10, 20, 50, ... that leaves at most eight marks."""
    steps = (base * 10**power for power in range(9) for base in (1, 2, 5))
    return next(step for step in steps if count / step <= _TICKS)
