"""What does each head look at, token by token?"""

from app import explanations, panels, sidebar, state, text_panel
from app.progress import progress_bar

panels.question(explanations.ATTENTION_QUESTION)
row = text_panel.text_box()
with panels.guarded():
    loaded = sidebar.loaded_model(state.selection())
    if loaded.is_encoder_decoder:
        text_panel.target_box(row)
    place = sidebar.facts(loaded)
with panels.guarded(), progress_bar("Running the model") as tell:
    # Late, since it takes seconds the first time: question and text stand before it.
    from app import attention_panel, engine

    trace = engine.recorded_trace(state.selection(), loaded, tell)
sidebar.facts(loaded, trace, place)
text_panel.token_strips(trace, loaded.position_limit)
attention_panel.attention_panel(trace)
