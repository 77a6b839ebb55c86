"""Why a head attends where it does: the sum behind one weight, and queries and keys of the head in one plane."""

import html
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from app import engine, flow_engine, flow_explanations, heads_controls, state, states_controls
from app.attention_pictures import head_beside, same_sequence
from app.choices import EMBEDDINGS
from app.components.canvases import canvas
from app.drawing import Picture, export_pictures, show, show_in_rows
from app.export import cell, describe
from app.figures.joint_map import joint_map, joint_points
from app.figures.position_curves import distance_curves
from app.figures.score_bars import score_bars
from app.figures.score_chain import score_chain
from app.figures.theme import Theme
from app.head_frames import head_name
from app.panels import guarded
from app.progress import progress_bar
from app.selection import NEW_INPUT
from model.analysis.joint_embedding import joint_embedding, strongest_pairs
from model.analysis.rotary_parts import pair_curves, pair_products, rotary_parts
from model.analysis.score_parts import ScoreRow, dimension_products, score_row
from model.analysis.views import AttentionView, view_rows
from model.errors import HeadscopeError
from model.loading import LoadedModel
from model.tokens import Token
from model.trace import Trace

LINKED, BARS = 24, 12


@st.fragment
def why_panel(loaded: LoadedModel) -> None:
    """Draw one head, the chain of numbers behind one of its weights, and its queries and keys in one plane."""
    with guarded():
        row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
        with row:
            st.text_area("Sentence", height=68, width=300, **state.bound("text", **NEW_INPUT))
        selection = state.selection()
        with progress_bar("Running the model") as tell:
            trace = engine.sentence_run(selection, selection.text, loaded, tell).trace
        with row:
            stack, tokens = _controls(trace)
        selection = state.selection()
        place = (selection.layer, selection.head)
        scores = score_row(trace, *place, selection.position, stack)
        pictures = _pictures(trace, stack, scores, tokens)
        _show(trace, stack, tokens, pictures)
        pictures |= _plane(trace, stack, tokens)
        pictures |= _rotary(loaded, trace, stack)
        with row:
            name = f"{trace.provenance.model} {head_name(*place)}"
            frames = {
                "dimensions": dimension_products(scores.at(selection.key_position)),
                "chain": _chain_frame(scores, tokens[1]),
            }
            export_pictures(pictures, f"{name} why", describe(trace.provenance), frames)
    state.publish()


def _controls(trace: Trace) -> tuple[str, tuple[tuple[Token, ...], tuple[Token, ...]]]:
    """Draw the choice of stack, head, query and key; returns the stack and the tokens of both axes."""
    heads_controls.stack_control(trace.stacks)
    stack = state.selection().stack or trace.stacks[0]
    heads_controls.head_control(heads_controls.heads_of(trace, stack))
    layer = state.selection().layer
    tokens = tuple(trace.sequence(layer, axis, stack) for axis in ("query", "key"))
    states_controls.token_control(tokens[0], "Query", "position")
    states_controls.token_control(tokens[1], "Key", "key_position")
    return stack, tokens


def _pictures(trace: Trace, stack: str, scores: ScoreRow, tokens) -> dict[str, Picture]:
    """Return the chain of numbers and the dimensions, as functions of the theme."""
    selection = state.selection()
    query, key = tokens[0][selection.position].text, tokens[1][selection.key_position].text
    title = f"{head_name(selection.layer, selection.head)}: {query} → {key}"
    origin = describe(trace.provenance, title=title, kind="score", stack=stack)
    products = dimension_products(scores.at(selection.key_position))
    return {
        "chain": partial(_chain, scores, selection.key_position, [token.text for token in tokens[1]], title, origin),
        "dimensions": lambda look: score_bars(
            products, theme=look, title=f"{title}, by dimension of the head", height=250
        ),
    }


def _chain(scores: ScoreRow, key: int, tokens: list[str], title: str, origin: dict, look: Theme) -> str:
    return score_chain(scores, key, tokens, theme=look, title=title, provenance=origin)


