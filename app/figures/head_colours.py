"""The colours of heads in a chart: by a number, or by category with a shape for each, told apart also by the colour-blind."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from app.figures.matrix_chart import ramp
from app.figures.svg import clean, clipped, columns
from app.figures.theme import Theme, hexadecimal

MOST_CATEGORIES = 8
OTHER = "other"
_SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right",
           "M0,-1L0.3,-0.3L1,-0.3L0.45,0.15L0.65,0.9L0,0.45L-0.65,0.9L-0.45,0.15L-1,-0.3L-0.3,-0.3Z")  # fmt: skip
# Searched for: each pair differs by at least 0.11 in OKLab with all cones and without the red or the green ones.
_CATEGORIES = {
    "light": ("#3994ff", "#582a00", "#349516", "#ad58a7", "#034d5f", "#f5637b", "#5933ab", "#556101"),
    "dark": ("#477ced", "#ca9909", "#04cfa2", "#ba48a2", "#b2ecff", "#d04720", "#b3a0ff", "#e9eb41"),
}
_OTHER_SHAPE = "M-1,-1L1,1M-1,1L1,-1"
_LONGEST_CATEGORY, _CHARACTER, _SYMBOL = 40, 7.6, 38


def category_colours(names: Sequence[str], theme: Theme) -> dict[str, str]:
    """Return the colour of each category in the order of `names`; those after the eighth are grey."""
    own = _CATEGORIES[theme.name]
    return {name: own[place] if place < len(own) else theme.quiet for place, name in enumerate(names)}


def coloured(
    rows: pd.DataFrame, title: str, theme: Theme, width: float, place: Mapping, other: str = ""
) -> tuple[pd.DataFrame, dict]:
    """Return the rows in the order in which they are drawn, the selected one last, and the encodings of fill, line and shape.

    `other` is the colour of categories beyond the eighth, without it that of text.
    """
    if "colour" not in rows or rows["colour"].isna().all():
        only = alt.value(hexadecimal(theme.sequential[150]))
        return rows.sort_values("chosen", kind="stable"), {"fill": only, "stroke": only, "fillOpacity": alt.value(0.55)}
    if pd.api.types.is_numeric_dtype(rows["colour"]):
        rows = rows.assign(colour=rows["colour"].astype(float).replace([np.inf, -np.inf], np.nan))
        rows = rows.sort_values(["chosen", "colour"], kind="stable", na_position="first")
        return rows, _numbers(rows["colour"], title, theme, place)
    texts = [clipped(clean(str(text)), _LONGEST_CATEGORY) for text in rows["colour"].fillna("")]
    counts = Counter(sorted(text for text in texts if text))
    kept = sorted((name for name, _ in counts.most_common(MOST_CATEGORIES)), key=_by_number)
    none = f"no {title[:1].lower()}{title[1:]}" if title else "none"
    rows = rows.assign(colour=[none if not text else text if text in kept else OTHER for text in texts])
    # What has no category lies under the rest.
    rows = rows.assign(order=rows["colour"] != none).sort_values(["chosen", "order"], kind="stable")
    names = [*kept, *(name for name in (OTHER, none) if name not in kept and (rows["colour"] == name).any())]
    own = category_colours(kept, theme) | {OTHER: other or theme.text}
    return rows, _categories(names, own, theme, width, place)


def _by_number(name: str) -> list:
    """Return the key that sorts "group 2" before "group 10"."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _numbers(values: pd.Series, title: str, theme: Theme, place: Mapping) -> dict:
    found = values.dropna()
    low, high = min(0.0, float(found.min())), float(found.max())
    high = high if high > low else low + 1.0
    fill = alt.Fill(
        "colour:Q", scale=ramp(low, high, theme.sequential),
        legend=alt.Legend(
            title=title or None, direction="horizontal", gradientLength=240, gradientThickness=14,
            values=[low, (low + high) / 2, high], format=".3~f", **place,
        ),
    )  # fmt: skip
    shown = alt.condition("!isValid(datum.colour)", alt.value(theme.masked), fill)
    return {"fill": shown, "stroke": alt.value(theme.quiet), "fillOpacity": alt.value(0.9)}


def _categories(names: list[str], colours: Mapping[str, str], theme: Theme, width: float, place: Mapping) -> dict:
    fills = [colours.get(name, theme.quiet) for name in names]
    shapes = dict(zip(colours, _SHAPES, strict=False)) | {OTHER: _OTHER_SHAPE}
    legend = alt.Legend(
        title=None, columns=_legend_columns(names, width), labelLimit=0, symbolSize=170, symbolStrokeWidth=2, **place
    )
    scale = alt.Scale(domain=names, range=fills)
    shape = alt.Scale(domain=names, range=[shapes.get(name, "circle") for name in names])
    return {
        "fill": alt.Fill("colour:N", sort=names, scale=scale, legend=legend),
        "stroke": alt.Stroke("colour:N", sort=names, scale=scale, legend=legend),
        "shape": alt.Shape("colour:N", sort=names, scale=shape, legend=legend),
        "fillOpacity": alt.value(0.55),
    }


def _legend_columns(names: Sequence[str], width: float) -> int:
    """Return into how many columns the names go side by side, each as wide as its widest name."""
    widths = [_SYMBOL + _CHARACTER * columns(name) for name in names]
    needed = {count: sum(max(widths[first::count]) for first in range(count)) for count in range(1, len(names) + 1)}
    return max((count for count, room in needed.items() if room <= width), default=1)
