"""A translation as it is written, as HTML in which every character is escaped."""

import html
from collections.abc import Sequence

from model.tokens import SPACE_MARK


def german_line(pieces: Sequence[str], written: int) -> str:
    """Return HTML: the pieces written so far, the last of them marked, and those to come pale; ▁ begins a word."""
    shown = []
    for place, piece in enumerate(pieces):
        kind = "now" if place == written - 1 else "later" if place >= written else ""
        space = " " if piece.startswith(SPACE_MARK) and place else ""
        shown.append(f'{space}<span class="{kind}">{html.escape(piece.removeprefix(SPACE_MARK))}</span>')
    return f'<p class="german" lang="de">{"".join(shown)}</p>'
