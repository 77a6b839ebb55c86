"""What of the page Hidden states is shown: widgets whose values go to the selection."""

import streamlit as st

from app import explanations, state, states_engine, states_explanations
from app.choices import DIMENSION_ORDERS, STATES_VIEWS
from app.progress import progress_bar
from app.selection import NEW_INPUT
from model.loading import LoadedModel
from model.tokens import Token
from model.trace import Trace


def view_switch() -> None:
    """Draw the choice of what is shown of the states."""
    names = states_explanations.STATES_VIEW_NAMES
    st.segmented_control(
        "View", STATES_VIEWS, format_func=names.get, label_visibility="collapsed", **state.bound("states_view")
    )


def input_row(second: bool) -> None:
    """Draw the sentence, and a `second` one beside it."""
    st.text_area(
        "Sentence", height=68, width=330, placeholder="Type or paste a sentence", **state.bound("text", **NEW_INPUT)
    )
    if second:
        st.text_area("Second sentence", height=68, width=330, **state.bound("other"))


def opened_text(loaded: LoadedModel):
    """Draw the sentence and run it; returns the row, where more widgets may stand, the trace and the side that is shown."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    with row:
        input_row(second=False)
    with progress_bar("Running the model") as tell:
        trace = states_engine.runs_of(state.selection(), loaded, False, tell)[0].trace
    with row:
        return row, trace, side_control(trace)


def side_control(trace: Trace) -> str:
    """Draw the choice between encoder and decoder where there are both, and return the side."""
    sides = tuple(trace.states)
    if state.selection().stack not in sides:
        state.change(stack=sides[0] if len(sides) > 1 else "")
    if len(sides) > 1:
        st.segmented_control("States of", sides, format_func=explanations.STACK_NAMES.get, **state.bound("stack"))
    return state.selection().stack or sides[0]


def state_names(count: int) -> list[str]:
    """Return the names of `count` states: what enters the first layer, and what each layer hands on."""
    return ["in", *(f"L{layer}" for layer in range(count - 1))]


def layer_control(count: int) -> int:
    """Draw the choice of one of `count` states, and return it."""
    if state.selection().state >= count:
        state.change(state=count - 1)
    names = state_names(count)
    st.selectbox(
        "Layer", range(count), format_func=names.__getitem__, width=90, help=states_explanations.LAYER_HELP,
        **state.bound("state"),
    )  # fmt: skip
    return state.selection().state


def token_control(tokens: tuple[Token, ...], label: str = "Token", field: str = "position") -> int:
    """Draw the choice of a token, and return its position."""
    if getattr(state.selection(), field) >= len(tokens):
        state.change(**{field: len(tokens) - 1})
    names = {place: f"{place}  {token.text}" for place, token in enumerate(tokens)}
    st.selectbox(label, range(len(tokens)), format_func=names.get, width=140, **state.bound(field))
    return getattr(state.selection(), field)


def order_control() -> str:
    """Draw the choice of the order of the dimensions, and return it."""
    st.selectbox(
        "Dimensions", DIMENSION_ORDERS, width=170, help=states_explanations.ORDER_HELP, **state.bound("dimension_order")
    )
    return state.selection().dimension_order
