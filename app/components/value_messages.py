"""What the matrix of numbers is sent: a pure function from values and names to one bytes value."""

from collections.abc import Sequence

import numpy as np

from app.components.packing import pack, palettes
from app.figures.value_matrix import beyond_text, checked_values


def value_matrix_message(
    values: np.ndarray,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    row_title: str,
    column_title: str,
    label: str,
    limit: float,
    diverging: bool,
    description: str,
    marked_columns: Sequence[int] = (),
    marked_rows: Sequence[int] = (),
    selected: str = "",
    square: bool = False,
) -> bytes:
    """Return the message of values float32 [row, column]; NaN is a cell without a value.

    Diverging: the scale runs from -limit over 0 to +limit, otherwise from 0 to `limit`; what lies beyond has the colour of
    the end. `row_title` and `column_title` say what the axes are ("token", "dimension"), `label` what the values are. Marked
    rows and columns are places, not names, and so is `selected`: "", "r3", "c5" or "r3c5". What is picked comes back as
    {"row": 3, "column": 5}, with None for what is not picked. `square` cells suit a matrix of things with themselves.
    Raises HeadscopeError for more than MOST_CELLS cells, and ValueError where names and values disagree.
    """
    values = checked_values(values, rows, columns, limit)
    header = {
        "rows": list(rows),
        "columns": list(columns),
        "axes": [row_title, column_title],
        "label": label,
        "description": description,
        "limit": limit,
        "diverging": diverging,
        "beyond": beyond_text(values, limit, diverging),
        "missing": bool(np.isnan(values).any()),
        "marked_columns": [int(place) for place in marked_columns],
        "marked_rows": [int(place) for place in marked_rows],
        "selected": selected,
        "square": square,
        "palettes": palettes(),
    }
    return pack(header, {"values": values})
