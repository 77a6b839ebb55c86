"""A sentence with arcs, the margins of all heads, the ranking and the open head, in a fragment of its own."""

import html
from collections.abc import Sequence

import numpy as np
import streamlit as st

from app import coreference_controls, coreference_exports, explanations, state, talk_controls
from app import coreference_pictures as pictures
from app.attention_pictures import head_beside, same_sequence
from app.components.canvases import canvas
from app.coreference_comparison import Comparison, compare
from app.coreference_reading import Reading, change_between
from app.figures.head_table import HeadRow, head_table
from app.held_out import PairScores, pair_of
from app.marked_text import MarkedText, marked_text, toggled
from app.panels import guarded, notice
from app.progress import progress_bar
from app.selection import Selection
from model.analysis.coreference import ranked_heads, word_pair_chance
from model.analysis.views import view_rows
from model.loading import LoadedModel

LISTED = 8


@st.fragment
def coreference_panel(loaded: LoadedModel) -> None:
    """Draw controls, arcs, margins, ranking and the open head; reruns by itself when something in it is clicked."""
    with guarded():
        exports = _controls(marked_text(state.selection()))
        # The controls may have put a selection right that does not fit the text.
        selection = state.selection()
        marked = marked_text(selection)
        if not marked.complete:
            _arcs(pictures.bare_message(marked), 0)
            notice(explanations.INCOMPLETE)
            state.publish()
            return
        with progress_bar("Running the model") as tell:
            compared = compare(selection, marked, loaded, tell, pair=True)
    with guarded():
        _show(compared, selection)
        with exports:
            coreference_exports.export_popover(compared)
            talk_controls.add_to_talk(
                "coreference", ("arcs", "pair", "margins") if selection.other else ("arcs", "margins")
            )
    state.publish()


