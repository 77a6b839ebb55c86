"""What does attention move, and where does it end up?"""

import streamlit as st

from app import flow_explanations, panels, sidebar, state
from app.progress import progress_bar

head = st.container(horizontal=True, vertical_alignment="center", gap="small")
with head:
    panels.question(flow_explanations.FLOW_QUESTION)
if state.chosen_source() == "file":
    panels.notice(flow_explanations.FLOW_NEEDS_A_MODEL)
    st.stop()
with panels.guarded():
    loaded = sidebar.loaded_model(state.selection())
    panels.warnings(loaded.warnings)
    sidebar.facts(loaded)
with panels.guarded():
    with progress_bar("Starting"):
        # Late, since it takes seconds the first time: the question stands before it.
        from app import flow_panel
    with head:
        flow_panel.view_switch()
    flow_panel.flow_panel(loaded)
    state.publish()
