"""The scores of the first layer taken apart: what comes from the content of query and key, and what from their places."""

import numpy as np
import pandas as pd
import streamlit as st

from app import engine, explanations, position_controls, state
from app.drawing import Picture, export_pictures, show, show_in_rows
from app.figures.matrix_chart import matrix_chart
from app.figures.term_chart import term_chart
from app.progress import progress_bar
from model.analysis.position_terms import (
    FOUR_TERMS,
    TERMS,
    PositionTerms,
    position_share,
    position_terms,
    term_strengths,
)
from model.analysis.views import AttentionView, attention_view
from model.loading import LoadedModel

MOST_TOKENS = 64


def first_layer(loaded: LoadedModel) -> None:
    """Draw what moves each head of the first layer, and the four terms of the chosen one."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        position_controls.sentence_box()
        head_place, exports = st.container(width="content"), st.container(width="content")
    selection = state.selection()
    with progress_bar("Running the model") as tell:
        trace = engine.sentence_run(selection, selection.text, loaded, tell).trace
    stack = trace.stacks[0]
    terms = position_terms(loaded, trace)
    with head_place:
        position_controls.head_choice(len(terms.logits))
    head = state.selection().head
    view = attention_view(trace, 0, head, stack=stack)
    strengths = term_strengths(terms, view.mask)
    summary = _summary(strengths, f"{loaded.name}: what moves the first layer")
    maps = _maps(terms, view, head)
    left, right = st.columns([0.52, 0.48], gap="medium")
    with left:
        show(summary, "heads")
    with right:
        st.markdown(explanations.FIRST_LAYER)
        st.caption(f"The parts sum to the captured scores within {terms.error:.1e}.")
    st.html(f'<div class="heading"><b>L0 H{head}</b><span>the four terms; rows look at columns</span></div>')
    if len(view.query_tokens) > MOST_TOKENS:
        st.caption(f"The maps show the first {MOST_TOKENS} tokens; the bars count all.")
    show_in_rows(maps)
    with exports:
        provenance = {"made by": "Headscope", "model": loaded.name, "head": f"L0 H{head}"}
        export_pictures({"heads": summary, **maps}, loaded.name, provenance, {"heads": strengths})


def _summary(strengths: pd.DataFrame, title: str) -> Picture:
    names = {name: explanations.TERM_NAMES[name] for name in TERMS}
    shares = position_share(strengths)
    return lambda look: term_chart(strengths, shares, names, theme=look, title=title)


def _maps(terms: PositionTerms, view: AttentionView, head: int) -> dict[str, Picture]:
    """Return the maps of the four terms of a head, on one scale, without each row's mean."""
    shown = slice(0, MOST_TOKENS)
    mask = view.mask[shown, shown]
    values = {name: np.where(mask, getattr(terms, name)[head][shown, shown], np.nan) for name in FOUR_TERMS}
    values = {name: one - np.nanmean(one, axis=1, keepdims=True) for name, one in values.items()}
    limit = max(float(np.nanmax(np.abs(one))) for one in values.values()) or 1.0
    tokens = view.query_tokens[shown], view.key_tokens[shown]
    return {
        explanations.TERM_NAMES[name]: lambda look, one=one, name=name: matrix_chart(
            one, theme=look, title=explanations.TERM_NAMES[name], rows="query", across="key", label="score",
            limit=limit, tokens=tokens, square=True,
        )
        for name, one in values.items()
    }  # fmt: skip
