"""What does attention move, and where does it end up?"""

from app import explanations, flow_explanations, panels, state
from app.model_page import opened_model
from app.progress import progress_bar

head, loaded = opened_model(flow_explanations.FLOW_QUESTION, explanations.FILE_NO_MODEL)
with panels.guarded():
    with progress_bar("Starting"):
        # Late, since it takes seconds the first time: the question stands before it.
        from app import flow_panel
    with head:
        flow_panel.view_switch()
    flow_panel.flow_panel(loaded)
    state.publish()
