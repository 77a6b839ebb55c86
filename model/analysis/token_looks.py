"""What one token looks at and what looks at it: its exact row and column, also of a head that is never held whole."""

from dataclasses import dataclass

import numpy as np

from model.analysis.view_axes import ViewAxes
from model.analysis.view_rows import ViewRows
from model.analysis.views import AttentionView, largest_weights, top_keys, top_queries

Pairs = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class TokenLooks:
    """The largest weights of one token, as (other token, weight), the largest first; None on an axis where it does not stand.

    `looks_at` are of its row, `looked_at_by` of its column; masked cells are in neither.
    """

    token: str
    looks_at: Pairs | None
    looked_at_by: Pairs | None


def looks_of_view(view: AttentionView, selected: str, *, same_sequence: bool, count: int = 10) -> TokenLooks | None:
    """Return the largest weights of the row ("q3") or column ("k5") that is selected, None where none is ("").

    Where both axes are of the same sequence, a token has a row and a column.
    """
    if not selected:
        return None
    row, column = row_and_column(view, selected, same_sequence)
    keys = None if row is None else _named(view.key_tokens, top_keys(view, row, count))
    queries = None if column is None else _named(view.query_tokens, top_queries(view, column, count))
    return TokenLooks(_name(view, selected), keys, queries)


def looks_of_rows(rows: ViewRows, selected: str, *, same_sequence: bool, count: int = 10) -> TokenLooks | None:
    """Return the same of a head whose rows are made on demand; the column is read a block of rows at a time."""
    if not selected:
        return None
    axes = rows.axes
    row, column = row_and_column(axes, selected, same_sequence)
    keys = queries = None
    if row is not None:
        weights, mask = rows.rows(row, row + 1)
        keys = _named(axes.key_tokens, largest_weights(weights[0], mask[0], count))
    if column is not None:
        parts = [(weights[:, column], mask[:, column]) for _, weights, mask in rows.blocks()]
        weights, mask = (np.concatenate(part) for part in zip(*parts, strict=True))
        queries = _named(axes.query_tokens, largest_weights(weights, mask, count))
    return TokenLooks(_name(axes, selected), keys, queries)


def row_and_column(axes: ViewAxes, selected: str, same_sequence: bool) -> tuple[int | None, int | None]:
    """Return the row and the column of a selected row ("q3") or column ("k5"), None where it has none."""
    place = int(selected[1:])
    if selected[0] == "q":
        return place, _matching(axes.query_positions, axes.key_positions, place) if same_sequence else None
    return _matching(axes.key_positions, axes.query_positions, place) if same_sequence else None, place


def _matching(positions: tuple[int, ...], others: tuple[int, ...], index: int) -> int | None:
    return others.index(positions[index]) if positions[index] in others else None


def _name(axes: ViewAxes, selected: str) -> str:
    return (axes.query_tokens if selected[0] == "q" else axes.key_tokens)[int(selected[1:])]


def _named(tokens: tuple[str, ...], pairs: list[tuple[int, float]]) -> Pairs:
    return tuple((tokens[place], weight) for place, weight in pairs)
