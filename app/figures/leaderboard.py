"""Accuracy of heads on a set of coreference examples: against the baselines, by stereotype, and by group."""

import json
import math
from collections.abc import Mapping

import altair as alt
import pandas as pd

from app.figures.chart_theme import NUMBER_SIZE, chart_words, dressed, empty_chart
from app.figures.label_places import label_places
from app.figures.theme import TOKEN_FONT, Theme, hexadecimal

WIDTH, ROW = 560, 26
NAMED_GAPS = 6
_GAP_SIDE, _LINE = 620, 22
_SHARES = [0, 0.25, 0.5, 0.75, 1]
_WRITTEN = alt.Text("accuracy:Q", format=".3f")


def accuracy_chart(
    heads: pd.DataFrame, baselines: Mapping[str, float], *, theme: Theme, chosen: str = "", most: int = 25
) -> alt.LayerChart:
    """Return the `most` best heads as dots with their intervals, the best on top, and the baselines as named rules.

    `heads` has layer, head, name ("L3 H1"), accuracy, low and high, shares in [0, 1]. The head named `chosen` takes the accent
    colour and its name says that it was chosen on held-out examples; it is shown even where it is not among the best.
    """
    heads = heads.dropna(subset=["accuracy"])
    if heads.empty:
        return empty_chart("No head was scored.", theme)
    ranked = heads.sort_values(["accuracy", "layer", "head"], ascending=[False, True, True], kind="stable")
    frame = ranked[(ranked["name"].isin(ranked["name"].head(most))) | (ranked["name"] == chosen)]
    frame = _worded(frame.assign(chosen=frame["name"] == chosen))
    colour = alt.condition("datum.chosen", alt.value(theme.accent), alt.value(theme.text))
    weight = f"datum.value === {json.dumps(chosen)}"
    axis = alt.Axis(
        title=None, labelFont=TOKEN_FONT, ticks=False, domain=False, labelPadding=10, labelLimit=0, labelOverlap=False,
        labelColor={"condition": {"test": weight, "value": theme.accent}, "value": theme.text},
        labelFontWeight={"condition": {"test": weight, "value": "bold"}, "value": "normal"},
    )  # fmt: skip
    rows = alt.Y("name:N", sort=list(frame["name"]), axis=axis)
    tips = [alt.Tooltip("name:N", title="head"), *_accuracy_tips()]
    base = alt.Chart(frame)
    layers = [
        *_baseline_rules(baselines, theme),
        base.mark_rule(strokeWidth=3, opacity=0.55).encode(
            x=_share("low", "accuracy"), x2="high:Q", y=rows, color=colour, tooltip=tips
        ),
        base.mark_circle(size=130, opacity=1).encode(x=_share("accuracy"), y=rows, color=colour, tooltip=tips),
        base.mark_text(font=TOKEN_FONT, fontSize=NUMBER_SIZE, align="left", dx=14).encode(
            x=alt.value("width"), y=rows, text=_WRITTEN, color=colour
        ),
    ]
    named = frame[frame["chosen"]]
    if not named.empty:
        layers += _chosen_note(named, rows, theme)
    described = f"Accuracy of {len(frame)} heads with 95% intervals, from 0 to 1. Best: " + ", ".join(
        f"{name} {accuracy:.3f}" for name, accuracy in zip(frame["name"][:3], frame["accuracy"][:3], strict=True)
    )
    described += "".join(f"; baseline {name} {value:.3f}" for name, value in baselines.items())
    return dressed(alt.layer(*layers), theme, described, width=WIDTH, height=ROW * len(frame))


def _share(column: str, title: str | None = None) -> alt.X:
    axis = alt.Axis(values=_SHARES, format=".2~f", grid=True)
    return alt.X(f"{column}:Q", title=column if title is None else title, scale=alt.Scale(domain=[0, 1]), axis=axis)


