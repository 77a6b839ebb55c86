"""Why does a head attend there?"""

from app import explanations, flow_explanations, panels, state
from app.model_page import opened_model
from app.progress import progress_bar

_, loaded = opened_model(flow_explanations.WHY_QUESTION, explanations.FILE_NO_MODEL)
with panels.guarded():
    with progress_bar("Starting"):
        # Late, since it takes seconds the first time: the question stands before it.
        from app import why_panel
    why_panel.why_panel(loaded)
    state.publish()
