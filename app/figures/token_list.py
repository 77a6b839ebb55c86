"""The strongest weights of one token as a list with numbers, as HTML in which every character is escaped."""

import html
from collections.abc import Sequence

from model.analysis.views import AttentionView, top_keys, top_queries

LISTED = 6


def token_list(view: AttentionView, selected: str, *, same_sequence: bool) -> str:
    """Return HTML: what the selected token looks at, and what looks at it where it stands on both axes.

    `selected` is "q3" (row), "k5" (column) or "" (none selected: a sentence that says what to do).
    """
    if not selected:
        return '<p class="hint">Click a token to list what it looks at and what looks at it.</p>'
    side, position = selected[0], int(selected[1:])
    columns = []
    if side == "q" or same_sequence:
        row = position if side == "q" else _matching(view.key_positions, view.query_positions, position)
        if row is not None:
            pairs = [(view.key_tokens[key], weight) for key, weight in top_keys(view, row, LISTED)]
            columns.append(_column(view.query_tokens[row], "looks at", pairs))
    if side == "k" or same_sequence:
        column = position if side == "k" else _matching(view.query_positions, view.key_positions, position)
        if column is not None:
            pairs = [(view.query_tokens[query], weight) for query, weight in top_queries(view, column, LISTED)]
            columns.append(_column(view.key_tokens[column], "is looked at by", pairs))
    return f'<div class="token-lists">{"".join(columns)}</div>'


def _matching(positions: Sequence[int], others: Sequence[int], index: int) -> int | None:
    return others.index(positions[index]) if positions[index] in others else None


def _column(token: str, verb: str, pairs: Sequence[tuple[str, float]]) -> str:
    return bar_table(f"<b>{html.escape(token)}</b> {verb}", pairs)


def bar_table(caption: str, pairs: Sequence[tuple[str, float]], marked: str | None = None, largest: float = 1.0) -> str:
    """Return an HTML table of (token, value) rows with three decimals and a bar that is full at `largest`; `caption` is HTML."""
    rows = "".join(
        f"<tr{' class=marked' if token == marked else ''}><td>{html.escape(token)}</td>"
        f'<td class="bar"><i style="width:{100 * min(1.0, value / largest):.1f}%"></i></td><td>{value:.3f}</td></tr>'
        for token, value in pairs
    )
    return f"<table><caption>{caption}</caption>{rows}</table>"
