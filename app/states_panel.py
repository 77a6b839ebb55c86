"""The hidden states of a text: dimensions, norms, similarities, and paths through the layers."""

import html
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from app import state, states_controls, states_explanations
from app.components.canvases import canvas
from app.components.value_messages import value_matrix_message
from app.drawing import export_pictures, show, show_in_rows
from app.export import describe
from app.figures.state_charts import anisotropy_chart, norm_lines
from app.figures.theme import Theme
from app.figures.value_matrix import value_limit, value_matrix
from app.panels import guarded
from model.analysis.state_dimensions import MOST_COLUMNS, outlier_dimensions, state_table
from model.analysis.state_norms import massive_activations, outlier_tokens, state_norms
from model.analysis.state_similarity import anisotropy, cosine_similarity, layer_cosines
from model.loading import LoadedModel
from model.tokens import Token
from model.trace import Trace


@st.fragment
def states_panel(loaded: LoadedModel) -> None:
    """Draw one view of the states of one text; reruns by itself when something in it is clicked."""
    with guarded():
        row, trace, side = states_controls.opened_text(loaded)
        views = {"dimensions": _dimensions, "norms": _norms, "similarity": _similarity}
        views[state.selection().states_view](trace, side, row)
    state.publish()


def texts_of(tokens: tuple[Token, ...]) -> list[str]:
    """Return the tokens as they are shown."""
    return [token.text for token in tokens]


def draw(options: dict, key: str, on_pick=None) -> None:
    """Draw a matrix of numbers."""
    message = value_matrix_message(
        **options, description=f"{options['label']}: {options['row_title']} by {options['column_title']}."
    )
    canvas("value_matrix", message, key=key, on_pick=on_pick)


def figure(options: dict, title: str, origin: dict, look: Theme) -> str:
    """Return the SVG of a matrix of numbers."""
    return value_matrix(
        **{name: value for name, value in options.items() if name != "selected"},
        theme=look,
        title=title,
        provenance=origin,
    )


def _dimensions(trace: Trace, side: str, row) -> None:
    states, tokens = trace.hidden_states(side), trace.tokens[side]
    with row:
        layer = states_controls.layer_control(len(states))
        order = states_controls.order_control()
        width = states[layer].shape[1]
        first = 0
        if width > MOST_COLUMNS:
            first = st.slider("First dimension", 0, width - MOST_COLUMNS, width=220, key="first_dimension")
    table = state_table(states[layer], order, first=first)
    outliers = outlier_dimensions(states[layer])
    places = {int(dimension): place for place, dimension in enumerate(table.dimensions)}
    marked = [places[one.dimension] for one in outliers if one.dimension in places]
    options = {
        "values": table.values, "rows": texts_of(tokens), "columns": [str(int(one)) for one in table.dimensions],
        "row_title": "token", "column_title": "dimension", "label": "state", "limit": value_limit(table.values, 0.999),
        "diverging": True, "marked_columns": marked,
    }  # fmt: skip
    draw(options, "dimensions")
    if outliers:
        named = ", ".join(_outlier(one) for one in outliers[:12])
        st.html(f'<p class="hint"><b>Outlier dimensions</b>: {named}. {states_explanations.OUTLIERS}</p>')
    else:
        st.html(f'<p class="hint">{states_explanations.NO_OUTLIERS}</p>')
    name = states_controls.state_names(len(states))[layer]
    origin = describe(trace.provenance)
    frame = pd.DataFrame(table.values, columns=[f"dimension {one}" for one in table.dimensions]).assign(
        token=texts_of(tokens)
    )
    with row:
        pictures = {"states": partial(figure, options, f"{trace.provenance.model} {name}: states", origin)}
        export_pictures(pictures, f"{trace.provenance.model} {name}", origin, {"states": frame})


def _outlier(one) -> str:
    return f"{one.dimension} (mean {one.mean:+.2f}, {one.sigmas:.1f} σ)".replace("-", "−")


