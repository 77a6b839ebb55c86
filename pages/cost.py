"""What does a layer cost, and what does it buy?"""

from app import explanations, panels, state
from app.progress import progress_bar
from app.starting import start_torch

panels.question(explanations.COST_QUESTION, counting=False)
with panels.guarded(), progress_bar("Starting PyTorch"):
    # Late, since it takes seconds the first time.
    start_torch()
    from app.cost_panel import cost_panel
with panels.guarded():
    cost_panel()
    state.publish()