def _worded(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the interval in words."""
    interval = [
        f"{low:.4f} to {high:.4f}" if low == low and high == high else "none"
        for low, high in zip(frame["low"], frame["high"], strict=True)
    ]
    return frame.assign(interval=interval)


def _accuracy_tips() -> list[alt.Tooltip]:
    return [alt.Tooltip("accuracy:Q", title="accuracy", format=".4f"), alt.Tooltip("interval:N", title="95% interval")]


def _baseline_rules(baselines: Mapping[str, float], theme: Theme) -> list[alt.Chart]:
    """Return a rule for every baseline; its name stands above the plot, one line each so that near ones do not collide."""
    rules = []
    # Each name ends left of its rule, the leftmost rule's the lowest, so that no rule crosses a name.
    for line, (name, value) in enumerate(sorted(baselines.items(), key=lambda pair: pair[1])):
        top = -14 - _LINE * line
        data = alt.Chart(pd.DataFrame({"value": [value], "label": [f"{name} {value:.3f}"]}))
        tips = [alt.Tooltip("label:N", title="baseline")]
        rules.append(
            data.mark_rule(color=theme.quiet, strokeWidth=2, strokeDash=[6, 4]).encode(
                x=_share("value", "accuracy"), y=alt.value(top + 8), y2=alt.value("height"), tooltip=tips
            )
        )
        rules.append(
            data.mark_text(color=theme.quiet, fontSize=NUMBER_SIZE, align="right", dx=-8, baseline="middle").encode(
                x=_share("value", "accuracy"), y=alt.value(top), text="label:N"
            )
        )
    return rules


def _chosen_note(named: pd.DataFrame, rows: alt.Y, theme: Theme) -> list[alt.Chart]:
    left = float(named["high"].iloc[0]) > 0.6  # the words would reach the numbers
    x = _share("low" if left else "high", "accuracy")
    look = dict(fontSize=NUMBER_SIZE, fontWeight="bold", align="right" if left else "left", dx=-12 if left else 12)
    note, base = alt.value("held-out choice"), alt.Chart(named)
    # A broad outline in the ground's colour keeps the rules out of the words.
    halo = base.mark_text(**look, color=theme.background, stroke=theme.background, strokeWidth=8)
    return [
        halo.encode(x=x, y=rows, text=note),
        base.mark_text(**look, color=theme.accent).encode(x=x, y=rows, text=note),
    ]


def gap_chart(heads: pd.DataFrame, *, theme: Theme, chosen: str = "") -> alt.LayerChart:
    """Return every head's accuracy on pro-stereotyped against anti-stereotyped examples, with the line where both are equal.

    `heads` has name, pro, anti and gap = pro - anti. The six heads of the largest |gap| and the `chosen` one are named.
    """
    heads = heads.dropna(subset=["pro", "anti"]).reset_index(drop=True)
    if heads.empty:
        return empty_chart("No head was scored by stereotype.", theme)
    low = math.floor(10 * float(heads[["pro", "anti"]].min().min())) / 10
    high = max(low + 0.1, math.ceil(10 * float(heads[["pro", "anti"]].max().max())) / 10)
    domain = [low, high]
    largest = heads["gap"].abs().sort_values(ascending=False, kind="stable").index[:NAMED_GAPS]
    named = heads.index.isin(largest) | (heads["name"] == chosen)
    frame = heads.assign(chosen=heads["name"] == chosen, named=named)
    axis = alt.Axis(format=".1f", values=[round(low + 0.1 * step, 1) for step in range(round(10 * (high - low)) + 1)])
    colour = alt.condition(
        "datum.gap > 0", alt.value(hexadecimal(theme.diverging[-1])), alt.value(hexadecimal(theme.diverging[0]))
    )
    x, y = (
        alt.X("pro:Q", title="accuracy, pro-stereotyped", scale=alt.Scale(domain=domain), axis=axis),
        alt.Y("anti:Q", title="accuracy, anti-stereotyped", scale=alt.Scale(domain=domain), axis=axis),
    )
    tips = [
        alt.Tooltip("name:N", title="head"),
        *(alt.Tooltip(f"{column}:Q", title=column, format=".4f") for column in ("pro", "anti")),
        alt.Tooltip("gap:Q", title="gap (pro − anti)", format="+.4f"),
    ]
    base = alt.Chart(frame)
    line = alt.Chart(pd.DataFrame({"pro": domain, "anti": domain}))
    layers = [
        line.mark_line(color=theme.quiet, strokeWidth=2, strokeDash=[6, 4]).encode(x=x, y=y),
        _corner("better on pro", 0.98, 0.03, "right", theme),
        _corner("better on anti", 0.02, 0.97, "left", theme),
        base.transform_filter("!datum.chosen").mark_circle(size=110, opacity=0.75).encode(x=x, y=y, color=colour, tooltip=tips),
        base.transform_filter("datum.chosen").mark_point(
            size=260, shape="diamond", filled=True, opacity=1, color=theme.accent, stroke=theme.text, strokeWidth=2
        ).encode(x=x, y=y, tooltip=tips),
        *_names(frame, domain, x, y, theme),
    ]  # fmt: skip
    widest = frame.loc[largest]
    described = f"Accuracy of {len(frame)} heads on pro-stereotyped against anti-stereotyped examples. Largest gaps: "
    described += ", ".join(f"{name} {gap:+.3f}" for name, gap in zip(widest["name"], widest["gap"], strict=True))
    return dressed(alt.layer(*layers), theme, described, width=_GAP_SIDE, height=_GAP_SIDE)


def _corner(text: str, x: float, y: float, align: str, theme: Theme) -> alt.Chart:
    mark = alt.Chart(pd.DataFrame({"text": [text]})).mark_text(color=theme.quiet, fontSize=NUMBER_SIZE, align=align)
    return mark.encode(x=alt.value(x * _GAP_SIDE), y=alt.value((1 - y) * _GAP_SIDE), text="text:N")


def _names(frame: pd.DataFrame, domain: list[float], x: alt.X, y: alt.Y, theme: Theme) -> list[alt.Chart]:
    scale = _GAP_SIDE / (domain[1] - domain[0])
    points = [(scale * (row.pro - domain[0]), scale * (domain[1] - row.anti)) for row in frame.itertuples()]
    labelled = [index for index, named in enumerate(frame["named"]) if named]
    placed = label_places(points, {index: frame["name"].iloc[index] for index in labelled}, _GAP_SIDE)
    names = []
    for index, (dx, dy, align) in placed.items():
        one = alt.Chart(frame.iloc[[index]])
        mark = one.mark_text(
            font=TOKEN_FONT, fontSize=NUMBER_SIZE, fontWeight="bold" if frame["chosen"].iloc[index] else "normal",
            color=theme.accent if frame["chosen"].iloc[index] else theme.text, align=align, dx=dx, dy=dy, baseline="middle",
        )  # fmt: skip
        names.append(mark.encode(x=x, y=y, text="name:N"))
    return names


def group_chart(rows: pd.DataFrame, *, theme: Theme) -> alt.VConcatChart | alt.LayerChart:
    """Return accuracy by group with intervals, one panel per group, for the held-out head and the baselines.

    `rows` has group ("gender", "stereotype"), value ("feminine"), accuracy, low, high and who; whoever comes first takes the
    accent colour. Each also has a shape of its own. Rows without an interval (NaN) are dots alone.
    """
    if rows.empty:
        return empty_chart("These examples have no groups.", theme)
    encoded = _who(list(dict.fromkeys(rows["who"])), theme)
    frame = _worded(rows)
    groups = list(dict.fromkeys(rows["group"]))
    panels = [
        _group_panel(group, frame[frame["group"] == group], encoded, "accuracy" if group == groups[-1] else "")
        for group in groups
    ]
    described = "Accuracy by group. " + "; ".join(
        f"{row.group} {row.value}, {row.who}: {row.accuracy:.3f}" for row in rows.itertuples()
    )
    return dressed(alt.vconcat(*panels, spacing=30), theme, described)


def _who(who: list[str], theme: Theme) -> dict:
    """Return the encodings by which one is told from another: colour, shape and place."""
    colours = [theme.accent, theme.text, *([theme.quiet] * len(who))][: len(who)]
    shapes = (["circle", "diamond", "triangle-up", "square", "cross", "triangle-down"] * len(who))[: len(who)]
    legend = alt.Legend(title=None, orient="top", symbolSize=150, columns=4, labelLimit=0)
    return {
        "color": alt.Color("who:N", sort=who, scale=alt.Scale(domain=who, range=colours), legend=legend),
        "shape": alt.Shape("who:N", sort=who, scale=alt.Scale(domain=who, range=shapes), legend=legend),
        "yOffset": alt.YOffset("who:N", sort=who, scale=alt.Scale(domain=who, paddingInner=0, paddingOuter=0.6)),
    }


def _group_panel(group: str, rows: pd.DataFrame, encoded: dict, title: str) -> alt.LayerChart:
    values, count = list(dict.fromkeys(rows["value"])), rows["who"].nunique()
    axis = alt.Axis(ticks=False, domain=False, labelPadding=12, labelLimit=0)
    tips = [alt.Tooltip("who:N", title="by"), alt.Tooltip("value:N", title=chart_words(group)), *_accuracy_tips()]
    base = alt.Chart(rows).encode(
        y=alt.Y("value:N", sort=values, title=None, axis=axis, scale=alt.Scale(padding=0)),
        yOffset=encoded["yOffset"], color=encoded["color"],
    )  # fmt: skip
    known = base.transform_filter("isValid(datum.low) && isValid(datum.high)")
    numbers = base.mark_text(font=TOKEN_FONT, fontSize=NUMBER_SIZE, align="left", baseline="middle", dx=14)
    return alt.layer(
        known.mark_rule(strokeWidth=2.5).encode(x=_share("low", title), x2="high:Q", tooltip=tips),
        base.mark_point(filled=True, size=150, opacity=1).encode(
            x=_share("accuracy", title), shape=encoded["shape"], tooltip=tips
        ),
        numbers.encode(x=alt.value("width"), text=_WRITTEN),
    ).properties(title=group, width=WIDTH, height=len(values) * 22 * (count + 1.2))
