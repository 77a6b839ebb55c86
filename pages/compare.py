"""What differs between two heads, layers, sentences, models, or before and after an intervention?"""

import streamlit as st

from app import heads_explanations, panels, sidebar, state
from app.progress import progress_bar

head = st.container(horizontal=True, vertical_alignment="center", gap="small")
with head:
    panels.question(heads_explanations.COMPARE_QUESTION)
if state.chosen_source() == "file":
    panels.notice(heads_explanations.NO_STUDY_OF_FILE)
    st.stop()
with panels.guarded():
    loaded = sidebar.loaded_model(state.selection())
    panels.warnings(loaded.warnings)
    sidebar.facts(loaded)
with panels.guarded():
    with progress_bar("Starting"):
        # Late, since it takes seconds the first time: the question stands before it.
        from app import compare_controls, compare_panel
    with head:
        compare_controls.view_switch()
    compare_panel.compare_panel(loaded)
    state.publish()
