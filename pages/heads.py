"""What does each head do, and what happens without it?"""

import streamlit as st

from app import heads_explanations, panels, sidebar, state
from app.progress import progress_bar

head = st.container(horizontal=True, vertical_alignment="center", gap="small")
with head:
    panels.question(heads_explanations.HEADS_QUESTION)
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
        from app import heads_controls, heads_panel, importance_panel, interventions_panel, similar_heads_panel
    with head:
        heads_controls.view_switch()
    panel = {
        "roles": heads_panel.roles_panel,
        "similar heads": similar_heads_panel.similar_heads_panel,
        "interventions": interventions_panel.interventions_panel,
        "importance": importance_panel.importance_panel,
    }[state.selection().heads_view]
    panel(loaded)
    state.publish()
