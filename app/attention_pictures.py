"""What the Attention page shows of a selection: the view, its names, its messages; no streamlit."""

from dataclasses import dataclass, replace

import numpy as np

from app.components.messages import head_view_message
from app.selection import Selection
from model.analysis.blocks import segment_block
from model.analysis.head_from_afar import HeadFromAfar, head_from_afar
from model.analysis.pooled_views import PooledView, Window, pooled_view
from model.analysis.strongest_pairs import Pair
from model.analysis.token_looks import TokenLooks, looks_of_rows, looks_of_view
from model.analysis.view_rows import ViewRows
from model.analysis.views import LONGEST_WHOLE, AttentionView, view_rows, whole_view
from model.trace import SEQUENCES, Trace

SEGMENTS = {"A": 0, "B": 1}
# Rows and columns of a head seen from afar: as many as a screen shows, so that a click is answered at once.
MOST_CELLS = 342


def fitted(selection: Selection, trace: Trace) -> Selection:
    """Return the selection with what this trace does not have (stack, layer, head, token, block) moved to the nearest it has."""
    stack = selection.stack if selection.stack in trace.stacks else trace.stacks[0]
    layer = min((one.index for one in trace.of_stack(stack)), key=lambda index: abs(index - selection.layer))
    shape = trace.layer(layer, stack).shape
    token = selection.token
    if token and int(token[1:]) >= shape[1 if token[0] == "q" else 2]:
        token = ""
    return replace(
        selection,
        stack=stack if len(trace.stacks) > 1 else "",
        layer=layer,
        head=min(selection.head, shape[0] - 1),
        token=token,
        block=selection.block if has_two_texts(trace) else "all",
    )


def has_two_texts(trace: Trace) -> bool:
    """Say whether the trace is of a pair of texts, A and B."""
    return any(token.segment == 1 for tokens in trace.tokens.values() for token in tokens)


@dataclass(frozen=True, eq=False)
class ShownHead:
    """What is shown of a head: all of it, or of a long one a part, with the strongest `pairs` of the whole."""

    rows: ViewRows
    view: AttentionView
    pairs: tuple[Pair, ...] = ()

    @property
    def is_long(self) -> bool:
        """Whether the view is a part, pooled where that is large."""
        return isinstance(self.view, PooledView)


def selected_rows(trace: Trace, selection: Selection, stack: str) -> ViewRows:
    """Return the rows of the weights that the selection asks for, on demand."""
    rows = view_rows(
        trace, selection.layer, selection.head, stack=stack, combination=selection.combination,
        words=selection.words, hide_special=selection.hide_special,
    )  # fmt: skip
    if selection.block == "all":
        return rows
    of_rows, of_columns = (SEGMENTS[letter] for letter in selection.block.split(" to "))
    query, key = (trace.sequence(selection.layer, side, stack) for side in ("query", "key"))
    return segment_block(rows, query, key, rows=of_rows, columns=of_columns)


def selected_view(rows: ViewRows, selection: Selection) -> AttentionView:
    """Return all of a head, or of a long one the part that the selection has zoomed to."""
    if max(rows.axes.shape) <= LONGEST_WHOLE:
        return whole_view(rows)
    window = (Window.from_text(selection.zoom) or Window(0, 0, *rows.axes.shape)).fitted(rows.axes)
    exact = max(window.rows, window.columns) <= LONGEST_WHOLE
    return pooled_view(rows, window, size=LONGEST_WHOLE if exact else MOST_CELLS, pooling=selection.pooling)


def from_afar(rows: ViewRows, selection: Selection) -> HeadFromAfar:
    """Return all of a long head, pooled as the selection says."""
    return head_from_afar(rows, size=MOST_CELLS, pooling=selection.pooling)


def head_message(shown: ShownHead, selection: Selection, stack: str) -> bytes:
    """Return the message of the head component for a selection."""
    title = head_title(selection)
    return _message(
        shown, selection, title=title, opened=(selection.layer, selection.head), token=selection.token,
        same=same_sequence(stack), asks=True,
    )  # fmt: skip


def head_beside(
    rows: ViewRows, selection: Selection, *, title: str, opened: tuple[int, int], token: str = "", same_sequence: bool
) -> tuple[AttentionView, bytes]:
    """Return a head that stands beside something else, all of it, and the message of its component.

    A long one is pooled; it can be zoomed as far as its cells.
    """
    shown = ShownHead(rows, selected_view(rows, replace(selection, zoom="")))
    return shown.view, _message(
        shown, selection, title=title, opened=opened, token=token, same=same_sequence, asks=False
    )


def _message(
    shown: ShownHead, selection: Selection, *, title: str, opened: tuple[int, int], token: str, same: bool, asks: bool
) -> bytes:
    rows, columns = shown.rows.axes.shape
    return head_view_message(
        shown.view,
        title=title,
        description=f"Attention of {title}, {rows} queries by {columns} keys.",
        opened=opened,
        selected=shown.view.place_of(token),
        scale=selection.scale,
        common=selection.common,
        threshold=selection.threshold,
        same_sequence=same,
        long={**_long_header(shown), "asks": asks} if shown.is_long else None,
    )


def _long_header(shown: ShownHead) -> dict:
    """Return what the component is told of a long head; see long_head.js."""
    view, axes = shown.view, shown.rows.axes
    window = view.window
    pairs = [
        (pair.query, pair.key, pair.weight, axes.query_tokens[pair.query], axes.key_tokens[pair.key])
        for pair in shown.pairs
    ]
    return {
        "part": (window.top, window.left, window.rows, window.columns),
        "whole": axes.shape,
        "cell": view.cell,
        "pooling": view.pooling,
        "strongest": pairs,
    }


def strongest_in_cell(shown: ShownHead, row: int, column: int) -> tuple[str, str]:
    """Return the tokens ("q3", "k5") of the largest weight that a cell of a pooled view covers."""
    view, axes = shown.view, shown.rows.axes
    window, (down, across) = view.window, view.cell
    first, left = window.top + row * down, window.left + column * across
    last, right = min(first + down, window.top + window.rows), min(left + across, window.left + window.columns)
    weights, mask = shown.rows.rows(first, last)
    found = np.where(mask, weights, -1)[:, left:right]
    query, key = np.unravel_index(int(found.argmax()), found.shape)
    return axes.token_at(f"q{first + query}"), axes.token_at(f"k{left + key}")


def token_looks(shown: ShownHead, token: str, same: bool, count: int) -> TokenLooks | None:
    """Return the largest weights of a token of the sequence ("q3"), exactly also where the view is pooled."""
    if shown.is_long:
        return looks_of_rows(shown.rows, shown.rows.axes.place_of(token), same_sequence=same, count=count)
    return looks_of_view(shown.view, shown.view.place_of(token), same_sequence=same, count=count)


def same_sequence(stack: str) -> bool:
    """Say whether queries and keys of a stack are the same tokens."""
    return len(set(SEQUENCES[stack])) == 1


def head_title(selection: Selection) -> str:
    """Return the name of what is open: L3 H1, or what several heads were combined to."""
    layer = f"L{selection.layer}"
    return {
        "head": f"{layer} H{selection.head}",
        "layer mean": f"{layer} mean",
        "layer maximum": f"{layer} maximum",
        "mean of all": "mean of all heads",
        "maximum of all": "maximum of all heads",
    }[selection.combination]
