"""The tokens as a table: ids, words, and why a number or a rare word is split."""

import streamlit as st

from app import explanations
from app.figures.token_table import token_table
from model.segmentation import explain_tokens
from model.trace import Trace


@st.dialog("Tokens", width="large")
def token_dialog(trace: Trace, tokenizer, text) -> None:
    """Show every token of a trace with its id, its word and why it is what it is."""
    st.caption(explanations.TOKENS_CAPTION)
    for index, (side, tokens) in enumerate(trace.tokens.items()):
        if len(trace.tokens) > 1:
            st.subheader(explanations.STACK_NAMES[side])
        # Where there are two sides the text is the first's; of the other only the ids are known.
        st.html(token_table(explain_tokens(tokenizer, None if index else text, tokens)))
