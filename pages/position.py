"""How does a model know where a word stands?"""

import streamlit as st

from app import explanations, panels, sidebar, state

head = st.container(horizontal=True, vertical_alignment="center", gap="small")
with head:
    panels.question(explanations.POSITION_QUESTION)
with panels.guarded():
    # Late, since it takes seconds the first time: the question stands before it.
    from app import (
        length_panel,
        own_positions_panel,
        position_controls,
        position_terms_panel,
        sinusoid_panel,
        word_order_panel,
    )

    with head:
        position_controls.view_switch()
    view = state.selection().position_view
    if view in ("sinusoids", "length"):
        (sinusoid_panel.sinusoids if view == "sinusoids" else length_panel.length)()
    elif state.chosen_source() == "file":
        panels.notice(explanations.FILE_NO_MODEL)
    else:
        loaded = sidebar.loaded_model(state.selection())
        sidebar.facts(loaded)
        panel = {
            "this model": own_positions_panel.own_positions,
            "word order": word_order_panel.word_orders,
            "first layer": position_terms_panel.first_layer,
        }[view]
        panel(loaded)
    state.publish()
