"""What the model wrote, a step at a time: its top predictions, and what it attended to when it made them."""

from collections.abc import Callable

import streamlit as st

from app import state
from app.figures.prediction_list import prediction_list
from model.generation import Generation


def stepper(generation: Generation) -> None:
    """Draw the slider over the written tokens; moving it selects the token from which the next one was predicted."""
    steps = len(generation.steps)
    if not steps:
        return
    if state.selection().step > steps:
        state.change(step=steps)
    if not state.selection().token:
        _move(generation, 0)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("Back", key="step_back", on_click=_move, args=(generation, -1))
        st.button("Next", key="step_next", on_click=_move, args=(generation, 1), type="primary")
        if steps > 1:
            binding = state.bound("step")
            st.slider(
                "Step", 1, steps, key=binding["key"], width=240, label_visibility="collapsed",
                on_change=_moved, args=(binding["on_change"], generation),
            )  # fmt: skip
        st.caption(f"token {state.selection().step} of {steps}, {generation.method}, stopped at {generation.stopped}")


def predictions(generation: Generation) -> None:
    """Show the top predictions of the step that is selected."""
    if not generation.steps:
        return
    step = generation.steps[min(state.selection().step, len(generation.steps)) - 1]
    before = generation.trace.tokens["decoder"][step.position - 1].text
    pairs = [(token.text, probability) for token, probability in step.top]
    st.html(prediction_list(step.token.text, before, pairs))


def _moved(commit: Callable[[], None], generation: Generation) -> None:
    commit()
    _move(generation, 0)


def _move(generation: Generation, by: int) -> None:
    step = min(len(generation.steps), max(1, state.selection().step + by))
    # A token is predicted in the row of the token before it: that row shows what was attended to.
    state.change(step=step, token=f"q{generation.steps[step - 1].position - 1}")
