"""What is left of a measure as more and more heads are switched off, in one order of heads or another."""

import altair as alt
import pandas as pd

from app.figures.chart_extents import extent, intervals
from app.figures.chart_theme import chart_words, dressed, empty_chart
from app.figures.head_colours import category_colours
from app.figures.layer_lines import Look, baseline_end, end_names, named_lines, rule_at, value_axis
from app.figures.matrix_chart import tick_step
from app.figures.svg import clean, clipped
from app.figures.theme import Theme

WIDTH, HEIGHT = 620, 380
MOST_POINTS = 4800
_LONGEST_NAME = 32
_KNOWN = ("greedy", "by effect", "by gradient", "at random")
_DASHES = ([1, 0], [10, 4], [14, 4, 3, 4], [3, 3], [18, 6], [6, 2], [2, 6])


def pruning_curve(
    frame: pd.DataFrame, *, theme: Theme, title: str, value_title: str, plain: float | None = None,
    width: int = WIDTH, height: int = HEIGHT,
) -> alt.LayerChart:  # fmt: skip
    """Return the measure against the number of heads switched off, one line for each order, named at its end.

    `frame` has order ("greedy", "by effect", "by gradient", "at random", or another name), removed (heads) and value, and may
    have low and high, shaded, as of several random orders. `plain`, the value of the whole model, is a dashed line. Of more
    than MOST_POINTS points every so many-th is drawn.
    """
    rows = frame.dropna(subset=["value"])
    if rows.empty:
        return empty_chart("No head was switched off yet.", theme)
    rows = rows.assign(name=[clipped(clean(str(name)), _LONGEST_NAME) for name in rows["order"]])
    rows = _thinned(rows.sort_values(["name", "removed"], kind="stable"))
    if band := {"low", "high"} <= set(rows):
        rows = rows.assign(interval=intervals(rows["low"], rows["high"]))
    looks = order_looks(set(rows["name"]), theme)
    held = extent(
        [value for column in ("value", "low", "high") if column in rows for value in rows[column]], None, [plain]
    )
    x, y = _removed_axis(int(rows["removed"].max())), value_axis("value", value_title, held)
    layers = [
        *rule_at(plain, value_title, held, theme),
        *([_band(rows.dropna(subset=["low", "high"]), looks, x, value_axis("low", value_title, held))] if band else []),
        *named_lines(rows, looks, x, y, _tips(value_title, band)),
        *end_names(_ends(rows, looks) | baseline_end("nothing off", plain, theme), held, height),
    ]
    described = f"{title}: {value_title} against the number of heads switched off. {_told(rows, looks)}"
    return dressed(alt.layer(*layers).properties(title=title), theme, clean(described), width=width, height=height)


def order_looks(orders: set[str], theme: Theme) -> dict[str, Look]:
    """Return the colour and the dashes of each order, alike whatever stands beside it, the known ones first."""
    known = dict(
        zip(_KNOWN, (theme.accent, theme.text, category_colours(["blue"], theme)["blue"], theme.quiet), strict=True)
    )
    others = sorted(orders - known.keys())
    # The blue is taken.
    own = category_colours(["blue", *others], theme) | known
    names = [*(name for name in _KNOWN if name in orders), *others]
    places = [*_KNOWN, *others]
    return {name: (own[name], _DASHES[places.index(name) % len(_DASHES)]) for name in names}


def _thinned(rows: pd.DataFrame) -> pd.DataFrame:
    """Return every so many-th row of each order with its last, so that there are at most MOST_POINTS."""
    step, orders = 1, rows.groupby("name", sort=False)
    place, last = orders.cumcount(), orders.cumcount(ascending=False) == 0
    while ((place % step == 0) | last).sum() > MOST_POINTS:
        step += 1
    return rows[(place % step == 0) | last]


def _removed_axis(most: int) -> alt.X:
    axis = alt.Axis(values=list(range(0, most + 1, tick_step(most + 1))), format="d", grid=False)
    scale = alt.Scale(domain=[0, max(most, 1)], nice=False)
    return alt.X("removed:Q", title="heads switched off", scale=scale, axis=axis)


def _band(rows: pd.DataFrame, looks: dict[str, Look], x: alt.X, y: alt.Y) -> alt.Chart:
    colours = alt.Scale(domain=list(looks), range=[look[0] for look in looks.values()])
    area = alt.Chart(rows).mark_area(opacity=0.22)
    return area.encode(x=x, y=y, y2="high:Q", color=alt.Color("name:N", scale=colours, legend=None))


def _ends(rows: pd.DataFrame, looks: dict[str, Look]) -> dict[str, tuple]:
    """Return the value at which each line ends; lines that end alike, as with every head off, are ranked by their means."""
    lines = rows.groupby("name")["value"].agg(["last", "mean"])
    tie = 1e-6 * max(1e-9, float(rows["value"].max() - rows["value"].min()))
    rank = lines["mean"].rank(method="first")
    return {name: (float(lines["last"][name] + tie * rank[name]), *look) for name, look in looks.items()}


def _tips(value_title: str, band: bool) -> list[alt.Tooltip]:
    tips = [
        alt.Tooltip("name:N", title="order"), alt.Tooltip("removed:Q", title="heads switched off"),
        alt.Tooltip("value:Q", title=chart_words(value_title), format=".3f"),
    ]  # fmt: skip
    return [*tips, alt.Tooltip("interval:N", title="interval")] if band else tips


def _told(rows: pd.DataFrame, looks: dict[str, Look]) -> str:
    lines = {name: rows[rows["name"] == name].iloc[-1] for name in looks}
    return "; ".join(f"{name}: {row['value']:.3f} after {row['removed']} heads" for name, row in lines.items()) + "."
