"""What do the layers hold?"""

from app import explanations, panels, state, states_explanations
from app.model_page import opened_model
from app.progress import progress_bar

head, loaded = opened_model(states_explanations.STATES_QUESTION, explanations.FILE_NO_MODEL)
with panels.guarded():
    with progress_bar("Starting"):
        # Late, since it takes seconds the first time: the question stands before it.
        from app import lens_panel, neighbours_panel, paths_panel, states_controls, states_panel
    with head:
        states_controls.view_switch()
    panels_of_views = {
        "trajectories": paths_panel.paths_panel,
        "contexts": paths_panel.paths_panel,
        "logit lens": lens_panel.lens_panel,
        "neighbours": neighbours_panel.neighbours_panel,
    }
    panels_of_views.get(state.selection().states_view, states_panel.states_panel)(loaded)
    state.publish()
