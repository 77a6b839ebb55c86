"""Which heads link a pronoun to what it stands for?"""

import streamlit as st

from app import explanations, panels, sidebar, state

one_sentence = state.selection().view == "one sentence"
head = st.container(horizontal=True, vertical_alignment="center", gap="small")
with head:
    panels.question(explanations.COREFERENCE_QUESTION if one_sentence else explanations.SETS_QUESTION)
if state.chosen_source() == "file":
    panels.notice(explanations.FILE_NO_MODEL)
    st.stop()
with panels.guarded():
    from app import coreference_controls

    with head:
        coreference_controls.view_switch()
    if one_sentence:
        coreference_controls.sentence_boxes()
with panels.guarded():
    loaded = sidebar.loaded_model(state.selection())
    panels.warnings(loaded.warnings)
    sidebar.facts(loaded)
with panels.guarded():
    # Late, since it takes seconds the first time.
    if one_sentence:
        from app.coreference_panel import coreference_panel

        coreference_panel(loaded)
    else:
        from app.leaderboard_panel import leaderboard_panel

        leaderboard_panel(loaded)
