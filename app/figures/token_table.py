"""Tokens as a table: what each is in the vocabulary, and why its word is split; every character is escaped."""

import html
from collections.abc import Sequence
from itertools import groupby

from app.figures.svg import clean
from model.segmentation import TokenExplanation

HEADINGS = ("Position", "Token", "Vocabulary entry", "Id", "Kind", "Why")


def token_table(explained: Sequence[TokenExplanation]) -> str:
    """Return an HTML table, one row per token; the reason stands once for the tokens of a word."""
    rows = []
    for _, group in groupby(explained, key=_word_of):
        members = list(group)
        reason = f'<td class="why" rowspan="{len(members)}">{html.escape(members[0].reason)}</td>'
        rows += [f"<tr>{_cells(entry)}{'' if index else reason}</tr>" for index, entry in enumerate(members)]
    headings = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
    return f'<table class="token-table"><tr>{headings}</tr>{"".join(rows)}</table>'


def _word_of(entry: TokenExplanation) -> tuple:
    return (entry.position,) if entry.word is None else (entry.word, entry.reason)


def _cells(entry: TokenExplanation) -> str:
    cells = (
        (str(entry.position), "number"),
        (entry.display, "mono"),
        (clean(entry.entry), "mono"),
        ("" if entry.id is None else str(entry.id), "number"),
        (entry.kind, ""),
    )
    return "".join(f'<td class="{kind}">{html.escape(text)}</td>' for text, kind in cells)
