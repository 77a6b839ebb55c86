"""Widgets that choose what of a trace is shown; values go to the selection."""

import streamlit as st

from app import explanations, state
from app.attention_pictures import fitted, has_two_texts
from app.choices import BLOCKS, POOLINGS
from app.figures.theme import SCALES
from model.analysis.aggregation import COMBINATIONS

# Tokens that a list to choose from may have.
MOST_LISTED = 512


def fit_to_trace(trace) -> None:
    """Move a selection that this trace does not have to the nearest that it has."""
    selection = state.selection()
    if fitted(selection, trace) != selection:
        state.change(**vars(fitted(selection, trace)))


def head_controls(trace) -> None:
    """Draw the quiet row of controls; the rest stands behind "More"."""
    stack = state.selection().stack or trace.stacks[0]
    layers = trace.of_stack(stack)
    if len(trace.stacks) > 1:
        names = explanations.STACK_NAMES
        st.selectbox("Stack", trace.stacks, format_func=names.get, width=145, **state.bound("stack"))
    indices = [one.index for one in layers]
    st.selectbox("Layer", indices, format_func=lambda index: f"L{index}", width=80, **state.bound("layer"))
    heads = list(range(trace.layer(state.selection().layer, stack).heads))
    st.selectbox("Head", heads, format_func=lambda index: f"H{index}", width=84, **state.bound("head"))
    if has_two_texts(trace):
        st.selectbox("Block", BLOCKS, width=104, help=explanations.BLOCK_HELP, **state.bound("block"))
    names = explanations.COMBINATION_NAMES
    st.selectbox("Show", COMBINATIONS, format_func=names.get, width=172, **state.bound("combination"))
    st.toggle("Words", help=explanations.WORDS_HELP, **state.bound("words"))
    st.toggle("Hide special", help=explanations.SPECIAL_HELP, **state.bound("hide_special"))
    with st.popover("More"):
        _more(trace, stack)


def _more(trace, stack: str) -> None:
    st.segmented_control("Colour scale", SCALES, help=explanations.SCALE_HELP, **state.bound("scale"))
    st.toggle("Common scale for all heads", help=explanations.COMMON_HELP, **state.bound("common"))
    st.slider("Link threshold", 0.0, 1.0, step=0.01, help=explanations.THRESHOLD_HELP, **state.bound("threshold"))
    st.segmented_control("Pooled by", POOLINGS, help=explanations.POOLING_HELP, **state.bound("pooling"))
    if max(trace.layer(state.selection().layer, stack).shape[1:]) > MOST_LISTED:
        # In a longer text a token is found by its text, or clicked.
        return
    names = _token_names(trace, stack)
    st.selectbox("Token", list(names), format_func=names.get, **state.bound("token"))


def _token_names(trace, stack: str) -> dict[str, str]:
    layer = state.selection().layer
    names = {"": "none"}
    for side, letter in (("query", "q"), ("key", "k")):
        for position, token in enumerate(trace.sequence(layer, side, stack)):
            names[f"{letter}{position}"] = f"{side} {position}: {token.text}"
    return names
