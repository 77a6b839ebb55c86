"""Parts that pages share: the question, notices in one sentence, and what happens when something goes wrong."""

import html
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import streamlit as st

from app import explanations, state
from app.progress import asking
from model.errors import HeadscopeError, PairTooLong, TextTooLong, is_out_of_memory

_log = logging.getLogger("headscope")


def page_style() -> None:
    """Put the app's style sheet into the page."""
    st.html(f"<style>{(Path(__file__).parent / 'style.css').read_text(encoding='utf-8')}</style>")


def question(text: str, counting: bool = True) -> None:
    """Show the one sentence that says what the page answers, and from where it counts."""
    small = f"<small>{html.escape(explanations.COUNTING)}</small>" if counting else ""
    st.html(f'<p class="question">{html.escape(text)}{small}</p>')


def notice(sentence: str) -> None:
    """Show one sentence to the user; whatever is in it is shown as text."""
    st.html(f'<div class="notice" role="alert">{html.escape(sentence)}</div>')


def warnings(sentences: Sequence[str]) -> None:
    """Show what is doubtful about the model, one sentence each."""
    for sentence in sentences:
        notice(sentence)


def _offer_cuts(error: TextTooLong) -> None:
    """Draw a button for every part of a text that the model could read instead of all of it."""
    with st.container(horizontal=True, gap="small"):
        cut = {"cut": True, "keep": "beginning"}
        st.button(f"Cut after character {error.cut}", on_click=state.change, kwargs=cut, type="primary")
        if not isinstance(error, PairTooLong):
            for part, name in explanations.KEPT_NAMES.items():
                st.button(name, on_click=state.change, kwargs={"cut": True, "keep": part})


@contextmanager
def guarded(*, cuts: bool = False) -> Iterator[None]:
    """Turn what goes wrong inside into one sentence; what the user typed stays where it is.

    A page that `cuts` runs a text as far as the model takes it when the user asks for that.
    """
    try:
        with asking():
            yield
    except TextTooLong as error:
        notice(str(error))
        if cuts:
            _offer_cuts(error)
        st.stop()
    except HeadscopeError as error:
        notice(str(error))
        st.stop()
    except Exception as error:
        if is_out_of_memory(error):
            notice("There is not enough memory for this. Use a shorter text or a smaller model.")
            st.stop()
        _log.exception("unexpected error")
        notice(f"This did not work ({type(error).__name__}). Your text is kept; try another model or a shorter text.")
        st.stop()
