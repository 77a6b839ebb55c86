"""Heads in the order of their margin as a table, as HTML; nothing in it comes from a text but the names of candidates."""

import html
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class HeadRow:
    """One head: its name, margin, score of the right candidate and of the best other one, and its share right elsewhere."""

    name: str
    margin: float
    right: float
    other: float
    elsewhere: float | None
    chosen: bool = False


def head_table(rows: Sequence[HeadRow], right: str, others: str, elsewhere: str) -> str:
    """Return an HTML table; the captions of its columns name the candidates."""
    columns = ["Head", "Margin", right, others, *([elsewhere] if elsewhere else [])]
    headings = "".join(f'<th title="{html.escape(column)}">{html.escape(column)}</th>' for column in columns)
    body = "".join(_row(row, bool(elsewhere)) for row in rows)
    return f'<table class="head-table"><tr>{headings}</tr>{body}</table>'


def _row(row: HeadRow, elsewhere: bool) -> str:
    width = 100 * min(1.0, abs(row.margin))
    side = "minus" if row.margin < 0 else "plus"
    cells = [
        f"<td>{row.name}</td>",
        f'<td class="bar {side}"><i style="width:{width:.1f}%"></i><b>{row.margin:+.3f}</b></td>',
    ]
    cells += [f"<td>{value:.3f}</td>" for value in (row.right, row.other)]
    if elsewhere:
        cells.append(f"<td>{'' if row.elsewhere is None else f'{100 * row.elsewhere:.0f} %'}</td>")
    return f"<tr{' class=marked' if row.chosen else ''}>{''.join(cells)}</tr>"
