"""Progress of long work: shown only once the work has taken a moment, and gone when it ends."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

PATIENCE_SECONDS = 0.4


@contextmanager
def progress_bar(label: str, patience: float = PATIENCE_SECONDS) -> Iterator[Callable[..., None]]:
    """Yield a function that takes the done share and, where there is one, what is being done.

    Nothing is shown for the first `patience` seconds, since a bar that flashes by disturbs. Each call is a point at which
    Streamlit may stop the run, so a new click or a closed tab cancels the work.
    """
    place = st.empty()
    started = time.monotonic()

    def tell(share: float, doing: str = label) -> None:
        if time.monotonic() - started >= patience:
            place.progress(min(1.0, max(0.0, share)), text=doing)

    try:
        yield tell
    finally:
        place.empty()
