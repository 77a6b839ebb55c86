"""What does each head look at, token by token?"""

import streamlit as st

from app import explanations, panels, sidebar, state, text_panel
from app.progress import progress_bar
from app.starting import start_torch

panels.question(explanations.ATTENTION_QUESTION)
if state.chosen_source() == "file":
    with panels.guarded():
        start_torch()
        from app import attention_panel, trace_upload

        run, limit, tokenizer = trace_upload.opened_run(), None, None
    if run is None:
        panels.notice(explanations.FILE_MISSING)
        st.stop()
else:
    row = text_panel.text_box()
    with panels.guarded():
        loaded = sidebar.loaded_model(state.selection())
        if loaded.is_encoder_decoder:
            text_panel.target_box(row)
        panels.warnings(loaded.warnings)
        place = sidebar.facts(loaded)
        text_panel.window_controls(loaded)
    with panels.guarded(cuts=True), progress_bar("Running the model") as tell:
        # Late, since it takes seconds the first time: question and text stand before it.
        from app import attention_panel, engine

        run = engine.run(state.selection(), loaded, tell)
        limit, tokenizer = loaded.position_limit, loaded.tokenizer
    sidebar.facts(loaded, run.trace, place)
text_panel.token_strips(run.trace, limit, tokenizer)
attention_panel.attention_panel(run)
