"""How a number moves through the layers: the spread over heads with their mean and one head, or several named lines."""

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from app.figures.chart_extents import extent
from app.figures.chart_theme import NUMBER_SIZE, chart_words, dressed, empty_chart
from app.figures.head_colours import category_colours
from app.figures.label_places import spread
from app.figures.matrix_chart import tick_step
from app.figures.score_grid import written
from app.figures.svg import clean, clipped
from app.figures.theme import Theme

WIDTH, HEIGHT = 620, 340
BASELINE_DASH = [6, 4]
MOST_DOTS = 16  # on one line
_DASHES = ([1, 0], [10, 4], [3, 3], [14, 4, 3, 4], [2, 6], [18, 6], [6, 2], [10, 3, 3, 3, 3, 3])
_LONGEST_NAME = 32
_EMPTY = "There are no layers to show."
_SAMPLE = (10, 38)  # where, right of the plot, the sample of a line begins and ends
Look = tuple[str, list[int] | None]  # colour and dashes; None: the name has no sample of a line


def layer_lines(
    profile: pd.DataFrame, *, theme: Theme, title: str, value_title: str, chosen: str = "", baseline: float | None = None,
    domain: Sequence[float] | None = None, width: int = WIDTH, height: int = HEIGHT,
) -> alt.LayerChart:  # fmt: skip
    """Return the least, mean and greatest value over the heads of each layer as a band with its mean, and one head as a line.

    `profile` has layer, minimum, mean, maximum and, for the head called `chosen` ("H3"), chosen (NaN: that layer has no such
    head). A `baseline` is a dashed line; `domain` are the ends of the value axis.
    """
    rows = profile.dropna(subset=["minimum", "mean", "maximum"]).sort_values("layer", kind="stable")
    if rows.empty:
        return empty_chart(_EMPTY, theme)
    named = {"maximum": "highest head", "mean": "mean of heads", "minimum": "lowest head"}
    looks = {"maximum": (theme.quiet, None), "mean": (theme.text, [10, 4]), "minimum": (theme.quiet, None)}
    if "chosen" in rows and rows["chosen"].notna().any():
        named["chosen"] = clipped(clean(chosen), _LONGEST_NAME) or "chosen head"
        looks["chosen"] = (theme.accent, [1, 0])
    held = extent(rows[list(named)].to_numpy().ravel(), domain, [baseline])
    rows = rows.assign(shown=[layer_name(layer) for layer in rows["layer"]])
    rows = rows.assign(**{f"{column}_told": [_number(value) for value in rows[column]] for column in named})
    base = alt.Chart(rows).encode(x=layer_axis("layer", rows))
    tips = [alt.Tooltip("shown:N", title="layer")]
    tips += [alt.Tooltip(f"{column}_told:N", title=chart_words(name)) for column, name in named.items()]
    area = base.mark_area(color=theme.quiet, opacity=0.28)
    ends = {name: (_last(rows[column]), *looks[column]) for column, name in named.items()}
    layers = [
        area.encode(y=value_axis("minimum", value_title, held), y2="maximum:Q"),
        *rule_at(baseline, value_title, held, theme),
        *[
            base.mark_line(color=looks[column][0], strokeDash=looks[column][1], strokeWidth=3.5, point=_dot(looks[column][0]))
            .encode(y=value_axis(column, value_title, held))
            for column in ("mean", "chosen") if column in named
        ],
        # Marks that are not seen, so broad that every place of the plot belongs to a layer.
        base.mark_rule(opacity=0, strokeWidth=width / max(1, len(rows) - 1)).encode(tooltip=tips),
        *end_names(ends | baseline_end("baseline", baseline, theme), held, height),
    ]  # fmt: skip
    told = (f"{name} from {rows[column].min():.3f} to {rows[column].max():.3f}" for column, name in named.items())
    described = clean(f"{title}: {value_title} over {len(rows)} layers. " + "; ".join(told))
    return dressed(alt.layer(*layers).properties(title=title), theme, described, width=width, height=height)


