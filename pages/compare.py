"""What differs between two heads, layers, sentences, models, or before and after an intervention?"""

from app import explanations, heads_explanations, panels, state
from app.model_page import opened_model
from app.progress import progress_bar

head, loaded = opened_model(heads_explanations.COMPARE_QUESTION, explanations.FILE_NO_MODEL)
with panels.guarded():
    with progress_bar("Starting"):
        # Late, since it takes seconds the first time: the question stands before it.
        from app import compare_controls, compare_panel
    with head:
        compare_controls.view_switch()
    compare_panel.compare_panel(loaded)
    state.publish()
