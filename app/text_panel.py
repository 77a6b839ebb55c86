"""The text that is looked at: a box, examples, and the tokens that the model makes of it."""

import streamlit as st

from app import explanations, state
from app.examples import EXAMPLES
from app.figures.token_strip import token_strip


def text_box():
    """Draw the text box and the examples; returns the row in which a second box may stand beside the first."""
    left, right = st.columns([4.6, 2], vertical_alignment="center")
    row = left.container(horizontal=True, gap="small")
    row.text_area(
        "Sentence", height=68, label_visibility="collapsed", placeholder="Type or paste a sentence",
        **_forgetting_cut(state.bound("text")),
    )  # fmt: skip
    with right, st.container(horizontal=True, gap="small"):
        with st.popover("Examples"):
            for name, text in EXAMPLES.items():
                st.button(name, key=f"example_{name}", on_click=_use, args=(text,), width="stretch", help=text)
        with st.popover("How to read this"):
            st.markdown(explanations.HOW_TO_READ)
    return row


def target_box(row) -> None:
    """Draw the box for the decoder's text in an encoder-decoder, beside the text box."""
    row.text_area(
        "Target", height=68, label_visibility="collapsed", placeholder=explanations.TARGET_HELP, **state.bound("target")
    )


def token_strips(trace, limit: int | None) -> None:
    """Show the tokens of each side of the trace."""
    sides = trace.tokens if len(trace.tokens) > 1 else {"": next(iter(trace.tokens.values()))}
    for side, tokens in sides.items():
        st.html(token_strip(tokens, limit, side))


def _use(text: str) -> None:
    state.change(text=text, token="", cut=False)


def _forgetting_cut(binding: dict) -> dict:
    commit = binding["on_change"]

    def changed() -> None:
        commit()
        state.change(cut=False, token="")

    return {**binding, "on_change": changed}
