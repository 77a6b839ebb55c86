"""Starting PyTorch and transformers: late, since it takes seconds, and so that nothing waits for them afterwards."""

import gc
from functools import cache


@cache
def start_torch() -> None:
    """Import what runs models, the first time without the garbage collector, which from then on passes over it.

    Streamlit collects garbage after every run, and every thread waits for that: to walk through all that PyTorch and
    transformers hold takes 0.2 s each time. No model is loaded yet, so that one which is let go of later is collected.
    """
    gc.disable()
    try:
        import app.engine  # noqa: F401
    finally:
        gc.freeze()
        gc.enable()
