"""The model's top predictions at one step of a generation, as HTML in which every character is escaped."""

import html
from collections.abc import Sequence

from app.figures.token_list import bar_table


def prediction_list(written: str, row: str, pairs: Sequence[tuple[str, float]]) -> str:
    """Return HTML: the token that was written, the token it was predicted from, and the top predictions.

    `pairs` are (token, probability), the largest first; the written token is marked among them.
    """
    caption = f"<b>{html.escape(written)}</b> predicted from {html.escape(row)}"
    return f'<div class="token-lists">{bar_table(caption, pairs, marked=written)}</div>'
