"""Tokens through the layers in three dimensions: a Plotly figure that turns and plays, and the page that holds it."""

import html
import json
import re
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from app.figures.layer_lines import layer_name
from app.figures.page_policy import policy_element
from app.figures.svg import clean, clipped
from app.figures.theme import TEXT_FONT, TOKEN_FONT, Theme
from app.figures.trajectory_paths import (
    CAMERA,
    LONGEST_NAME,
    MOST_LINES,
    Paths,
    line_groups,
    token_looks,
    written_tokens,
)

DASHES = ("solid", "dash")
SYMBOLS = ("circle", "diamond")
_FRAME_MILLISECONDS = 600
_LONGEST_TITLE = 60
_SCRIPT = re.compile("<script[^>]*>(.*?)</script>", re.DOTALL)
_BUSY, _FEW = 3, 7  # sizes of the points of many tokens and of few


def trajectory_figure(paths: Paths, *, theme: Theme, title: str, height: int = 620, legend: bool = True) -> go.Figure:
    """Return the figure: a line per token through all states, and points that move from layer to layer.

    More than MOST_LINES tokens share one line per text, with gaps between them, but for the chosen ones. The second text has
    dashed lines and diamonds. The play button and the slider move the points; every text is escaped, since Plotly reads HTML.
    """
    groups, looks = line_groups(paths), token_looks(paths, theme)
    figure = go.Figure([_line(paths, group, looks) for group in groups])
    present = sorted({paths.text_of(token) for token in range(len(paths.tokens))})
    for text in present:
        figure.add_trace(_points(paths, text, looks, theme))
    moving = list(range(len(groups), len(groups) + len(present)))
    figure.frames = [
        go.Frame(
            name=layer_name(state - 1),
            traces=moving,
            data=[go.Scatter3d(**_moved(paths, text, state)) for text in present],
        )
        for state in range(paths.states)
    ]
    figure.update_layout(
        template="none", height=height, showlegend=legend, paper_bgcolor=theme.background, plot_bgcolor=theme.background,
        font=dict(family=TEXT_FONT, size=14, color=theme.text), margin=dict(l=0, r=0, t=48 if title else 8, b=0),
        title=dict(text=_safe(title), x=0.01, font=dict(size=18)), scene=_scene(paths, theme),
        legend=dict(itemsizing="constant", font=dict(family=TOKEN_FONT, size=13), bgcolor="rgba(0,0,0,0)"),
        hoverlabel=dict(bgcolor=theme.text, font=dict(family=TOKEN_FONT, color=theme.background, size=14), namelength=0),
        updatemenus=[_buttons(theme)], sliders=[_slider(paths, theme)], uirevision="trajectories",
    )  # fmt: skip
    return figure


def trajectory_page(figure: go.Figure, provenance: Mapping) -> str:
    """Return the figure as one HTML page that works with the network off, Plotly's script inside, with its provenance."""
    settings = dict(displaylogo=False, responsive=True)
    page = clean(figure.to_html(include_plotlyjs=True, full_html=True, auto_play=False, config=settings))
    # Plotly makes functions and a worker of its own text.
    policy = policy_element(
        _SCRIPT.findall(page), "'unsafe-eval' blob:", img_src="data: blob:", font_src="data:", worker_src="blob:"
    )
    # "<" never stands in the JSON, so that it cannot close its own script element.
    described = json.dumps(provenance).replace("<", "\\u003c")
    title = html.escape(clean(str(provenance.get("picture", {}).get("title", "Trajectories"))))
    head = (
        f'<head><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{policy}<title>{title}</title>"
        f"<style>body {{ margin: 0; background: {figure.layout.paper_bgcolor}; }}</style>"
        f'<script type="application/json" id="provenance">{described}</script>'
    )
    return page.replace("<head>", head, 1)


def _scene(paths: Paths, theme: Theme) -> dict:
    axes = {
        f"{name}axis": dict(
            title=dict(text=_scene_safe(paths.axis_title(axis), _LONGEST_TITLE), font=dict(size=13)), color=theme.text,
            gridcolor=theme.masked, zerolinecolor=theme.quiet, backgroundcolor=theme.background,
            tickfont=dict(size=11, color=theme.quiet),
        )
        for axis, name in enumerate("xyz")
    }  # fmt: skip
    camera = dict(eye=dict(zip("xyz", CAMERA, strict=True)), center=dict(x=0, y=0, z=-0.08))
    # Below the scene is the room of the slider.
    return dict(**axes, aspectmode="cube", camera=camera, domain=dict(x=[0, 1], y=[0.14, 1]))


