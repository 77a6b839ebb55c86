"""A head of a long text: where in it one is, finding a text in it, and what a click in its picture does."""

import html

import streamlit as st

from app import explanations, state
from app.attention_pictures import ShownHead, strongest_in_cell
from app.selection import Selection
from model.analysis.pooled_views import Window
from model.analysis.token_search import find_tokens
from model.layers import SEQUENCES
from model.trace import Trace

# Rows and columns around a token that was searched for.
AROUND = 64


def long_head_controls(shown: ShownHead, selection: Selection, trace: Trace, stack: str) -> None:
    """Draw where one is in a long head, the way back to all of it, and the search."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<p class="hint place">{html.escape(_place(shown))}</p>', width="content")
        if selection.zoom:
            st.button("Whole head", on_click=state.change, kwargs={"zoom": ""})
        st.text_input(
            "Find", placeholder="Find a word or a text", label_visibility="collapsed", width=210,
            help=explanations.FIND_HELP, **state.bound("find"),
        )  # fmt: skip
        if selection.find.strip():
            _matches(shown, selection, trace, stack)


def picked_in_head(shown: ShownHead, picked) -> None:
    """Select a token, or in a long head go to another part of it, to a pair, or to the largest weight of a pooled cell."""
    if isinstance(picked, str):
        state.change(token=shown.view.token_at(picked))
    elif "cell" in picked:
        query, _ = strongest_in_cell(shown, *map(int, picked["cell"]))
        state.change(token=query)
    elif "zoom" in picked:
        pair = {"token": shown.rows.axes.token_at(f"q{int(picked['pair'][0])}")} if "pair" in picked else {}
        window = Window.from_text(picked["zoom"])
        state.change(zoom="" if window is None else window.fitted(shown.rows.axes).text, **pair)


def _place(shown: ShownHead) -> str:
    """Return what part of the head is shown, and what a cell is."""
    window, (down, across) = shown.view.window, shown.view.cell
    rows, columns = (
        f"{name} {first:,}–{first + count - 1:,}"
        for name, first, count in (("queries", window.top, window.rows), ("keys", window.left, window.columns))
    )
    if down * across == 1:
        return f"{rows}, {columns}: exact"
    pooled = "mean" if shown.view.pooling == "mean" else "largest"
    return f"{rows}, {columns}: {pooled} of {down} × {across}"


def _matches(shown: ShownHead, selection: Selection, trace: Trace, stack: str) -> None:
    """Draw how often the text that is looked for is there, and the steps from one to the next."""
    side = SEQUENCES[stack][0]
    tokens = trace.sequence(selection.layer, "query", stack)
    text = trace.provenance.text if side == next(iter(trace.tokens)) else None
    starts = [found[0] for found in find_tokens(tokens, text, selection.find)]
    if not starts:
        st.html('<p class="hint">not in the text</p>', width="content")
        return
    current = int(selection.token[1:]) if selection.token[:1] == "q" else -1
    place = starts.index(current) + 1 if current in starts else 0
    before = next((start for start in reversed(starts) if start < current), starts[-1])
    after = next((start for start in starts if start > current), starts[0])
    st.button("‹", on_click=_go, args=(shown, before), help="The one before")
    st.html(f'<p class="hint">{place or "–"} of {len(starts)}</p>', width="content")
    st.button("›", on_click=_go, args=(shown, after), help="The next one")


def _go(shown: ShownHead, token: int) -> None:
    """Select a token and show the rows around it, over all the keys."""
    axes = shown.rows.axes
    row = axes.place_of(f"q{token}")
    if not row:
        state.change(token=f"q{token}")
        return
    rows, columns = axes.shape
    top = min(max(0, int(row[1:]) - AROUND // 2), max(0, rows - AROUND))
    state.change(token=f"q{token}", zoom=Window(top, 0, min(AROUND, rows), columns).text)
