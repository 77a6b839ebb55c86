"""Progress of long work, and of waiting for one's turn: shown only once it has taken a moment, and gone when it ends."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st

from app import server_explanations as explanations
from app import state
from app.making import tell_those_who_wait
from app.public_mode import limits
from app.session_work import SessionWork
from model.waiting import OnPlace, Place, waiting_as

PATIENCE_SECONDS = 0.4
Show = Callable[[float, str], None]


def session_work() -> SessionWork:
    """Return what this session has models do. Reading it is a point at which Streamlit may stop the run."""
    found = state.opened("work")
    if found is None:
        found = SessionWork()
        state.keep_opened("work", found)
    return found


@contextmanager
def progress_bar(
    label: str, patience: float = PATIENCE_SECONDS, *, pressed: bool = False
) -> Iterator[Callable[..., None]]:
    """Yield a function that takes the done share and, where there is one, what is being done.

    Nothing is shown for the first `patience` seconds, since a bar that flashes by disturbs. Each call is a point at which
    Streamlit may stop the run, so a new click, a closed tab or "Cancel" ends the work. Work that was cancelled does not
    begin again by itself: the page says so and ends there. Where a button is `pressed` for the work, that is asking again.
    """
    if pressed:
        session_work().ask_again()
        _count(session_work())
    stop_if_cancelled(label)
    with _shown_after(patience) as show, asking(show, counted=pressed), _noted(label):

        def tell(share: float, doing: str = label) -> None:
            tell_those_who_wait(share, doing)
            show(share, doing)

        yield tell


def stop_if_cancelled(label: str) -> None:
    """End the page where the user cancelled this work: it says so, and offers to begin again."""
    own = session_work()
    if own.is_cancelled(label, state.selection()):
        st.html(f'<div class="notice" role="status">{explanations.CANCELLED}</div>')
        st.button(explanations.RUN_AGAIN, key=f"run_again_{label}", on_click=own.ask_again, type="primary")
        st.stop()


@contextmanager
def asking(show: Show | None = None, *, counted: bool = False) -> Iterator[None]:
    """Let this session wait for models inside as one among others, with its place in the queue shown.

    A request above the number that this server allows ends the page with a sentence, unless it was `counted` before.
    """
    own = session_work()
    if show is not None:
        with waiting_as(own.name, _on_place(own, show, counted)):
            yield
        return
    with _shown_after(PATIENCE_SECONDS, place=None) as late, waiting_as(own.name, _on_place(own, late, counted)):
        yield


@contextmanager
def _shown_after(patience: float, place=st.empty) -> Iterator[Show]:
    """Yield a function that shows a bar once `patience` seconds have passed, in a place of its own."""
    started = time.monotonic()
    places = [] if place is None else [place()]

    def show(share: float, doing: str) -> None:
        if time.monotonic() - started >= patience:
            if not places:
                places.append(st.empty())
            places[0].progress(min(1.0, max(0.0, share)), text=doing)

    try:
        yield show
    finally:
        for used in places:
            used.empty()


@contextmanager
def _noted(label: str) -> Iterator[None]:
    """Note the work inside as begun; where Streamlit stops it, it stays noted: "Cancel" may have been pressed for it."""
    own = session_work()
    before = own.begun
    work = own.begin(label, state.selection())
    try:
        yield
    except Exception:
        own.end(work, before)
        raise
    own.end(work, before)


def _on_place(own: SessionWork, show: Show, counted: bool) -> OnPlace:
    def tell(place: Place) -> None:
        nonlocal counted
        # A point at which Streamlit may stop the run, also while nothing is shown yet.
        session_work()
        if place.share is not None:
            show(place.share, explanations.WAITING_FOR_THE_SAME.format(doing=place.doing))
        elif place.before:
            show(0.0, explanations.WAITING.format(before=place.before))
        elif not counted:
            counted = True
            _count(own)

    return tell


def _count(own: SessionWork) -> None:
    most = limits().requests
    if not own.may_ask(most):
        st.html(f'<div class="notice" role="alert">{explanations.TOO_MANY_REQUESTS.format(most=most)}</div>')
        st.stop()


def cancel_button() -> None:
    """Draw the button that cancels the work of this session; the style shows it while a bar is shown.

    It stands in the entry, outside every fragment, since only a run of the whole script stops the one that is under way.
    """
    st.html(Path(__file__).with_suffix(".css"))
    with st.container(key="cancel_work"):
        st.button("Cancel", key="cancel", on_click=session_work().cancel)
