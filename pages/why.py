"""Why does a head attend there?"""

import streamlit as st

from app import flow_explanations, panels, sidebar, state
from app.progress import progress_bar

panels.question(flow_explanations.WHY_QUESTION)
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
        from app import why_panel
    why_panel.why_panel(loaded)
    state.publish()
