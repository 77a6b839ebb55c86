"""Heads as points: one score against another, or a map of heads that do alike, coloured by a third score or by role."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd

from app.figures.chart_extents import equal_units, extent, intervals
from app.figures.chart_theme import NUMBER_SIZE, chart_words, dressed, empty_chart
from app.figures.head_colours import coloured
from app.figures.label_places import label_places
from app.figures.score_grid import written
from app.figures.svg import clean
from app.figures.theme import TOKEN_FONT, Theme

MOST_HEADS = 4900  # with the names and lines still fewer rows than Altair refuses
_SIZE, _CHOSEN_SIZE, _RING = 120, 230, 560
_AXIS = 60.0
_REACH = 160.0  # pixels that a name and what it may cover are apart at most
_TITLE_CHARACTER = 9.0


@dataclass(frozen=True)
class _Plane:
    """The plot in pixels, and the values at its edges."""

    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    def pixels(self, x, y) -> np.ndarray:
        """Return [point, (x, y)], from the upper left corner."""
        across, down = np.subtract(x, self.x[0]) / np.ptp(self.x), np.subtract(self.y[1], y) / np.ptp(self.y)
        return np.stack([across * self.width, down * self.height], axis=-1)


def head_scatter(
    frame: pd.DataFrame, *, theme: Theme, x: str = "x", y: str = "y", x_title: str = "", y_title: str = "",
    colour_title: str = "", baselines: tuple[float | None, float | None] = (None, None), selected: str = "",
    picking: bool = False, width: float = 560, height: float = 420, x_domain: Sequence[float] | None = None,
    y_domain: Sequence[float] | None = None, axes: bool = True, named: int = 6,
) -> alt.LayerChart:  # fmt: skip
    """Return one point per head at the columns `x` and `y`, or x and y where there are none of that name.

    `frame` has name ("L3 H1") and may have colour (numbers, or texts of which "" stands for none), text for the tooltip, and
    x_low, x_high, y_low, y_high, drawn at the `selected` head; heads without both values are left out. Of categories the eight
    most frequent have a look of their own. `baselines` (x, y) are dashed; a domain is widened where a head lies outside. The
    `named` heads farthest from the median are named. With `picking` a click selects a head in the parameter "head", by name.
    `axes` False: a map whose axes mean nothing and whose units are equally long.
    """
    rows, baselines = _known(frame, x, y), [None if value is None or np.isnan(value) else value for value in baselines]
    if rows.empty:
        return empty_chart("No head has both scores." if axes else "There are no heads to show.", theme)
    domains = extent(rows["x"], x_domain, baselines[:1]), extent(rows["y"], y_domain, baselines[1:])
    plane = _Plane(width, height, *(domains if axes else equal_units(domains, width, height)))
    far = _from_middle(rows, plane)
    rows = rows.assign(chosen=rows["name"] == clean(selected))
    rows = rows[rows["chosen"] | rows.index.isin(far.nlargest(MOST_HEADS).index)]
    # The value of a baseline stands between the plot and the legend; the numbers of the axis leave it room at the left.
    place = dict(orient="top", offset=12 if baselines[0] is None else 30)
    rows, looks = coloured(rows, chart_words(colour_title), theme, width + _AXIS * axes, place)
    named_axes = {"x": (x_title, "across"), "y": (y_title, "up"), "colour": (colour_title, "colour")}
    titles = {name: chart_words(title) or other for name, (title, other) in named_axes.items()}
    places = _axis(alt.X, "x", x_title, plane.x, width, axes), _axis(alt.Y, "y", y_title, plane.y, height, axes)
    shown, tips = _tips(rows, titles, axes)
    layers = [
        *_baseline_rules(baselines, places, plane, theme),
        _points(shown, places, looks, tips, picking),
        *_frame_of_chosen(rows[rows["chosen"]], places, theme),
        *_names(rows, far, named, places, plane, theme),
    ]
    chart = alt.layer(*layers)
    if len(far) > len(rows):
        chart = chart.properties(title=f"{len(far) - len(rows)} heads near the middle are left out")
    if not axes:
        chart = chart.properties(view=alt.ViewBackground(stroke=theme.quiet, strokeOpacity=0.4))
    return dressed(chart, theme, _told(rows, titles, baselines, axes), width=width, height=height)


def _known(frame: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """Return the heads that have both values, under the names by which the chart knows its columns."""
    wanted = {f"{own}{end}": f"{found}{end}" for own, found in (("x", x), ("y", y)) for end in ("", "_low", "_high")}
    rows = pd.DataFrame({"name": [clean(str(name)) for name in frame["name"]]})
    for own, found in wanted.items():
        if found in frame or own in frame:
            rows[own] = frame[found if found in frame else own].to_numpy(dtype=float)
    if "colour" in frame:
        rows["colour"] = [chart_words(value) if isinstance(value, str) else value for value in frame["colour"]]
    if "text" in frame:
        rows["text"] = [clean(str(text)) for text in frame["text"].fillna("")]
    return rows[np.isfinite(rows["x"]) & np.isfinite(rows["y"])].reset_index(drop=True)


def _from_middle(rows: pd.DataFrame, plane: _Plane) -> pd.Series:
    """Return how far each head lies from the median of both values, in shares of the axes."""
    ends = {"x": plane.x, "y": plane.y}
    return np.hypot(*((rows[name] - rows[name].median()) / (high - low) for name, (low, high) in ends.items()))


def _axis(kind, name: str, title: str, domain: tuple[float, float], side: float, axes: bool):
    """Return an axis whose title has at most two lines, each no longer than the `side`."""
    lines = textwrap.wrap(chart_words(title), max(8, int(side / _TITLE_CHARACTER)), max_lines=2, placeholder="…")
    axis = alt.Axis(title=lines or None, tickCount=6) if axes else None
    return kind(f"{name}:Q", scale=alt.Scale(domain=domain, nice=False, zero=False), axis=axis)


def _baseline_rules(baselines, places, plane: _Plane, theme: Theme) -> list[alt.Chart]:
    """Return a dashed line at each baseline, its value written where the line leaves the plot."""
    layers, look = [], dict(color=theme.quiet, fontSize=NUMBER_SIZE)
    for name, value, place in zip("xy", baselines, places, strict=True):
        if value is None:
            continue
        one = alt.Chart(pd.DataFrame({name: [value], "label": [f"baseline {value:.3f}"]}))
        tips = [alt.Tooltip("label:N", title=f"{name} axis")]
        rule = one.mark_rule(color=theme.quiet, strokeWidth=2, strokeDash=[6, 4])
        if name == "x":
            left = float(plane.pixels(value, 0)[0])
            align = "left" if left < 60 else "right" if left > plane.width - 60 else "center"
            layers.append(rule.encode(x=place, tooltip=tips))
            layers.append(one.mark_text(**look, align=align, dy=-12).encode(x=place, y=alt.value(0), text="label:N"))
        else:
            layers.append(rule.encode(y=place, tooltip=tips))
            text = one.mark_text(**look, align="left", dx=8, dy=-8, lineBreak=" ")
            layers.append(text.encode(x=alt.value("width"), y=place, text="label:N"))
    return layers


def _points(rows: pd.DataFrame, places, looks: dict, tips: list[alt.Tooltip], picking: bool) -> alt.Chart:
    size = alt.condition("datum.chosen", alt.value(_CHOSEN_SIZE), alt.value(_SIZE))
    # A pale body and a firm outline: points that overlap are seen through each other.
    marks = alt.Chart(rows).mark_point(filled=True, opacity=1, strokeWidth=1.8, invalid=None)
    chart = marks.encode(x=places[0], y=places[1], size=size, tooltip=tips, **looks).properties(name="heads")
    return chart.add_params(alt.selection_point(name="head", fields=["name"], toggle=False)) if picking else chart


def _frame_of_chosen(chosen: pd.DataFrame, places, theme: Theme) -> list[alt.Chart]:
    """Return the ring about the selected head and the intervals of both its values, where they are known."""
    base, layers = alt.Chart(chosen), []
    if chosen.empty:
        return []
    for name, (own, other) in {"x": places, "y": places[::-1]}.items():
        if _bounded(chosen, name):
            ends = {name: type(own)(f"{name}_low:Q"), f"{name}2": f"{name}_high:Q", "xy".replace(name, ""): other}
            layers.append(base.mark_rule(color=theme.accent, strokeWidth=2.5, clip=True).encode(**ends))
    # Not filled, so that a click reaches the point.
    ring = base.mark_point(filled=False, size=_RING, color=theme.accent, strokeWidth=3, opacity=1)
    return [*layers, ring.encode(x=places[0], y=places[1])]


def _names(rows: pd.DataFrame, far: pd.Series, named: int, places, plane: _Plane, theme: Theme) -> list[alt.Chart]:
    """Return the names of the selected head and of those farthest from the middle, none upon another."""
    wanted = [*rows.index[rows["chosen"]], *far[rows.index].nlargest(named).index]
    frame = rows.loc[list(dict.fromkeys(wanted)), ["name", "x", "y", "chosen"]].reset_index(drop=True)
    if frame.empty:
        return []
    own = plane.pixels(frame["x"], frame["y"])
    rest = rows.drop(index=wanted)
    others = np.concatenate([plane.pixels(rest["x"], rest["y"]), _fence(plane), _bars(rows[rows["chosen"]], plane)])
    near = (np.abs(others[:, None] - own[None]).max(axis=-1) < _REACH).any(axis=1)
    found = label_places([*own.tolist(), *others[near].tolist()], dict(frame["name"]), max(plane.width, plane.height))
    away = [1.4 if chosen else 1.0 for chosen in frame["chosen"]]
    frame["dx"], frame["dy"], frame["align"] = zip(*found.values(), strict=True)
    frame = frame.assign(dx=frame["dx"] * away, dy=frame["dy"] * away)
    look = dict(
        font=TOKEN_FONT, fontSize=NUMBER_SIZE, baseline="middle", align=alt.expr("datum.align"), dx=alt.expr("datum.dx"),
        dy=alt.expr("datum.dy"), fontWeight=alt.expr("datum.chosen ? 'bold' : 'normal'"),
    )  # fmt: skip
    base = alt.Chart(frame).encode(x=places[0], y=places[1], text="name:N")
    colour = alt.condition("datum.chosen", alt.value(theme.accent), alt.value(theme.text))
    # A broad outline in the ground's colour keeps points and lines out of the names.
    halo = base.mark_text(**look, color=theme.background, stroke=theme.background, strokeWidth=5, strokeOpacity=0.8)
    return [halo, base.mark_text(**look).encode(color=colour)]


def _fence(plane: _Plane) -> np.ndarray:
    """Return points [point, (x, y)] along the edges that the square of label_places does not know, for no name to cover."""
    # So dense that to cover points inside is the lesser evil.
    across, down = np.arange(0, plane.width, 3.0), np.arange(0, plane.height, 3.0)
    lines = [
        [(x, plane.height + away) for x in across] + [(plane.width + away, y) for y in down] for away in (8, 20, 32)
    ]
    return np.concatenate(lines)


def _bars(chosen: pd.DataFrame, plane: _Plane) -> np.ndarray:
    """Return points [point, (x, y)] along the intervals of the selected head, which no name should cover either."""
    steps, along = np.linspace(0, 1, 60)[:, None], [np.empty((0, 2))]
    for name, ends in (("x", ["x_low", "y", "x_high", "y"]), ("y", ["x", "y_low", "x", "y_high"])):
        if _bounded(chosen, name):
            low, high = np.split(chosen[ends].to_numpy(), 2, axis=1)
            along.append((low + steps[:, None] * (high - low)).reshape(-1, 2))
    return plane.pixels(*np.concatenate(along).T)


def _bounded(chosen: pd.DataFrame, name: str) -> bool:
    ends = [f"{name}_low", f"{name}_high"]
    return set(ends) <= set(chosen) and bool(np.isfinite(chosen[ends]).all(axis=None))


def _tips(rows: pd.DataFrame, titles: Mapping[str, str], axes: bool) -> tuple[pd.DataFrame, list[alt.Tooltip]]:
    """Return the rows with what the tooltip says, and the tooltip; a missing number is called so, not drawn as 0."""
    tips, told = [alt.Tooltip("name:N", title="head")], {}
    for name in ("x", "y") if axes else ():
        tips.append(alt.Tooltip(f"{name}:Q", title=titles[name], format=".3f"))
        if {f"{name}_low", f"{name}_high"} <= set(rows):
            told[f"{name}_interval"] = intervals(rows[f"{name}_low"], rows[f"{name}_high"])
            tips.append(alt.Tooltip(f"{name}_interval:N", title=f"{titles[name]}, interval"))
    if "colour" in rows:
        told["third"] = [
            value if isinstance(value, str) else written(value) if value == value else "none"
            for value in rows["colour"]
        ]
        tips.append(alt.Tooltip("third:N", title=titles["colour"]))
    if "text" in rows:
        tips.append(alt.Tooltip("text:N", title="evidence"))
    return rows.assign(**told), tips


def _told(rows: pd.DataFrame, titles: Mapping[str, str], baselines, axes: bool) -> str:
    """Return the chart in words."""
    chosen = [
        (rows.at[index, "name"], rows.at[index, "x"], rows.at[index, "y"]) for index in rows.index[rows["chosen"]]
    ]
    if not axes:
        told = [
            f"map of {len(rows)} heads, where those that do alike stand close",
            *(f"selected: {name}" for name, *_ in chosen),
        ]
        return "; ".join(told) + "."
    told = [f"{len(rows)} heads: {titles['x']} across, {titles['y']} up"]
    for name in ("x", "y"):
        best = rows.loc[rows[name].idxmax()]
        told.append(f"highest {titles[name]}: {best['name']} with {written(best[name])}")
    for name, value in zip(("x", "y"), baselines, strict=True):
        told += [] if value is None else [f"baseline of {titles[name]}: {written(value)}"]
    told += [f"selected: {name}, {written(x)} across and {written(y)} up" for name, x, y in chosen]
    return "; ".join(told) + "."
