"""How every page begins that runs a model: its question, the model and what there is to say of it."""

import streamlit as st

from app import panels, sidebar, state


def opened_model(question: str, without: str):
    """Draw the question and load the model; returns the row of the question, where a switch may stand, and the model.

    `without` is said where a file was opened in the place of a model; then, and where no model can be loaded, the page ends.
    """
    head = st.container(horizontal=True, vertical_alignment="center", gap="small")
    with head:
        panels.question(question)
    if state.chosen_source() == "file":
        panels.notice(without)
        st.stop()
    with panels.guarded():
        loaded = sidebar.loaded_model(state.selection())
        panels.warnings(loaded.warnings)
        sidebar.facts(loaded)
    return head, loaded
