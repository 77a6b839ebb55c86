"""Hidden states through the layers as lines: the norms of tokens, anisotropy, and how a word parts in two texts."""

import math
from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from app.figures.chart_extents import extent
from app.figures.chart_theme import chart_words, dressed, empty_chart
from app.figures.layer_lines import (
    HEIGHT,
    WIDTH,
    end_names,
    layer_axis,
    layer_name,
    layer_series,
    looks_of,
    named_lines,
)
from app.figures.svg import clean, clipped
from app.figures.theme import Theme
from app.figures.value_matrix import shown

MOST_ROWS = 3000  # rows of lines that are not named: of more, only the band that they span is drawn
MOST_NAMED = 8
LONGEST_NAME = 18
_RANDOM = "random pairs"


def norm_lines(
    norms: np.ndarray, tokens: Sequence[str], *, theme: Theme, title: str, value_title: str = "norm of the state",
    chosen: Sequence[int] = (), outliers: Sequence[int] = (), log: bool = False, width: int = WIDTH, height: int = HEIGHT,
) -> alt.LayerChart:  # fmt: skip
    """Return the norm of every token [state, position] through the layers; state 0 is the input of the first block.

    The `chosen` positions and then the `outliers`, at most MOST_NAMED together, have a look of their own and their name at the
    right; all others are thin lines, or a band from the least to the greatest where they are very many. On a `log` scale
    values that are not positive are left out. Raises ValueError where tokens and norms disagree.
    """
    norms = np.asarray(norms, dtype=np.float64)
    if norms.ndim != 2 or norms.shape[1] != len(tokens):
        raise ValueError(f"Norms of shape {norms.shape} do not have {len(tokens)} tokens.")
    norms = np.where(np.isfinite(norms) & ((norms > 0) | (not log)), norms, np.nan)
    if np.isnan(norms).all():
        return empty_chart("There are no norms to show.", theme)
    named = list(dict.fromkeys(int(place) for place in [*chosen, *outliers] if np.isfinite(norms[:, place]).any()))
    named = named[:MOST_NAMED]
    rows = _norm_rows(norms, tokens)
    held = _norm_extent(norms, log)
    looks = looks_of([_token_name(tokens, place) for place in named], theme)
    x = layer_axis("layer", rows)
    layers = _others(rows[~rows["position"].isin(named)], x, value_title, held, log, theme)
    own = rows[rows["position"].isin(named)]
    if named:
        layers += named_lines(own, looks, x, _norm_axis("value", value_title, held, log), _norm_tips(value_title))
        # Heights on a log scale are those of the logarithms.
        level = math.log10 if log else float
        ends = {name: (level(own.loc[own["name"] == name, "value"].iloc[-1]), *look) for name, look in looks.items()}
        layers += end_names(ends, (level(held[0]), level(held[1])), height)
    told = "; ".join(f"{name} ends at {shown(own.loc[own['name'] == name, 'value'].iloc[-1])}" for name in looks)
    low, high = np.nanmin(norms), np.nanmax(norms)
    described = (
        f"{title}: {value_title} of {len(tokens)} tokens through {len(norms)} states, {shown(low)} to {shown(high)}. "
    )
    chart = alt.layer(*layers).properties(title=title)
    return dressed(chart, theme, clean(f"{described}{told}"), width=width, height=height)


def anisotropy_chart(
    series: Mapping[str, Sequence[float]], *, theme: Theme, title: str, value_title: str = "mean cosine of random pairs",
    baseline: float | None = None, domain: Sequence[float] | None = None,
) -> alt.LayerChart:  # fmt: skip
    """Return one line per name of numbers [state] through the layers; state 0 is the input of the first block."""
    frames = [_states(values).assign(series=name) for name, values in series.items()]
    rows = pd.concat(frames) if frames else pd.DataFrame({"layer": [], "series": [], "value": []})
    return layer_series(rows, theme=theme, title=title, value_title=value_title, baseline=baseline, domain=domain)