def _line(paths: Paths, group: Sequence[int], looks: Sequence[str]) -> go.Scatter3d:
    """Return one trace: the lines of the tokens of a group, with a gap after each but the last."""
    points, told = [], []
    for token in group:
        points += [[None] * 3] * bool(points) + np.asarray(paths.coordinates[token], dtype=float).tolist()
        told += [["", ""]] * bool(told) + [
            [_token(paths, token), layer_name(state - 1)] for state in range(paths.states)
        ]
    alone, text = len(group) == 1, paths.text_of(group[0])
    name = _token(paths, group[0]) if alone else f"{len(group)} tokens"
    faint = not alone or (bool(paths.chosen) and group[0] not in paths.chosen)
    suffix = f" · {_safe(paths.text_names[text])}" if paths.both else ""
    return go.Scatter3d(
        **_places(points), mode="lines+markers", name=f"{name}{suffix}", customdata=told, hovertemplate=_hover(paths),
        line=dict(color=looks[group[0]], width=2 if faint else 5, dash=DASHES[text]),
        opacity=0.85 if not faint else 0.4 if alone else 0.15,
        marker=dict(color=looks[group[0]], size=2 if faint else 3, symbol=SYMBOLS[text]), connectgaps=False,
    )  # fmt: skip


def _points(paths: Paths, text: int, looks: Sequence[str], theme: Theme) -> go.Scatter3d:
    """Return the points of the tokens of one text, at first in the input."""
    tokens, written = paths.tokens_of(text), set(written_tokens(paths))
    usual = _FEW if len(paths.tokens) <= MOST_LINES else _BUSY
    return go.Scatter3d(
        **_moved(paths, text, 0), mode="markers+text", showlegend=False, name=_safe(paths.text_names[text]),
        hovertemplate=_hover(paths), text=[_scene_safe(paths.tokens[token]) if token in written else "" for token in tokens],
        textposition="top center", textfont=dict(family=TOKEN_FONT, color=theme.text, size=13),
        marker=dict(
            color=[looks[token] for token in tokens], symbol=SYMBOLS[text], opacity=1,
            size=[_FEW + 3 if token in paths.chosen else usual for token in tokens], line=dict(color=theme.background, width=1),
        ),
    )  # fmt: skip


def _moved(paths: Paths, text: int, state: int) -> dict:
    """Return what changes from state to state: where the points of one text are, and what is said of them."""
    tokens = paths.tokens_of(text)
    places = [np.asarray(paths.coordinates[token][state], dtype=float).tolist() for token in tokens]
    return {**_places(places), "customdata": [[_token(paths, token), layer_name(state - 1)] for token in tokens]}


def _places(points: Sequence[Sequence[float | None]]) -> dict[str, list]:
    return {name: [point[axis] for point in points] for axis, name in enumerate("xyz")}


def _hover(paths: Paths) -> str:
    numbers = "<br>".join(f"{_safe(paths.axis)} {axis + 1}: %{{{name}:.4f}}" for axis, name in enumerate("xyz"))
    return f"<b>%{{customdata[0]}}</b><br>state: %{{customdata[1]}}<br>{numbers}<extra></extra>"


def _token(paths: Paths, token: int) -> str:
    return _safe(paths.names[token])


def _scene_safe(text: str, longest: int = LONGEST_NAME) -> str:
    """Return a text that is drawn as it stands inside the scene, which reads tags but no entities."""
    return clipped(clean(text), longest).replace("<", "<\u2060")


def _safe(text: str) -> str:
    """Return a text that Plotly shows as it stands: it reads some HTML, and a text between dollars as a formula."""
    return html.escape(clipped(clean(text), LONGEST_NAME * 3), quote=False).replace("$", "&#36;")


def _buttons(theme: Theme) -> dict:
    timing = dict(frame=dict(duration=_FRAME_MILLISECONDS, redraw=True), transition=dict(duration=0))
    play = dict(label="play", method="animate", args=[None, dict(**timing, fromcurrent=True, mode="immediate")])
    pause = dict(
        label="pause", method="animate",
        args=[[None], dict(frame=dict(duration=0, redraw=False), transition=dict(duration=0), mode="immediate")],
    )  # fmt: skip
    return dict(
        type="buttons", direction="left", buttons=[play, pause], x=0.01, y=0.0, xanchor="left", yanchor="bottom",
        showactive=False, bgcolor=theme.background, bordercolor=theme.quiet, font=dict(color=theme.text), pad=dict(t=0, b=8),
    )  # fmt: skip


def _slider(paths: Paths, theme: Theme) -> dict:
    names = [layer_name(state - 1) for state in range(paths.states)]
    now = dict(mode="immediate", frame=dict(duration=0, redraw=True), transition=dict(duration=0))
    return dict(
        active=0, x=0.2, len=0.76, y=0.0, yanchor="bottom", pad=dict(t=0, b=8), currentvalue=dict(prefix="state: "),
        steps=[dict(label=name, method="animate", args=[[name], now]) for name in names],
        font=dict(color=theme.text, size=12), bgcolor=theme.masked, activebgcolor=theme.accent, bordercolor=theme.quiet,
        tickcolor=theme.quiet,
    )  # fmt: skip