def _chain_frame(scores: ScoreRow, tokens: tuple[Token, ...]) -> pd.DataFrame:
    """Return the chain of every key: dot product, score, exponential and weight."""
    return pd.DataFrame(
        {
            "key": np.arange(len(tokens)), "token": [cell(token.text) for token in tokens],
            "dot_product": scores.products.sum(axis=1), "bias": scores.bias, "allowed": scores.allowed,
            "score": scores.scores, "exponential": scores.exponentials, "weight": scores.weights,
        }
    )  # fmt: skip


def _show(trace: Trace, stack: str, tokens, pictures: dict[str, Picture]) -> None:
    selection = state.selection()
    left, right = st.columns([0.46, 0.54], gap="medium")
    with left:
        view, message = head_beside(
            view_rows(trace, selection.layer, selection.head, stack=stack), selection,
            title=head_name(selection.layer, selection.head), opened=(selection.layer, selection.head),
            token=f"q{selection.position}", same_sequence=same_sequence(stack),
        )  # fmt: skip
        canvas("head_view", message, key="why_head", on_pick=state.on_pick("why_head", partial(_pick, view)))
        st.html(f'<p class="hint">{html.escape(flow_explanations.WHY)}</p>')
    with right:
        show(pictures["chain"], "chain")
        show(pictures["dimensions"], "dimensions")


def _pick(view: AttentionView, place: str) -> None:
    """A row that is clicked is the query, a column the key."""
    token = view.token_at(place)
    if token:
        state.change(**{"position" if token[0] == "q" else "key_position": int(token[1:])})


def _plane(trace: Trace, stack: str, tokens) -> dict[str, Picture]:
    """Draw queries and keys in one plane, and return the picture."""
    st.html('<div class="heading"><b>Queries and keys</b><span>of this head in one plane</span></div>')
    st.segmented_control("By", EMBEDDINGS, label_visibility="collapsed", **state.bound("embedding"))
    selection = state.selection()
    try:
        with progress_bar("Placing queries and keys") as tell:
            found = joint_embedding(trace, selection.layer, selection.head, stack, selection.embedding, tell)
    except HeadscopeError as error:
        st.html(f'<p class="hint">{html.escape(str(error))}</p>')
        return {}
    texts = [[token.text for token in own] for own in tokens]
    points = joint_points(found, *texts)
    weights = trace.attention(selection.layer, selection.head, stack)
    # Lines to special tokens would be all that one sees.
    words = [np.array([not token.special for token in own]) for own in tokens]
    mask = trace.mask(selection.layer, selection.head, stack) & words[0][:, None] & words[1][None, :]
    links = strongest_pairs(weights, mask, LINKED)
    selected = f"q{selection.position}"
    picture = lambda look: joint_map(  # noqa: E731 - a picture is a function of the theme
        points, links, theme=look, title="Queries and keys", colour_title="position", selected=selected, width=760,
        height=420,
    )  # fmt: skip
    show(picture, "plane")
    near = f"on this map {found.map_correlation:.2f}, in all dimensions {found.space_correlation:.2f}"
    st.caption(f"{flow_explanations.JOINT} Correlation of distance and weight: {near}.")
    return {"plane": picture}


def _rotary(loaded: LoadedModel, trace: Trace, stack: str) -> dict[str, Picture]:
    """Draw what each frequency pair adds, where the model turns queries and keys by position."""
    selection = state.selection()
    layout = flow_engine.rotary_layout(selection, loaded, stack)
    if layout is None:
        return {}
    place = (selection.layer, selection.head, selection.position, selection.key_position)
    parts = rotary_parts(trace, layout, *place, stack)
    distances = np.arange(max(32, len(trace.sequence(selection.layer, "query", stack))))
    products, curves = pair_products(parts), pair_curves(parts, distances)
    pictures = {
        "pairs": lambda look: score_bars(
            products, theme=look, title="By frequency pair of the rotary positions", part="pair", most=BARS, height=250
        ),
        "distances": lambda look: distance_curves(
            curves, value="value", curve="curve", theme=look, title="The same words at other distances",
            value_title="part of q·k", distance_title="query position − key position",
        ),
    }  # fmt: skip
    show_in_rows(pictures)
    st.caption(flow_explanations.ROTARY)
    return pictures