def parting_chart(
    distances: Sequence[float], random: Sequence[float], *, word: str, theme: Theme, title: str,
    spread: tuple[Sequence[float], Sequence[float]] | None = None, value_title: str = "cosine distance",
) -> alt.LayerChart:  # fmt: skip
    """Return how far the states of one word in two texts are apart [state], beside random pairs of the same layer.

    `random` is the mean of random pairs, `spread` two of their quantiles [state], shaded between; state 0 is the input of the
    first block. Below the random pairs the two are still more alike than two tokens at hand.
    """
    pairs = _states(random).assign(series=_RANDOM)
    if spread is not None:
        pairs = pairs.assign(low=np.asarray(spread[0], dtype=float), high=np.asarray(spread[1], dtype=float))
    own = _states(distances).assign(series=f"“{clipped(clean(word), LONGEST_NAME)}”")
    return layer_series(pd.concat([own, pairs]), theme=theme, title=title, value_title=value_title)


def _states(values: Sequence[float]) -> pd.DataFrame:
    """Return a frame of numbers [state] whose layer is the block that the state comes out of, -1 for the input."""
    values = np.asarray(values, dtype=float)
    return pd.DataFrame({"layer": np.arange(len(values)) - 1, "value": values})


def _norm_rows(norms: np.ndarray, tokens: Sequence[str]) -> pd.DataFrame:
    """Return one row per state and position, without those that have no value."""
    states, count = norms.shape
    names = np.array([_token_name(tokens, place) for place in range(count)], dtype=object)
    layers = np.repeat(np.arange(states) - 1, count)
    rows = pd.DataFrame(
        {
            "layer": layers,
            "position": np.tile(np.arange(count), states),
            "name": np.tile(names, states),
            "shown": [layer_name(layer) for layer in layers],
            "value": norms.ravel(),
        }
    )
    return rows.dropna(subset=["value"])


def _token_name(tokens: Sequence[str], place: int) -> str:
    """Return the name of a token; a token stands twice in a text, so its position is part of it."""
    return f"{clipped(clean(tokens[place]), LONGEST_NAME)} ({place})"


def _norm_extent(norms: np.ndarray, log: bool) -> tuple[float, float]:
    if not log:
        return extent(norms.ravel())
    low, high = extent(np.log10(norms[np.isfinite(norms)]))
    return 10**low, 10**high


def _norm_axis(column: str, title: str, held: tuple[float, float], log: bool) -> alt.Y:
    scale = alt.Scale(domain=list(held), nice=False, zero=False, type="log" if log else "linear")
    return alt.Y(f"{column}:Q", title=chart_words(title), scale=scale, axis=alt.Axis(tickCount=6, format=".6~g"))


def _norm_tips(value_title: str) -> list[alt.Tooltip]:
    value = alt.Tooltip("value:Q", title=chart_words(value_title), format=".6~g")
    return [alt.Tooltip("name:N", title="token"), alt.Tooltip("shown:N", title="state"), value]


def _others(
    rows: pd.DataFrame, x: alt.X, value_title: str, held: tuple[float, float], log: bool, theme: Theme
) -> list[alt.Chart]:
    """Return the tokens that are not named: thin lines, or the band and the median of very many."""
    if rows.empty:
        return []
    if len(rows) <= MOST_ROWS:
        lines = alt.Chart(rows).encode(x=x, y=_norm_axis("value", value_title, held, log), detail="position:N")
        thin = lines.mark_line(color=theme.quiet, opacity=0.45, strokeWidth=1.2)
        return [thin, lines.mark_circle(size=120, opacity=0).encode(tooltip=_norm_tips(value_title))]
    groups = rows.groupby("layer")["value"]
    band = pd.DataFrame({"least": groups.min(), "median": groups.median(), "greatest": groups.max()}).reset_index()
    band = band.assign(shown=[layer_name(layer) for layer in band["layer"]])
    count = rows["position"].nunique()
    tips = [alt.Tooltip("shown:N", title="state")]
    tips += [alt.Tooltip(f"{name}:Q", title=f"{name} of {count} tokens", format=".6~g") for name in band.columns[1:4]]
    base = alt.Chart(band).encode(x=x, tooltip=tips)
    area = base.mark_area(color=theme.quiet, opacity=0.28)
    line = base.mark_line(color=theme.text, strokeWidth=2, strokeDash=[10, 4])
    return [
        area.encode(y=_norm_axis("least", value_title, held, log), y2="greatest:Q"),
        line.encode(y=_norm_axis("median", value_title, held, log)),
    ]
