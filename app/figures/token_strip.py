"""The tokens as the model sees them, as HTML in which every character of a token is escaped."""

import html
from collections.abc import Sequence

from app.figures.svg import clean
from model.tokens import Token

# A longer text is shown to here; all of it stands in the table of tokens.
MOST_SHOWN = 300


def token_strip(tokens: Sequence[Token], limit: int | None, side: str = "") -> str:
    """Return HTML: special tokens outlined, continued words joined to what they continue, and the count.

    Of more than 300 tokens the rest is counted only.
    """
    shown = [f'<span class="side">{html.escape(side)}</span>'] if side else []
    previous: int | None = None
    for position, token in enumerate(tokens[:MOST_SHOWN]):
        kind = "special" if token.special else "continues" if token.word is not None and token.word == previous else ""
        title = html.escape(f"position {position}, id {token.id}, vocabulary entry {clean(token.piece)}", quote=True)
        shown.append(f'<span class="token {kind}" title="{title}">{html.escape(token.text)}</span>')
        previous = token.word
    if len(tokens) > MOST_SHOWN:
        shown.append(f'<span class="count">… {len(tokens) - MOST_SHOWN:,} more</span>')
    alone = "1 token" if len(tokens) == 1 else f"{len(tokens)} tokens"
    count = alone if limit is None else f"{len(tokens)} of at most {limit} tokens"
    return f'<div class="tokens">{"".join(shown)}<span class="count">{count}</span></div>'
