"""Put scenes in order and present them."""

from app import explanations, panels
from app.progress import progress_bar
from app.starting import start_torch

panels.question(explanations.TALK_QUESTION, counting=False)
with panels.guarded():
    with progress_bar("Starting PyTorch") as tell:
        tell(0.0)
        # Late, since it takes seconds the first time: the question stands before it.
        start_torch()
        from app import talk_panel
    talk_panel.talk_panel()
