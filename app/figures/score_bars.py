"""What the dimensions of a head, or the frequency pairs of a rotary one, add to a score: bars by size and their running sum."""

import json

import altair as alt
import numpy as np
import pandas as pd

from app.figures.chart_extents import extent
from app.figures.chart_theme import NUMBER_SIZE, chart_words, dressed, empty_chart
from app.figures.matrix_chart import tick_step
from app.figures.score_grid import written
from app.figures.svg import clean, clipped
from app.figures.theme import TOKEN_FONT, Theme, hexadecimal

MOST_BARS = 32
_BAR, _THIN_BAR, _LEAST, _HEIGHT = 26.0, 13.5, 320.0, 320.0
_THIN_FROM = 20
_LONGEST_NAME, _BEFORE = 12, 8
_KINDS = ("adds", "takes away")


def score_bars(
    parts: pd.DataFrame, *, theme: Theme, title: str, part: str = "dimension", sum_name: str = "q·k", most: int = MOST_BARS,
    height: float = _HEIGHT,
) -> alt.LayerChart:  # fmt: skip
    """Return a bar for each part of a sum, the largest in size first, and the running sum as a line that ends at the whole.

    `parts` has product (what the part adds) and, where they are known, dimension or name (what the part is called), query and
    key (its two factors, for the tooltip) and text (more for the tooltip). `part` says what the parts are, `sum_name` what they
    add up to. Beyond `most` parts the rest is one last bar.
    """
    if parts.empty:
        return empty_chart(f"There is no {clean(part)} to show.", theme)
    rows = _rows(parts, part, most)
    width = max(_LEAST, (_THIN_BAR if len(rows) >= _THIN_FROM else _BAR) * len(rows))
    names = [clipped(name, _LONGEST_NAME) for name in rows["name"]]
    x = alt.X("place:O", title=f"{chart_words(part)}, by size", axis=_name_axis(names))
    low, high = extent([*rows["product"], *rows["sum"]], also=[0.0])
    # The whole is written on the side from which the line does not come, where there must be room for it.
    below = bool(rows["sum"].iloc[-1] < rows["sum"].iloc[-_BEFORE:].mean())
    ends = (low - 0.08 * (high - low), high) if below else (low, high + 0.08 * (high - low))
    scale, axis = alt.Scale(domain=ends, nice=False), alt.Axis(title=f"part of {clean(sum_name)}", tickCount=6)
    layers = [
        _bars(rows, x, alt.Y("product:Q", scale=scale, axis=axis), clean(part), theme),
        alt.Chart(rows)
        .mark_rule(color=theme.quiet, strokeWidth=1.5, aria=False)
        .encode(y=alt.datum(0, type="quantitative")),
        *_running_sum(rows, x, scale, axis, clean(sum_name), below, theme),
    ]
    total, first = float(rows["sum"].iloc[-1]), rows.iloc[0]
    described = (
        f"{title}. {len(parts)} parts add up to {written(total)}; the largest is {part} {first['name']} with "
        f"{written(first['product'])}."
    )
    chart = alt.layer(*layers).properties(title=clean(title))
    return dressed(chart, theme, clean(described), width=width, height=height)


def _rows(parts: pd.DataFrame, part: str, most: int) -> pd.DataFrame:
    """Return the bars: place, name, product, sum, kind and what the tooltip says."""
    order = np.argsort(-np.abs(parts["product"].to_numpy(dtype=float)), kind="stable")
    ordered = parts.iloc[order].reset_index(drop=True)
    kept = ordered if len(ordered) <= most else ordered.iloc[: most - 1]
    named = next((column for column in ("name", "dimension") if column in ordered), None)
    names = [str(place) for place in kept.index] if named is None else [clean(str(name)) for name in kept[named]]
    products, told = kept["product"].astype(float).tolist(), [_told(row) for row in kept.to_dict("records")]
    if len(kept) < len(ordered):
        rest = ordered["product"].iloc[len(kept) :]
        names.append(f"{len(rest)} more")
        products.append(float(rest.sum()))
        told.append(f"{len(rest)} smaller parts together")
    return pd.DataFrame(
        {
            "place": range(len(names)), "name": names, "product": products, "sum": np.cumsum(products), "told": told,
            "kind": [_KINDS[product < 0] for product in products], "part": [f"{part} {name}" for name in names],
            "product_told": [written(value) for value in products],
            "sum_told": [written(value) for value in np.cumsum(products)],
        }
    )  # fmt: skip


def _told(row: dict) -> str:
    """Return what else a part's tooltip says."""
    factors = f"{written(row['query'])} × {written(row['key'])}" if {"query", "key"} <= set(row) else ""
    return clean("; ".join(text for text in (factors, str(row.get("text", ""))) if text))


def _name_axis(names: list[str]) -> alt.Axis:
    longest = max(map(len, names))
    # A long name is written aslant; of many numbers every so many-th.
    step = tick_step(len(names)) if longest <= 3 and len(names) > MOST_BARS else 1
    return alt.Axis(
        values=list(range(0, len(names), step)), labelExpr=f"{json.dumps(names)}[datum.value]", labelFont=TOKEN_FONT,
        labelAngle=_label_angle(longest, len(names)), labelOverlap=False, labelLimit=0, ticks=False, domain=False,
        labelPadding=6, **({"labelFontSize": 13, "labelBaseline": "middle"} if len(names) >= _THIN_FROM else {}),
    )  # fmt: skip


def _label_angle(longest: int, count: int) -> float:
    if count >= _THIN_FROM:
        return -90
    return 0 if longest <= 2 else -52


def _bars(rows: pd.DataFrame, x: alt.X, y: alt.Y, part: str, theme: Theme) -> alt.Chart:
    colours = [hexadecimal(theme.diverging[225]), hexadecimal(theme.diverging[30])]
    tips = [
        alt.Tooltip("part:N", title="part"),
        alt.Tooltip("product_told:N", title="adds"),
        alt.Tooltip("sum_told:N", title="sum so far"),
    ]
    tips += [alt.Tooltip("told:N", title="query × key")] if rows["told"].any() else []
    colour = alt.Color(
        "kind:N", scale=alt.Scale(domain=list(_KINDS), range=colours),
        legend=alt.Legend(title=None, orient="top", symbolType="square", symbolSize=220),
    )  # fmt: skip
    return alt.Chart(rows).mark_bar(width={"band": 0.76}).encode(x=x, y=y, color=colour, tooltip=tips)


def _running_sum(
    rows: pd.DataFrame, x: alt.X, scale: alt.Scale, axis: alt.Axis, sum_name: str, below: bool, theme: Theme
) -> list:
    """Return the line of the running sum, and its end with the whole written beside it."""
    y = alt.Y("sum:Q", scale=scale, axis=axis)
    line = alt.Chart(rows).mark_line(color=theme.text, strokeWidth=2.5, interpolate="step")
    last = rows.iloc[[-1]].assign(label=[f"{sum_name} = {written(float(rows['sum'].iloc[-1]))}"])
    end = alt.Chart(last)
    look = dict(
        align="right",
        dy=18 if below else -18,
        dx=10,
        fontSize=NUMBER_SIZE + 1,
        fontWeight="bold",
        baseline="middle",
        font=TOKEN_FONT,
    )
    return [
        line.encode(x=x, y=y),
        end.mark_point(filled=True, size=110, color=theme.text, opacity=1).encode(x=x, y=y),
        end.mark_text(**look, color=theme.background, stroke=theme.background, strokeWidth=6).encode(
            x=x, y=y, text="label:N"
        ),
        end.mark_text(**look, color=theme.text).encode(x=x, y=y, text="label:N"),
    ]