def layer_series(
    frame: pd.DataFrame, *, theme: Theme, title: str, value_title: str, baseline: float | None = None,
    domain: Sequence[float] | None = None, width: int = WIDTH, height: int = HEIGHT,
) -> alt.LayerChart:  # fmt: skip
    """Return one line over the layers for each series, as two models or two sentences, each named at the right.

    `frame` has layer (-1: the input of the first block), series (a name) and value; where it has low and high, the series that
    know them are shaded between. A `baseline` is a dashed line; `domain` are the ends of the value axis.
    """
    rows = frame.dropna(subset=["value"])
    if rows.empty:
        return empty_chart(_EMPTY, theme)
    rows = rows.assign(
        name=[clipped(clean(str(name)), _LONGEST_NAME) for name in rows["series"]],
        shown=[layer_name(layer) for layer in rows["layer"]],
    )
    ends = [column for column in ("value", "low", "high") if column in rows]
    held, looks = (
        extent(rows[ends].to_numpy().ravel(), domain, [baseline]),
        looks_of(list(dict.fromkeys(rows["name"])), theme),
    )
    rows = rows.sort_values("layer", kind="stable")
    tips = [alt.Tooltip("name:N", title="line"), alt.Tooltip("shown:N", title="layer")]
    tips.append(alt.Tooltip("value:Q", title=chart_words(value_title), format=".3f"))
    ends = {name: (_last(rows.loc[rows["name"] == name, "value"]), *look) for name, look in looks.items()}
    layers = [
        *_shades(rows, looks, value_title, held),
        *rule_at(baseline, value_title, held, theme),
        *named_lines(rows, looks, layer_axis("layer", rows), value_axis("value", value_title, held), tips),
        *end_names(ends | baseline_end("baseline", baseline, theme), held, height),
    ]
    told = "; ".join(f"{name} ends at {end[0]:.3f}" for name, end in ends.items())
    described = clean(f"{title}: {value_title} over {rows['layer'].nunique()} layers. {told}")
    return dressed(alt.layer(*layers).properties(title=title), theme, described, width=width, height=height)


def _shades(
    rows: pd.DataFrame, looks: Mapping[str, Look], value_title: str, held: tuple[float, float]
) -> list[alt.Chart]:
    """Return the area between low and high of each series that knows them."""
    if not {"low", "high"} <= set(rows):
        return []
    known = rows.dropna(subset=["low", "high"])
    return [
        alt.Chart(own).mark_area(color=looks[name][0], opacity=0.18)
        .encode(x=layer_axis("layer", rows), y=value_axis("low", value_title, held), y2="high:Q")
        for name, own in known.groupby("name", sort=False)
    ]  # fmt: skip


def layer_name(layer: int) -> str:
    """Return what a layer is called: "L3", and "input" for -1, what enters the first block."""
    return f"L{layer}" if layer >= 0 else "input"


def looks_of(names: Sequence[str], theme: Theme) -> dict[str, Look]:
    """Return the colour and the dashes of each line, so that no two of eight are told apart by colour alone."""
    colours = category_colours(names, theme)
    return {name: (colours[name], _DASHES[place % len(_DASHES)]) for place, name in enumerate(names)}


def named_lines(
    rows: pd.DataFrame, looks: Mapping[str, Look], x: alt.X, y: alt.Y, tips: list[alt.Tooltip]
) -> list[alt.Chart]:
    """Return one line for each value of the column name, with marks that answer to the pointer."""
    names, colours, dashes = list(looks), [look[0] for look in looks.values()], [look[1] for look in looks.values()]
    colour = alt.Color("name:N", scale=alt.Scale(domain=names, range=colours), legend=None)
    dash = alt.StrokeDash("name:N", scale=alt.Scale(domain=names, range=dashes), legend=None)
    lines = alt.Chart(rows).encode(x=x, y=y, color=colour)
    # A line of one point would not be seen, and many points would hide the dashes.
    dots = alt.OverlayMarkDef(size=60) if len(rows) <= MOST_DOTS * len(names) else False
    return [
        lines.mark_line(strokeWidth=3, point=dots).encode(strokeDash=dash),
        # Marks that are not seen, broad enough to be pointed at.
        lines.mark_circle(size=260, opacity=0).encode(tooltip=tips),
    ]


