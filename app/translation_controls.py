"""What is translated and how, and what of it is shown: widgets whose values go to the selection."""

import html
from collections.abc import Sequence
from itertools import groupby

import streamlit as st

from app import explanations, state
from app.choices import SEARCHES, TRANSLATOR_CHOICES
from app.examples import ENGLISH
from app.translation_pictures import Translation
from model.trace import Trace

# A word of this many pieces is one that the model has hardly seen.
MANY_PIECES = 4
REPEATED = 3


def text_row() -> None:
    """Draw the English, examples, and how its translation is searched."""
    left, right = st.columns([2.6, 3.4], vertical_alignment="bottom")
    left.text_area(
        "English",
        height=68,
        help=explanations.TRANSLATION_HELP,
        placeholder="A sentence to translate",
        **state.bound("english", written=0),
    )
    with right, st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        st.segmented_control(
            "Model", TRANSLATOR_CHOICES, format_func=str.capitalize, **state.bound("translator", written=0)
        )
        st.segmented_control("Search", SEARCHES, help=explanations.SEARCH_HELP, **state.bound("search", written=0))
        if state.selection().search == "beam":
            st.number_input("Beams", min_value=2, max_value=10, width=96, **state.bound("beams", written=0))
        with st.popover("Examples"):
            for text in ENGLISH:
                st.button(text, key=f"english_{text}", on_click=_use, args=(text,), width="stretch")
        with st.popover("How to read"):
            st.markdown(explanations.TRANSLATION_HOW_TO_READ)


def doubts(translations: Sequence[Translation]) -> None:
    """Say which words a small vocabulary cuts into many pieces, and which models stammer; the same is said once."""
    told = [sentence for one in translations for sentence in _doubts(one)]
    for sentence in dict.fromkeys(told):
        st.html(f'<p class="hint">{html.escape(sentence)}</p>')


def _doubts(translation: Translation) -> list[str]:
    pieces: dict[int, list[str]] = {}
    for token in translation.generation.trace.tokens["encoder"]:
        if token.word is not None:
            pieces.setdefault(token.word, []).append(token.text.strip("▁"))
    rare = ["“" + "".join(parts) + "”" for parts in pieces.values() if len(parts) >= MANY_PIECES]
    told = [explanations.RARE_WORDS.format(words=", ".join(rare))] if rare else []
    written = groupby(step.token.id for step in translation.generation.steps)
    if any(len(list(run)) >= REPEATED for _, run in written):
        told.append(explanations.STAMMER.format(name=translation.title))
    return told


def attention_controls(traces: Sequence[Trace]) -> None:
    """Draw the choice of stack, layer and head, of the model that has most to choose from."""
    trace = max(traces, key=lambda one: len(one.layers))
    selection = state.selection()
    names = {"cross": "Alignment", **{name: explanations.STACK_NAMES[name] for name in ("encoder", "decoder")}}
    # Beside each other, models show what both have.
    stacks = [name for name in names if all(name in one.stacks for one in traces)]
    if selection.shown not in stacks:
        state.change(shown=stacks[0])
    if len(stacks) > 1:
        st.segmented_control("Shown", stacks, format_func=names.get, **state.bound("shown"))
    layers = {one.index: one for one in trace.of_stack(state.selection().shown)}
    heads = [-1, *range(next(iter(layers.values())).heads)]
    if selection.translation_layer not in layers or selection.translation_head not in heads:
        state.change(translation_layer=max(layers), translation_head=-1)
    if len(layers) * len(heads) > 2:
        st.selectbox(
            "Layer", list(layers), format_func=lambda index: f"L{index}", width=84, **state.bound("translation_layer")
        )
        named = {-1: "mean"} | {head: f"H{head}" for head in heads[1:]}
        st.selectbox("Head", heads, format_func=named.get, width=100, **state.bound("translation_head"))


def stepper(steps: int) -> None:
    """Draw the slider over the written tokens, with a button for each direction."""
    written = min(state.selection().written or steps, steps)
    if written != state.selection().written:
        state.change(written=written)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("Back", key="written_back", on_click=_step, args=(-1, steps))
        st.button("Next", key="written_next", on_click=_step, args=(1, steps), type="primary")
        st.button("From the start", key="written_start", on_click=state.change, kwargs={"written": 1})
        if steps > 1:
            st.slider("Written", 1, steps, width=260, label_visibility="collapsed", **state.bound("written"))
        st.caption(f"token {written} of {steps}")


def _step(by: int, steps: int) -> None:
    state.change(written=min(steps, max(1, (state.selection().written or steps) + by)))


def _use(text: str) -> None:
    state.change(english=text, written=0)
