"""What of the Position page is shown: widgets whose values go to the selection."""

import streamlit as st

from app import state
from app.choices import ORDERS, POSITION_VIEWS
from app.selection import NEW_INPUT

NAMES = {
    "sinusoids": "Sinusoids",
    "this model": "This model",
    "word order": "Word order",
    "first layer": "First layer",
    "length": "Length",
}


def view_switch() -> None:
    """Draw the choice between the sinusoids of the paper, the model's own positions, and the order of words."""
    st.segmented_control(
        "View", POSITION_VIEWS, format_func=NAMES.get, label_visibility="collapsed", **state.bound("position_view")
    )


def rotation_controls(pairs: int) -> None:
    """Draw the offset and the frequency pair."""
    st.slider("Offset k", 0, 60, width=260, **state.bound("offset"))
    st.slider("Frequency pair i", 0, pairs - 1, width=260, **state.bound("frequency"))


def sentence_box() -> None:
    """Draw the box of the sentence that every page shares."""
    st.text_area("Sentence", height=68, width=520, **state.bound("text", **NEW_INPUT))


def head_choice(heads: int) -> None:
    """Draw the choice of a head of the first layer."""
    if state.selection().head >= heads:
        state.change(head=heads - 1)
    st.selectbox("Head", range(heads), format_func=lambda head: f"L0 H{head}", width=120, **state.bound("head"))


def order_controls() -> None:
    """Draw the sentence and the order that its words are put in."""
    sentence_box()
    st.segmented_control("Order", ORDERS, **state.bound("order"))
    if state.selection().order == "shuffled":
        st.number_input("Seed", min_value=0, max_value=999, width=110, **state.bound("order_seed"))