def _norms(trace: Trace, side: str, row) -> None:
    states, tokens = trace.hidden_states(side), trace.tokens[side]
    with row:
        chosen = states_controls.token_control(tokens)
    norms = state_norms(states)
    standing = outlier_tokens(norms)
    outliers = [int(place) for place in np.flatnonzero(standing.any(axis=0))]
    pictures = {
        "norms": lambda look: norm_lines(
            norms,
            texts_of(tokens),
            theme=look,
            title="Length of each token’s state",
            chosen=[chosen],
            outliers=outliers,
        )
    }
    show(pictures["norms"], "norms")
    massive = massive_activations(states)
    names = states_controls.state_names(len(states))
    told = "; ".join(
        f"{tokens[one.position].text} dimension {one.dimension} in {names[one.layer]}: {one.value:.0f}"
        for one in massive[:6]
    )
    st.caption(states_explanations.NORMS)
    st.html(f'<p class="hint">Massive activations: {html.escape(told or "none")}.</p>')
    with row:
        frames = {"norms": _norms_frame(norms, tokens)}
        export_pictures(pictures, f"{trace.provenance.model} norms", describe(trace.provenance), frames)


def _norms_frame(norms: np.ndarray, tokens: tuple[Token, ...]) -> pd.DataFrame:
    layers, count = norms.shape
    return pd.DataFrame(
        {
            "layer": np.repeat(np.arange(layers), count), "position": np.tile(np.arange(count), layers),
            "token": texts_of(tokens) * layers, "norm": norms.ravel(),
        }
    )  # fmt: skip


def _similarity(trace: Trace, side: str, row) -> None:
    states, tokens = trace.hidden_states(side), trace.tokens[side]
    with row:
        layer = states_controls.layer_control(len(states))
        position = states_controls.token_control(tokens)
    names, shown = states_controls.state_names(len(states)), texts_of(tokens)
    common = {"label": "cosine", "limit": 1.0, "diverging": True, "square": True}
    between = {
        "values": cosine_similarity(states[layer]), "rows": shown, "columns": shown, "row_title": "token",
        "column_title": "token", "marked_rows": [position], **common,
    }  # fmt: skip
    through = {
        "values": layer_cosines(states, position), "rows": names, "columns": names, "row_title": "layer",
        "column_title": "layer", **common,
    }  # fmt: skip
    left, right = st.columns([0.56, 0.44], gap="medium")
    with left:
        st.html(f'<div class="heading"><b>{names[layer]}</b><span>cosine of every two tokens</span></div>')
        draw(between, "between_tokens", state.on_pick("between_tokens", lambda picked: _pick(picked, position)))
    with right:
        st.html('<div class="heading"><b>One token</b><span>cosine of its states in every two layers</span></div>')
        draw(through, "between_layers")
    series = {"all tokens": anisotropy(states), "centred": anisotropy(states, centred=True)}
    model, origin = trace.provenance.model, describe(trace.provenance)
    pictures = {
        "tokens": partial(figure, between, f"{model} {names[layer]}: cosine of tokens", origin),
        "layers": partial(figure, through, f"{model}: {shown[position]} through the layers", origin),
        "anisotropy": lambda look: anisotropy_chart(series, theme=look, title="Anisotropy"),
    }
    show_in_rows({"anisotropy": pictures["anisotropy"]})
    st.caption(states_explanations.ANISOTROPY)
    with row:
        frames = {
            "tokens": pd.DataFrame(between["values"]), "layers": pd.DataFrame(through["values"]),
            "anisotropy": pd.DataFrame(series),
        }  # fmt: skip
        export_pictures(pictures, f"{model} similarity", origin, frames)


def _pick(picked, position: int) -> None:
    row = picked.get("row") if isinstance(picked, dict) else None
    state.change(position=position if row is None else int(row))