def _controls(marked: MarkedText):
    """Draw the row of controls and return the place for the exports at its end."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        coreference_controls.word_controls(marked)
        coreference_controls.head_controls()
        return st.container(width="content", horizontal=True, gap="small")


def _show(compared: Comparison, selection: Selection) -> None:
    """Draw the arcs, the margins, the ranking and the open head."""
    readings, chosen, trace = compared.readings, compared.chosen, compared.traces[0]
    st.html(_heading(compared, selection))
    for place, reading in enumerate(readings):
        _arcs(pictures.arcs_message(reading, chosen, selection, pickable=place == 0), place)
    if len(readings) == 2:
        _grids(readings, chosen.heads[0])
    left, right = st.columns([0.44, 0.56], gap="medium")
    with left:
        if len(readings) == 1:
            _grids(readings, chosen.heads[0])
        st.html(_ranking(readings[0], chosen, compared.scores))
        st.html(f'<p class="hint">{html.escape(_luck(trace, readings[0], selection, compared.stack))}</p>')
        st.markdown(explanations.NOT_EXPLANATION)
    with right:
        _open_head(trace, readings[0], chosen.heads[0], selection, compared.stack)


def _arcs(message: bytes, place: int) -> None:
    """Draw a sentence with its arcs; only in the first one are words picked."""
    canvas("sentence_arcs", message, key=f"arcs_{place}", on_pick=None if place else state.on_pick("arcs_0", _pick))


def _pick(picked) -> None:
    """Make the word that was clicked a candidate, or no longer one, or the mention."""
    state.change(**toggled(marked_text(state.selection()), int(picked[0]), str(picked[1])))


def _open(picked) -> None:
    """Open the head that was clicked in a grid."""
    state.change(layer=int(picked[0]), head=int(picked[1]), choice="one head")


def _heading(compared: Comparison, selection: Selection) -> str:
    badges = []
    if compared.unmoved:
        badges.append("this model reads left to right: the mention does not see the word that changes after it")
    if selection.hide_special:
        badges.append("special tokens hidden, rows renormalised")
    if selection.choice in ("held out", "mean of best") and compared.scores is None:
        badges.append("this model cannot read the other pairs, so the choice is made on this sentence")
    shown = "".join(f'<span class="badge">{html.escape(badge)}</span>' for badge in badges)
    name = explanations.DIRECTION_NAMES[selection.direction].lower()
    return (
        f'<div class="heading"><b>{html.escape(compared.chosen.title)}</b><span>{html.escape(name)}</span>{shown}</div>'
    )


def _grids(readings: Sequence[Reading], head: tuple[int, int]) -> None:
    """Draw the margins of every head: of each sentence, and how far they move between the two."""
    values = [(pictures.margin_label(reading.marked), reading.margins) for reading in readings]
    if len(readings) == 2:
        values.append(("change between the two", change_between(*readings)))
    limit = pictures.scale_limit(*(grid for _, grid in values))
    for place, (column, (label, grid)) in enumerate(zip(st.columns(len(values)), values, strict=True)):
        with column:
            message = pictures.margins_message(grid, readings[0], label, head, limit)
            canvas("score_grid", message, key=f"margins_{place}", on_pick=state.on_pick(f"margins_{place}", _open))


def _ranking(reading: Reading, chosen: pictures.ChosenHeads, scores: PairScores | None) -> str:
    """Return the table of the heads with the largest margins on this sentence, and how they do on other sentences."""
    marked = reading.marked
    elsewhere = None if scores is None else scores.accuracy(pair_of(marked.text))
    rows = []
    for row, head in ranked_heads(reading.margins)[:LISTED]:
        right = float(reading.scores[row, head, marked.answer])
        other = float(np.delete(reading.scores[row, head], marked.answer).max())
        rows.append(
            HeadRow(
                pictures.head_name(reading, (row, head)), float(reading.margins[row, head]), right, other,
                None if elsewhere is None else float(elsewhere[row, head]), (row, head) in chosen.heads,
            )
        )  # fmt: skip
    others = [marked.name(group) for place, group in enumerate(marked.candidates) if place != marked.answer]
    name = others[0] if len(others) == 1 else "best other"
    return head_table(
        rows, marked.name(marked.candidates[marked.answer]), name, "" if scores is None else "right elsewhere"
    )


def _luck(trace, reading: Reading, selection: Selection, stack: str) -> str:
    """Say how much of the best margin is the luck of choosing among many heads."""
    marked = reading.marked
    heads = int((~np.isnan(reading.margins)).sum())
    chance = word_pair_chance(
        trace, marked.span(marked.mention), [marked.span(group) for group in marked.candidates], marked.answer,
        stack=stack, direction=selection.direction, hide_special=selection.hide_special, head_word=selection.head_word,
    )  # fmt: skip
    return (
        f"Ranked on this one sentence, among {heads} heads: {100 * chance:.0f} of 100 pairs of other words in it have a "
        "head that prefers one to the other as much as the first one here. “Right elsewhere” is the share of the other "
        "minimal pairs’ sentences that a head gets right."
    )


def _open_head(trace, reading: Reading, head: tuple[int, int], selection: Selection, stack: str) -> None:
    """Draw the first of the chosen heads in full, with the mention selected, and say what every other word does there."""
    layer, number = reading.layers[head[0]], head[1]
    rows = view_rows(trace, layer, number, stack=stack, words=True, hide_special=selection.hide_special)
    title = f"L{layer} H{number}"
    st.html(f'<div class="heading"><b>{title}</b><span>in full, words; rows look at columns</span></div>')
    mention = _place(trace, layer, stack, reading.marked.span(reading.marked.mention)[0])
    side = "q" if selection.direction == "from mention" else "k"
    _, message = head_beside(
        rows, selection, title=title, opened=(layer, number), token="" if mention is None else f"{side}{mention}",
        same_sequence=same_sequence(stack),
    )  # fmt: skip
    canvas("head_view", message, key="open_head")


def _place(trace, layer: int, stack: str, character: int) -> int | None:
    """Return the position of the token that stands at a character of the text."""
    tokens = trace.sequence(layer, "query", stack)
    inside = (place for place, token in enumerate(tokens) if token.span and token.span[0] <= character < token.span[1])
    return next(inside, None)
