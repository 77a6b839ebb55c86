"""What of the Heads page is shown: widgets whose values go to the selection."""

from collections.abc import Sequence

import streamlit as st

from app import explanations, heads_explanations, state
from app.choices import HEADS_SHOWN, HEADS_VIEWS, MEASURED_ON
from app.head_frames import ROLE, head_name, score_help, score_title
from app.selection import NEW_INPUT
from model.trace import Trace


def view_switch() -> None:
    """Draw the choice between what heads do, which are alike, and what happens without some of them."""
    names = heads_explanations.HEADS_VIEW_NAMES
    st.segmented_control(
        "View", HEADS_VIEWS, format_func=names.get, label_visibility="collapsed", **state.bound("heads_view")
    )


def source_controls(studied: bool) -> None:
    """Draw the choice between a study and this text, where the model was `studied`."""
    if studied:
        names = {"study": "Study", "this text": "This text"}
        st.segmented_control("Measured on", MEASURED_ON, format_func=names.get, **state.bound("measured_on"))
    if state.selection().measured_on == "this text" or not studied:
        st.text_area(
            "Sentence", height=68, width=380, placeholder="Type or paste a sentence", **state.bound("text", **NEW_INPUT)
        )


def stack_control(stacks: Sequence[str]) -> None:
    """Draw the choice of stack where there are several."""
    fit("stack", stacks if len(stacks) > 1 else ("",))
    if len(stacks) > 1:
        names = explanations.STACK_NAMES
        st.segmented_control("Attention", stacks, format_func=names.get, **state.bound("stack"))


def score_control(scores: Sequence[str]) -> None:
    """Draw the choice of the score that the grid shows; its tooltip is the definition."""
    fit("score", scores)
    told = score_help(state.selection().score)
    st.selectbox("Score", scores, format_func=score_title, width=200, help=told, **state.bound("score"))


def shown_control() -> None:
    """Draw the choice between scatter and table."""
    st.segmented_control("Heads", HEADS_SHOWN, format_func=str.capitalize, **state.bound("heads_shown"))


def scatter_controls(scores: Sequence[str]) -> None:
    """Draw the choice of the scores on both axes and in the colour."""
    titles = {score: score_title(score) for score in scores} | {ROLE: "Role"}
    fit("score_across", scores)
    fit("score_up", scores)
    fit("colour", (ROLE, *scores))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.selectbox("Across", scores, format_func=titles.get, width=170, **state.bound("score_across"))
        st.selectbox("Up", scores, format_func=titles.get, width=170, **state.bound("score_up"))
        st.selectbox("Colour", (ROLE, *scores), format_func=titles.get, width=150, **state.bound("colour"))


def head_control(
    heads: Sequence[tuple[int, int]], label: str = "Head", layer: str = "layer", head: str = "head"
) -> None:
    """Draw the choice of a head, two fields of the selection, moved to the nearest of `heads`: the same as clicking it."""
    current = tuple(getattr(state.selection(), name) for name in (layer, head))
    if current not in heads:
        current = min(heads, key=lambda one: (abs(one[0] - current[0]), abs(one[1] - current[1])))
        state.change(**dict(zip((layer, head), current, strict=True)))
    names = {one: head_name(*one) for one in heads}
    st.selectbox(label, heads, format_func=names.get, width=110, **state.bound_head(current, layer, head))


def heads_of(trace: Trace, stack: str) -> list[tuple[int, int]]:
    """Return (layer, head) of every head of a stack."""
    return [(one.index, head) for one in trace.of_stack(stack) for head in range(one.heads)]


def fit(name: str, values: Sequence) -> None:
    """Move a field of the selection to the first of `values` where it is none of them."""
    if getattr(state.selection(), name) not in values:
        state.change(**{name: values[0]})
