"""The study that a view of the Heads page reads, and the widgets that choose it."""

import streamlit as st

from app import heads_controls, heads_engine, heads_explanations, state
from app.heads_engine import KeptStudy
from app.panels import notice
from app.progress import progress_bar
from app.public_mode import limits
from model.loading import LoadedModel


def chosen_study(loaded: LoadedModel):
    """Draw the choice of what is measured and of the stack; returns the study, and the row for more widgets.

    Without a study of the model its scores are those of the text that is written, and a notice says how to make one.
    """
    found = state.opened(f"study {loaded.name}") or heads_engine.shipped(loaded)
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    with row:
        heads_controls.source_controls(found is not None)
    if found is None:
        notice(heads_explanations.STUDY_MISSING.format(model=loaded.name))
    if found is None or state.selection().measured_on == "this text":
        with progress_bar("Running the model") as tell:
            found = text_study(loaded, tell)
    with row:
        heads_controls.stack_control(found.study.stacks)
    return found, row


def text_study(loaded: LoadedModel, progress) -> KeptStudy:
    """Return the scores of the heads on the text that is written."""
    selection = state.selection()
    run = heads_engine.sentence(selection, selection.text, loaded, lambda share: progress(share / 2))
    return heads_engine.of_text(run, lambda share: progress(0.5 + share / 2))


def open_popover(loaded: LoadedModel) -> None:
    """Draw the box into which a study is put."""
    with st.popover("Open"):
        st.caption(heads_explanations.OPEN_STUDY)
        file = st.file_uploader("Study", type=["parquet"], key="study_file", max_upload_size=limits().megabytes(50))
        if file is not None and st.button("Open", type="primary"):
            limits().check_upload(file.name, file.size)
            state.keep_opened(f"study {loaded.name}", heads_engine.opened(file.getvalue(), loaded))
            state.change(measured_on="study")
            st.rerun()
