"""A translation as it grows: what was written, what was probable, and what was read for it, in a fragment of its own."""

import html

import streamlit as st

from app import attention_exports, engine, explanations, state, translation_controls
from app.components.canvases import canvas
from app.components.messages import head_view_message
from app.figures.german_line import german_line
from app.figures.prediction_list import prediction_list
from app.figures.token_list import bar_table
from app.panels import guarded
from app.selection import Selection
from model.analysis.alignment import alignment_view, coverage, first_rows, row_entropy
from model.analysis.views import AttentionView, attention_view
from model.generation import Generation
from model.loading import LoadedModel


@st.fragment
def translation_panel(generation: Generation, loaded: LoadedModel) -> None:
    """Draw controls, the German, its probabilities and the attention; reruns by itself when something in it is clicked."""
    with guarded():
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            translation_controls.attention_controls(generation.trace)
            exports = st.container(width="content")
        translation_controls.stepper(len(generation.steps))
        selection = state.selection()
        written = selection.written or len(generation.steps)
        st.html(german_line([step.token.text for step in generation.steps if not step.token.special], written))
        left, right = st.columns([0.34, 0.66], gap="medium")
        with left:
            _probabilities(generation, written)
            if selection.search == "beam":
                _beam(selection, loaded)
            _coverage(alignment_of(generation, selection), written)
        with right:
            view = shown_view(generation, selection, written)
            st.html(_heading(selection, view))
            message = message_of(view, selection)
            canvas("head_view", message, key="alignment")
        with exports:
            _export(generation, selection, view, message)
    state.publish()


def alignment_of(generation: Generation, selection: Selection) -> AttentionView:
    """Return the alignment of the whole translation in the chosen layer and head."""
    head = None if selection.translation_head < 0 else selection.translation_head
    return alignment_view(generation.trace, selection.translation_layer, head)


def shown_view(generation: Generation, selection: Selection, written: int) -> AttentionView:
    """Return what is shown: the alignment as far as it is written, or one side's attention to itself."""
    if selection.shown == "cross":
        return first_rows(alignment_of(generation, selection), written)
    combination = "layer mean" if selection.translation_head < 0 else "head"
    head = max(0, selection.translation_head)
    return attention_view(
        generation.trace, selection.translation_layer, head, stack=selection.shown, combination=combination
    )


def title_of(selection: Selection) -> str:
    """Return the name of what is shown: L3 H1, or L3 mean."""
    head = "mean" if selection.translation_head < 0 else f"H{selection.translation_head}"
    return f"L{selection.translation_layer} {head}"


def message_of(view: AttentionView, selection: Selection) -> bytes:
    """Return the message of the head component."""
    title = title_of(selection)
    cross = selection.shown == "cross"
    return head_view_message(
        view, title=f"{selection.shown} {title}", description=f"Attention of {title}, {len(view.query_tokens)} rows.",
        opened=(selection.translation_layer, max(0, selection.translation_head)),
        selected=f"q{len(view.query_tokens) - 1}" if cross and view.query_tokens else "", scale=selection.scale,
        common=selection.common, threshold=selection.threshold, same_sequence=not cross,
    )  # fmt: skip


def _heading(selection: Selection, view: AttentionView) -> str:
    told = "rows are German, columns English" if selection.shown == "cross" else "rows look at columns"
    spread = ""
    if selection.shown == "cross" and len(view.weights):
        spread = f'<span class="badge">last row {row_entropy(view.weights)[-1]:.2f} bits</span>'
    name = "Alignment" if selection.shown == "cross" else explanations.STACK_NAMES[selection.shown]
    return f'<div class="heading"><b>{html.escape(name)} {html.escape(title_of(selection))}</b><span>{told}</span>{spread}</div>'


def _probabilities(generation: Generation, written: int) -> None:
    step = generation.steps[written - 1]
    before = generation.trace.tokens["decoder"][step.position - 1].text
    pairs = [(token.text, probability) for token, probability in step.top]
    st.html(prediction_list(step.token.text, before, pairs))


def _beam(selection: Selection, loaded: LoadedModel) -> None:
    rows = "".join(
        f"<tr><td>{html.escape(candidate.text)}</td><td>{candidate.score:.3f}</td></tr>"
        for candidate in engine.beams_of(selection, loaded)
    )
    st.html(f'<table class="beams"><caption>The beam ends with (mean log-probability)</caption>{rows}</table>')


def _coverage(view: AttentionView, written: int) -> None:
    """Show what each English token got so far; a bar is full at the most covered one, or at 1."""
    found = coverage(first_rows(view, written).weights).tolist()
    pairs = list(zip(view.key_tokens, found, strict=True))
    table = bar_table("Coverage of the English", pairs, largest=max([1.0, *found]))
    st.html(f'<div class="token-lists">{table}</div>')


def _export(generation: Generation, selection: Selection, view: AttentionView, message: bytes) -> None:
    head = {
        "layer": selection.translation_layer,
        "head": selection.translation_head,
        "combination": title_of(selection),
    }
    attention_exports.head_export(generation.trace, selection.shown, title_of(selection), view, message, **head)
