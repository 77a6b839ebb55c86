"""Translations as they grow: what was written, what was probable, and what was read for it, in a fragment of its own."""

import html
from collections.abc import Sequence

import streamlit as st

from app import explanations, state, translation_controls, translation_engine, translation_exports
from app import translation_pictures as pictures
from app.components.canvases import canvas
from app.components.messages import picture_message
from app.figures.beam_lattice import beam_lattice
from app.figures.german_line import german_line
from app.figures.prediction_list import prediction_list
from app.figures.theme import theme
from app.figures.token_list import bar_table
from app.panels import guarded
from app.selection import Selection
from app.translation_pictures import Translation
from model.analysis.alignment import coverage, first_rows, row_entropy
from model.analysis.views import AttentionView


@st.fragment
def translation_panel(translations: Sequence[Translation]) -> None:
    """Draw controls and each model's German and attention; reruns by itself when something in it is clicked."""
    with guarded():
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            translation_controls.attention_controls([one.generation.trace for one in translations])
            exports = st.container(width="content")
        translation_controls.stepper(max(one.steps for one in translations))
        selection = state.selection()
        if len(translations) == 1:
            _alone(translations[0], selection)
        else:
            for column, translation in zip(st.columns(len(translations), gap="medium"), translations, strict=True):
                with column:
                    _beside(translation, selection)
        if selection.search == "beam":
            for translation in translations:
                _beam(translation, selection)
        with exports:
            translation_exports.export_popover(translations, selection)
    state.publish()


def _alone(translation: Translation, selection: Selection) -> None:
    selection = pictures.fitted(translation, selection)
    _german(translation, selection)
    left, right = st.columns([0.34, 0.66], gap="medium")
    with left:
        _numbers(translation, selection)
    with right:
        _attention(translation, selection)


def _beside(translation: Translation, selection: Selection) -> None:
    selection = pictures.fitted(translation, selection)
    facts = f"{translation.loaded.model.num_parameters():,} weights"
    st.html(f'<div class="heading"><b>{html.escape(translation.title)}</b><span>{facts}</span></div>')
    _german(translation, selection)
    _attention(translation, selection)
    _numbers(translation, selection)


def _german(translation: Translation, selection: Selection) -> None:
    pieces = [step.token.text for step in translation.generation.steps if not step.token.special]
    st.html(german_line(pieces, translation.written(selection)))


def _numbers(translation: Translation, selection: Selection) -> None:
    """Draw the probabilities of the last step, and what each English token got so far."""
    generation, written = translation.generation, translation.written(selection)
    step = generation.steps[written - 1]
    before = generation.trace.tokens["decoder"][step.position - 1].text
    pairs = [(token.text, probability) for token, probability in step.top]
    st.html(prediction_list(step.token.text, before, pairs))
    view = pictures.alignment_of(translation, pictures.fitted(translation, selection))
    st.html(f'<div class="token-lists">{_coverage(first_rows(view, written))}</div>')


def _coverage(view: AttentionView) -> str:
    """Return the table of what each English token got; a bar is full at the most covered one, or at 1."""
    found = coverage(view.weights).tolist()
    pairs = list(zip(view.key_tokens, found, strict=True))
    return bar_table("Coverage of the English", pairs, largest=max([1.0, *found]))


def _attention(translation: Translation, selection: Selection) -> None:
    view = pictures.shown_view(translation, selection)
    st.html(_heading(selection, view))
    canvas("head_view", pictures.message_of(view, selection), key=f"alignment_{translation.loaded.name}")


def _heading(selection: Selection, view: AttentionView) -> str:
    told = "rows are German, columns English" if selection.shown == "cross" else "rows look at columns"
    spread = ""
    if selection.shown == "cross" and len(view.weights):
        spread = f'<span class="badge">last row {row_entropy(view.weights)[-1]:.2f} bits</span>'
    name = "Alignment" if selection.shown == "cross" else explanations.STACK_NAMES[selection.shown]
    named = html.escape(f"{name} {pictures.title_of(selection)}")
    return f'<div class="heading"><b>{named}</b><span>{told}</span>{spread}</div>'


def _beam(translation: Translation, selection: Selection) -> None:
    """Draw the beam as far as it is written, and the candidates that it ends with."""
    search = translation_engine.beams_of(selection, translation.loaded)
    title = f"{translation.title}: {selection.beams} beams"
    st.html(f'<div class="heading"><b>The beam, step by step</b><span>{html.escape(translation.title)}</span></div>')
    drawn = beam_lattice(
        search, theme=theme(st.context.theme.type or "light"), title=title, written=translation.written(selection),
        provenance={},
    )  # fmt: skip
    canvas("picture", picture_message(drawn, title), key=f"beam_{translation.loaded.name}")
    rows = "".join(
        f"<tr><td>{html.escape(candidate.text)}</td><td>{candidate.score:.3f}</td></tr>"
        for candidate in search.candidates
    )
    caption = "The beam ends with (mean log-probability)"
    st.html(f'<table class="beams"><caption>{caption}</caption>{rows}</table>')
