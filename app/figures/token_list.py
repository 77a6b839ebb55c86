"""The strongest weights of one token as a list with numbers, as HTML in which every character is escaped."""

import html
from collections.abc import Sequence

from model.analysis.token_looks import TokenLooks, looks_of_view
from model.analysis.views import AttentionView

LISTED = 6


def token_list(view: AttentionView, selected: str, *, same_sequence: bool) -> str:
    """Return HTML: what the selected token looks at, and what looks at it where it stands on both axes.

    `selected` is "q3" (row), "k5" (column) or "" (none selected: a sentence that says what to do).
    """
    return looks_list(looks_of_view(view, selected, same_sequence=same_sequence, count=LISTED))


def looks_list(found: TokenLooks | None) -> str:
    """Return HTML of the largest weights of one token; None: a sentence that says what to do."""
    if found is None:
        return '<p class="hint">Click a token to list what it looks at and what looks at it.</p>'
    lists = (("looks at", found.looks_at), ("is looked at by", found.looked_at_by))
    columns = [
        bar_table(f"<b>{html.escape(found.token)}</b> {verb}", pairs) for verb, pairs in lists if pairs is not None
    ]
    return f'<div class="token-lists">{"".join(columns)}</div>'


def bar_table(caption: str, pairs: Sequence[tuple[str, float]], marked: str | None = None, largest: float = 1.0) -> str:
    """Return an HTML table of (token, value) rows with three decimals and a bar that is full at `largest`; `caption` is HTML."""
    rows = "".join(
        f"<tr{' class=marked' if token == marked else ''}><td>{html.escape(token)}</td>"
        f'<td class="bar"><i style="width:{100 * min(1.0, value / largest):.1f}%"></i></td><td>{value:.3f}</td></tr>'
        for token, value in pairs
    )
    return f"<table><caption>{caption}</caption>{rows}</table>"