def end_names(
    ends: Mapping[str, tuple[float, str, list[int] | None]], held: tuple[float, float], height: float
) -> list:
    """Return names right of the plot, each near the value at which its line ends, with a sample of the line.

    `ends` gives the value, the colour and the dashes by name; no name covers another.
    """
    low, high = held
    places = spread({name: height * (high - end[0]) / (high - low) for name, end in ends.items()}, height)
    layers = []
    for name, place in places.items():
        _, colour, dashes = ends[name]
        one, y = alt.Chart(pd.DataFrame({"name": [name]})), alt.value(place)
        look = dict(align="left", baseline="middle", fontSize=NUMBER_SIZE, fontWeight=600, color=colour)
        if dashes:
            sample = one.mark_rule(color=colour, strokeWidth=3, strokeDash=dashes)
            layers.append(
                sample.encode(
                    x=alt.value(alt.expr(f"width + {_SAMPLE[0]}")), x2=alt.value(alt.expr(f"width + {_SAMPLE[1]}")), y=y
                )
            )
        layers.append(
            one.mark_text(**look, dx=_SAMPLE[1] + 8 if dashes else _SAMPLE[0]).encode(
                x=alt.value("width"), y=y, text="name:N"
            )
        )
    return layers


def rule_at(value: float | None, title: str, held: tuple[float, float], theme: Theme) -> list[alt.Chart]:
    """Return a dashed line at a value, none where there is no value."""
    if value is None or value != value:
        return []
    rule = alt.Chart(pd.DataFrame({"value": [value]})).mark_rule(
        color=theme.quiet, strokeWidth=2, strokeDash=BASELINE_DASH
    )
    return [rule.encode(y=value_axis("value", title, held))]


def baseline_end(name: str, value: float | None, theme: Theme) -> dict[str, tuple[float, str, list[int]]]:
    """Return the entry of `end_names` for the line of `rule_at`, its value written after its name."""
    return {} if value is None or value != value else {f"{name} {value:.3f}": (value, theme.quiet, BASELINE_DASH)}


def value_axis(column: str, title: str, held: tuple[float, float]) -> alt.Y:
    """Return the vertical axis, the same for every mark of a chart."""
    scale = alt.Scale(domain=list(held), nice=False, zero=False)
    return alt.Y(f"{column}:Q", title=chart_words(title), scale=scale, axis=alt.Axis(tickCount=6))


def layer_axis(column: str, rows: pd.DataFrame) -> alt.X:
    """Return the axis of layers, the same for every mark of a chart."""
    layers = sorted(int(layer) for layer in rows[column].unique())
    axis = alt.Axis(
        values=layers[:: tick_step(len(layers))], labelExpr="datum.value < 0 ? 'input' : 'L' + datum.value", grid=False
    )
    room = 0.0 if len(layers) > 1 else 0.5
    scale = alt.Scale(domain=[layers[0] - room, layers[-1] + room], nice=False, zero=False)
    return alt.X(f"{column}:Q", title="layer", scale=scale, axis=axis)


def _dot(colour: str) -> alt.OverlayMarkDef:
    return alt.OverlayMarkDef(color=colour, size=70, filled=True)


def _number(value: float) -> str:
    return written(value) if value == value else "none"


def _last(values: pd.Series) -> float:
    """Return the last value that is known."""
    return float(values.dropna().iloc[-1])
