"""Queries and keys of one head in one plane: two shapes, coloured by position, token or norm, lines for the strongest weights."""

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from app.figures.chart_extents import equal_units, extent
from app.figures.chart_theme import NUMBER_SIZE, chart_words, dressed, empty_chart
from app.figures.head_colours import coloured
from app.figures.label_places import label_places
from app.figures.score_grid import written
from app.figures.svg import clean, clipped
from app.figures.theme import TOKEN_FONT, Theme
from model.analysis.joint_embedding import JointEmbedding

COLOURS = ("position", "token", "norm")
MOST_LINKS = 200
_ALL_NAMED, _MOST_NAMED, _LONGEST_NAME = 24, 16, 14
_SHAPES = {"query": "circle", "key": "diamond"}
_REACH = 90.0
_LEGEND = 0.78  # of the width: what the legend keeps between its columns is more than its words take


def joint_points(
    embedding: JointEmbedding, query_tokens: Sequence[str], key_tokens: Sequence[str], colour: str = "position"
) -> pd.DataFrame:
    """Return a row for every point: token ("q3", "k3"), text, kind, position, x, y, norm, colour; one of COLOURS says which."""
    frames = []
    for kind, tokens in (("query", query_tokens), ("key", key_tokens)):
        points, positions, norms = (getattr(embedding, f"{kind}_{part}") for part in ("points", "positions", "norms"))
        texts = [clean(tokens[position]) for position in positions]
        shown = {"position": positions.astype(float), "token": texts, "norm": norms}[colour]
        frames.append(
            pd.DataFrame(
                {
                    "token": [f"{kind[0]}{position}" for position in positions], "text": texts, "kind": kind,
                    "position": positions, "x": points[:, 0], "y": points[:, 1], "norm": norms, "colour": shown,
                }
            )
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def joint_map(
    points: pd.DataFrame, links: Sequence[tuple[int, int, float]] = (), *, theme: Theme, title: str, colour_title: str = "",
    selected: str = "", picking: bool = False, width: float = 600, height: float = 480,
) -> alt.LayerChart:  # fmt: skip
    """Return the map of `joint_points`, circles for queries and diamonds for keys, with a line for each (query, key, weight).

    The heavier a weight, the broader its line; those of the point `selected` ("q3", "k3") are in the accent. All tokens are
    named in a short text, else those at the strongest lines. With `picking` a click selects a point in the parameter "token".
    The axes mean nothing by themselves and their units are equally long.
    """
    if points.empty:
        return empty_chart("There are no queries and keys to show.", theme)
    rows = points.assign(chosen=points["token"] == selected, text=[clean(str(text)) for text in points["text"]])
    domains = equal_units((extent(rows["x"]), extent(rows["y"])), width, height)
    places = [
        kind(f"{name}:Q", scale=alt.Scale(domain=ends, nice=False, zero=False), axis=None)
        for kind, name, ends in zip((alt.X, alt.Y), "xy", domains, strict=True)
    ]
    lines = _links(rows, links, selected)
    named = _named(rows, lines)
    rows, looks = coloured(
        rows, clean(colour_title), theme, width * _LEGEND, dict(orient="bottom", offset=8), other=theme.quiet
    )
    layers = [
        *([_lines(lines, places, theme)] if len(lines) else []),
        _points(rows, places, looks, clean(colour_title) or "colour", picking, theme),
        *_ring(rows, places, theme),
        *_names(named, points, domains, places, (width, height), theme),
    ]
    kinds = rows["kind"].value_counts()
    described = f"{title}. {kinds.get('query', 0)} queries and {kinds.get('key', 0)} keys of one head in one plane"
    if len(lines):
        best = lines.loc[lines["weight"].idxmax()]
        described += f"; strongest line: {best['told']} with {written(best['weight'])}"
    frame = alt.ViewBackground(stroke=theme.quiet, strokeOpacity=0.4)
    chart = alt.layer(*layers).properties(title=clean(title), view=frame)
    return dressed(chart.resolve_scale(shape="independent"), theme, clean(described) + ".", width=width, height=height)


def _links(rows: pd.DataFrame, links: Sequence[tuple[int, int, float]], selected: str) -> pd.DataFrame:
    """Return the ends of every line whose points are both on the map, the strongest last so that it lies on top."""
    places = rows.set_index("token")[["x", "y", "text"]]
    found = []
    for query, key, weight in sorted(links, key=lambda link: -link[2])[:MOST_LINKS]:
        ends = f"q{query}", f"k{key}"
        if all(end in places.index for end in ends):
            (x, y, text), (x2, y2, other) = (places.loc[end] for end in ends)
            found.append((*ends, x, y, x2, y2, float(weight), f"{text} → {other}", selected in ends))
    columns = ["query", "key", "x", "y", "x2", "y2", "weight", "told", "own"]
    return pd.DataFrame(found[::-1], columns=columns).sort_values("own", kind="stable", ignore_index=True)


def _lines(lines: pd.DataFrame, places, theme: Theme) -> alt.Chart:
    colour = alt.condition("datum.own", alt.value(theme.accent), alt.value(theme.quiet))
    return (
        alt.Chart(lines)
        .mark_rule(strokeCap="round")
        .encode(
            x=places[0], y=places[1], x2="x2:Q", y2="y2:Q", color=colour,
            strokeWidth=alt.StrokeWidth("weight:Q", scale=alt.Scale(domain=[0, 1], range=[1, 7]), legend=None),
            opacity=alt.condition("datum.own", alt.value(0.95), alt.value(0.5)),
            tooltip=[alt.Tooltip("told:N", title="query → key"), alt.Tooltip("weight:Q", title="weight", format=".3f")],
        )
    )  # fmt: skip


def _points(rows: pd.DataFrame, places, looks: dict, colour_title: str, picking: bool, theme: Theme) -> alt.Chart:
    # By a number, the shapes of the legend have the grey outline of the points; categories have no colour in common.
    numbers = pd.api.types.is_numeric_dtype(rows["colour"])
    edge = {} if numbers else dict(symbolFillColor=theme.quiet, symbolStrokeColor=theme.quiet)
    shape = alt.Shape(
        "kind:N", scale=alt.Scale(domain=list(_SHAPES), range=list(_SHAPES.values())),
        legend=alt.Legend(title=None, orient="top", symbolSize=180, symbolStrokeWidth=2, **edge),
    )  # fmt: skip
    size = 140 if len(rows) <= 200 else 70
    told = [value if isinstance(value, str) else written(value) for value in rows["colour"]]
    tips = [
        alt.Tooltip("text:N", title="token"), alt.Tooltip("kind:N", title="as"), alt.Tooltip("position:Q", title="position"),
        alt.Tooltip("norm:Q", title="norm", format=".3f"),
    ]  # fmt: skip
    tips += [] if colour_title in COLOURS else [alt.Tooltip("colour_told:N", title=chart_words(colour_title))]
    marks = alt.Chart(rows.assign(colour_told=told)).mark_point(filled=True, opacity=1, strokeWidth=1.5, size=size)
    chart = marks.encode(x=places[0], y=places[1], tooltip=tips, **{**looks, "shape": shape}).properties(name="tokens")
    return chart.add_params(alt.selection_point(name="token", fields=["token"], toggle=False)) if picking else chart


def _ring(rows: pd.DataFrame, places, theme: Theme) -> list[alt.Chart]:
    # Not filled, so that a click reaches the point.
    ring = alt.Chart(rows[rows["chosen"]]).mark_point(filled=False, size=520, strokeWidth=3, opacity=1)
    return [ring.encode(x=places[0], y=places[1], color=alt.value(theme.accent))] if rows["chosen"].any() else []


def _named(rows: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """Return the points whose tokens are written: all of a short text, else the selected and those at the strongest lines.

    Of a token that is there many times, one query and one key are named.
    """
    if len(rows) <= _ALL_NAMED:
        return rows.sort_values("chosen", ascending=False, kind="stable")
    own = lines[lines["own"]][::-1]
    ends = [end for _, line in pd.concat([own, lines[::-1]]).iterrows() for end in (line["query"], line["key"])]
    wanted = list(dict.fromkeys([*rows.loc[rows["chosen"], "token"], *ends]))
    found = rows.set_index("token", drop=False).loc[wanted]
    return found[found["chosen"] | ~found.duplicated(["text", "kind"])][:_MOST_NAMED]


def _names(named: pd.DataFrame, points: pd.DataFrame, domains, places, size, theme: Theme) -> list[alt.Chart]:
    """Return the tokens beside their points, none upon another, with a broad outline in the ground's colour."""
    if named.empty:
        return []
    frame = named[["token", "text", "x", "y", "chosen"]].reset_index(drop=True)
    frame["text"] = [clipped(text, _LONGEST_NAME) for text in frame["text"]]
    rest = points[~points["token"].isin(frame["token"])]
    own, others = (_pixels(one, domains, size) for one in (frame, rest))
    near = (np.abs(others[:, None] - own[None]).max(axis=-1) < _REACH).any(axis=1)
    found = label_places([*own.tolist(), *others[near].tolist()], dict(frame["text"]), max(size))
    frame["dx"], frame["dy"], frame["align"] = zip(*found.values(), strict=True)
    look = dict(
        font=TOKEN_FONT, fontSize=NUMBER_SIZE - 1, baseline="middle", align=alt.expr("datum.align"),
        dx=alt.expr("datum.dx"), dy=alt.expr("datum.dy"), fontWeight=alt.expr("datum.chosen ? 'bold' : 'normal'"),
    )  # fmt: skip
    base = alt.Chart(frame).encode(x=places[0], y=places[1], text="text:N")
    halo = base.mark_text(**look, color=theme.background, stroke=theme.background, strokeWidth=5, strokeOpacity=0.8)
    colour = alt.condition("datum.chosen", alt.value(theme.accent), alt.value(theme.text))
    return [halo, base.mark_text(**look).encode(color=colour)]


def _pixels(rows: pd.DataFrame, domains, size) -> np.ndarray:
    """Return [point, (x, y)] in pixels from the upper left corner."""
    (left, right), (low, high) = domains
    across, down = (rows["x"] - left) / (right - left) * size[0], (high - rows["y"]) / (high - low) * size[1]
    return np.stack([across, down], axis=-1)
