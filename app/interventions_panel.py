"""Switch heads off and see what changes: the other heads, the pronoun, the predictions, the translation, the embedding."""

import html

import numpy as np
import streamlit as st

from app import edits, heads_controls, heads_engine, heads_explanations, interventions_exports, state
from app.choices import EDITS
from app.components.canvases import canvas
from app.components.comparison_messages import comparison_message
from app.components.coreference_messages import score_grid_message
from app.effect_tables import effect_rows, effect_table, prediction_tables
from app.head_frames import head_name
from app.panels import guarded
from app.progress import progress_bar
from app.selection import NEW_INPUT
from model.analysis.attention_change import attention_change
from model.analysis.comparison import AlignedPair, compare_views
from model.analysis.views import attention_view
from model.loading import LoadedModel
from model.trace import Trace

# Where nothing moves the colours must not show rounding.
LEAST_SCALE = 0.05
TITLES = ("as it is", "changed")


@st.fragment
def interventions_panel(loaded: LoadedModel) -> None:
    """Draw the heads that are changed, what that does to every other, and to what the model puts out."""
    with guarded():
        row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
        with row:
            _controls()
        selection = state.selection()
        with progress_bar("Running the model") as tell:
            plain = heads_engine.plain_run(selection, loaded, lambda share: tell(share / 2)).trace
            changed = heads_engine.edited_run(selection, loaded, plain, lambda share: tell(0.5 + share / 2)).trace
        with row:
            stack = _stack(plain)
        _show(loaded, plain, changed, stack, row)
    state.publish()


def _controls() -> None:
    st.text_area("Sentence", height=68, width=300, **state.bound("text", **NEW_INPUT))
    helped = heads_explanations.EDITS_HELP
    st.segmented_control("A click makes a head", EDITS, format_func=str.capitalize, help=helped, **state.bound("edit"))
    st.text_input(
        "Changed heads", width=170, placeholder="L3H1:off", help=heads_explanations.EDITS_TEXT, **state.bound("edits")
    )
    st.button("Reset", on_click=state.change, kwargs={"edits": ""}, disabled=not state.selection().edits)


def _stack(trace: Trace) -> str:
    heads_controls.stack_control(trace.stacks)
    stack = state.selection().stack or trace.stacks[0]
    heads_controls.head_control(heads_controls.heads_of(trace, stack))
    return stack


def _show(loaded: LoadedModel, plain: Trace, changed: Trace, stack: str, exports) -> None:
    """Draw what is taken from every head, how much each one's attention moves, the output, and the open head."""
    selection = state.selection()
    change = attention_change(plain, changed, stack)
    first, second, third = st.columns([0.33, 0.33, 0.34], gap="medium")
    with first:
        _grid("edits", _taken(plain, stack, change), plain, stack, 1.0, lambda picked: _toggle(plain, stack, picked))
    with second:
        _grid("moved", change, plain, stack, max(LEAST_SCALE, float(np.nanmax(change))), state.open_head)
    with third:
        st.html(effect_table(effect_rows(loaded, plain, changed, selection, stack)))
        for table in prediction_tables(loaded, selection):
            st.html(table)
    name = head_name(selection.layer, selection.head)
    st.html(f'<div class="heading"><b>{html.escape(name)}</b><span>as it is, changed, and the difference</span></div>')
    views = [attention_view(trace, selection.layer, selection.head, stack=stack) for trace in (plain, changed)]
    pair = compare_views(*views)
    canvas("head_comparison", _message(pair, name), key="changed_head")
    with exports:
        interventions_exports.export_popover(plain, changed, stack, change, pair, _message(pair, name))


def _grid(name: str, values: np.ndarray, trace: Trace, stack: str, limit: float, picked) -> None:
    selection = state.selection()
    st.html(f'<p class="hint">{html.escape(heads_explanations.EDIT_GRIDS[name])}</p>')
    message = score_grid_message(
        values, [one.index for one in trace.of_stack(stack)], label=heads_explanations.EDIT_LABELS[name],
        selected=(selection.layer, selection.head), limit=limit, diverging=False,
    )  # fmt: skip
    canvas("score_grid", message, key=f"grid_{name}", on_pick=state.on_pick(f"grid_{name}", picked))


def _taken(trace: Trace, stack: str, like: np.ndarray) -> np.ndarray:
    """Return how much is taken from each head [layer, head]: 1 where it is switched off."""
    values = np.where(np.isnan(like), np.nan, 0.0)
    rows = {layer.index: row for row, layer in enumerate(trace.of_stack(stack))}
    for one in edits.single_edits(state.selection().edits):
        if one.stack in (None, stack) and one.layer in rows:
            heads = range(trace.layer(one.layer, stack).heads) if one.heads is None else one.heads
            values[rows[one.layer], list(heads)] = edits.taken(one)
    return values


def _toggle(trace: Trace, stack: str, picked) -> None:
    selection = state.selection()
    place = (stack if len(trace.stacks) > 1 else None, int(picked[0]), int(picked[1]))
    state.change(edits=edits.toggled_edit(selection.edits, place, selection.edit))


def _message(pair: AlignedPair, name: str) -> bytes:
    selection = state.selection()
    return comparison_message(
        pair, titles=TITLES, description=f"{name} with and without interventions.", selected="",
        scale=selection.scale, common=selection.common,
    )  # fmt: skip
