"""What does each head do, and what happens without it?"""

from app import explanations, heads_explanations, panels, state
from app.model_page import opened_model
from app.progress import progress_bar

head, loaded = opened_model(heads_explanations.HEADS_QUESTION, explanations.FILE_NO_MODEL)
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
