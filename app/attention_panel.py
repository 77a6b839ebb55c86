"""The head grid beside one open head, in a fragment of its own so that a click answers at once."""

import html
from functools import partial

import streamlit as st

from app import attention_exports, controls, explanations, generation_panel, shown_heads, state, talk_controls
from app.attention_pictures import head_message, head_title, same_sequence, token_looks
from app.components.canvases import canvas
from app.components.messages import head_grid_message
from app.engine import Run
from app.figures.token_list import LISTED, looks_list
from app.long_head_panel import long_head_controls, picked_in_head
from app.panels import guarded
from app.progress import progress_bar
from app.selection import Selection
from model.trace import Trace


@st.fragment
def attention_panel(run: Run) -> None:
    """Draw controls, grid, head and exports of a run; reruns by itself when something in it is clicked."""
    trace = run.trace
    controls.fit_to_trace(trace)
    if run.generation is not None:
        generation_panel.stepper(run.generation)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        controls.head_controls(trace)
        exports = st.container(width="content", horizontal=True, gap="small")
    selection = state.selection()
    stack = selection.stack or trace.stacks[0]
    with guarded(), progress_bar("Drawing all heads") as tell:
        thumbnails = shown_heads.thumbnails_of(run, selection, stack, tell)
        shown = shown_heads.shown_head(run, selection, stack)
    left, right = st.columns([0.37, 0.63], gap="medium")
    with left:
        st.html(
            f'<div class="heading"><b>All heads</b><span>{html.escape(explanations.STACK_NAMES[stack])}</span></div>'
        )
        grid = head_grid_message(thumbnails, scale=selection.scale, common=selection.common)
        canvas("head_grid", grid, key="grid", on_pick=state.on_pick("grid", open_head))
        if run.generation is not None:
            generation_panel.predictions(run.generation)
        st.html(looks_list(token_looks(shown, selection.token, same_sequence(stack), LISTED)))
    with right:
        st.html(heading(selection, trace, stack))
        if shown.is_long:
            long_head_controls(shown, selection, trace, stack)
        head = head_message(shown, selection, stack)
        canvas("head_view", head, key="head", on_pick=state.on_pick("head", partial(picked_in_head, shown)))
    with exports:
        token = shown.view.place_of(selection.token)
        attention_exports.export_popover(trace, stack, head_title(selection), thumbnails, shown.view, head, token)
        talk_controls.add_to_talk("attention", ("head", "grid", "tokens"))
    state.publish()


def open_head(picked) -> None:
    """Open the head that was clicked in the grid."""
    state.change(layer=int(picked[0]), head=int(picked[1]), combination="head")


def heading(selection: Selection, trace: Trace, stack: str) -> str:
    """Return the heading of the open head as HTML, with a badge for everything that changes what the numbers mean."""
    badges = []
    if selection.hide_special:
        badges.append("special tokens hidden, rows renormalised")
    if selection.words:
        badges.append("words: sum to, mean from")
    if "maximum" in selection.combination:
        badges.append("rows need not sum to 1")
    if selection.block != "all":
        badges.append(f"block {selection.block}")
    if selection.cut:
        badges.append("text cut to fit the model")
    if selection.pooling == "mean":
        badges.append("where cells are pooled: their mean")
    if trace.layer(selection.layer, stack).source == "dense":
        badges.append("weights as the model returns them (dense)")
    shown = "".join(f'<span class="badge">{html.escape(badge)}</span>' for badge in badges)
    name = html.escape(f"{explanations.STACK_NAMES[stack]}, rows look at columns")
    return f'<div class="heading"><b>{html.escape(head_title(selection))}</b><span>{name}</span>{shown}</div>'
