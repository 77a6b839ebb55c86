"""Entries of the vocabulary near to something, as small HTML tables beside each other."""

import html
from collections.abc import Mapping, Sequence


def neighbour_tables(columns: Mapping[str, Sequence[tuple[str, float]]]) -> str:
    """Return one table for each name, of (token, cosine) from the nearest on."""
    return f'<div class="token-lists">{"".join(_table(name, rows) for name, rows in columns.items())}</div>'


def _table(name: str, rows: Sequence[tuple[str, float]]) -> str:
    body = "".join(f"<tr><td>{html.escape(token)}</td><td>{score:.3f}</td></tr>" for token, score in rows)
    return f"<table><caption><b>{html.escape(name)}</b></caption>{body}</table>"
