"""What are the states that attention mixes?"""

import streamlit as st

from app import panels, sidebar, state, states_explanations
from app.progress import progress_bar

head = st.container(horizontal=True, vertical_alignment="center", gap="small")
with head:
    panels.question(states_explanations.STATES_QUESTION)
if state.chosen_source() == "file":
    panels.notice(states_explanations.STATES_NEED_A_MODEL)
    st.stop()
with panels.guarded():
    loaded = sidebar.loaded_model(state.selection())
    panels.warnings(loaded.warnings)
    sidebar.facts(loaded)
with panels.guarded():
    with progress_bar("Starting"):
        # Late, since it takes seconds the first time: the question stands before it.
        from app import lens_panel, neighbours_panel, paths_panel, states_controls, states_panel
    with head:
        states_controls.view_switch()
    view = state.selection().states_view
    others = {
        "trajectories": paths_panel.paths_panel, "contexts": paths_panel.paths_panel, "logit lens": lens_panel.lens_panel,
        "neighbours": neighbours_panel.neighbours_panel,
    }  # fmt: skip
    others.get(view, states_panel.states_panel)(loaded)
    state.publish()
