"""What differs most between two attention maps, as small HTML tables."""

import html

import pandas as pd

from app.figures.score_grid import written


def rows_table(rows: pd.DataFrame) -> str:
    """Return the queries that move the largest share of their attention."""
    body = "".join(
        f"<tr><td>{html.escape(row.query_token)}</td><td>{row.query}</td><td>{row.total_variation:.3f}</td></tr>"
        for row in rows.itertuples()
    )
    caption = "<caption>Queries that move most of their attention</caption>"
    return f'<table class="head-table numbers">{caption}<tr><th>token</th><th>row</th><th>moved</th></tr>{body}</table>'


def cells_table(cells: pd.DataFrame, titles: tuple[str, str]) -> str:
    """Return the weights that differ most."""
    body = "".join(
        f"<tr><td>{html.escape(cell.query_token)} → {html.escape(cell.key_token)}</td><td>{cell.first:.3f}</td>"
        f"<td>{cell.second:.3f}</td><td>{signed(cell.difference)}</td></tr>"
        for cell in cells.itertuples()
    )
    names = "".join(f"<th>{html.escape(name)}</th>" for name in ("query → key", *titles, "difference"))
    return (
        f'<table class="head-table numbers"><caption>Weights that differ most</caption><tr>{names}</tr>{body}</table>'
    )


def signed(value: float) -> str:
    """Return a difference with its sign and three decimals."""
    text = written(value)
    return text if text.startswith("−") or float(text) == 0 else f"+{text}"
