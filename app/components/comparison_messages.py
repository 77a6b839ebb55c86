"""What the comparison of two heads is sent: a pure function from aligned weights to one bytes value."""

import numpy as np

from app.components.packing import pack, palettes
from app.figures.head_comparison import (
    difference_limit,
    difference_title,
    grey_name,
    present_items,
    quiet_labels,
    weight_top,
)
from model.analysis.comparison import AlignedPair
from model.analysis.differences import difference_summary
from model.errors import HeadscopeError

MOST_CELLS = 1_000_000


def comparison_message(
    pair: AlignedPair, *, titles: tuple[str, str], description: str, selected: str, scale: str, common: bool
) -> bytes:
    """Return the message of two heads and their difference: exact float32 [query, key], NaN where masked or missing.

    `titles` names the two; `selected` is "" or "q3" (a row) or "k5" (a column) of the common axes. The two share a scale
    from 0 to 1 (`common`) or to the larger of their maxima; the difference has its own, symmetric about 0.
    Raises HeadscopeError for more than MOST_CELLS cells, each of which is sent three times.
    """
    if pair.difference.size > MOST_CELLS:
        rows, columns = pair.difference.shape
        raise HeadscopeError(
            f"These maps have {rows} by {columns} cells, and at most {MOST_CELLS:,} are compared. Shorten the text."
        )
    header = {
        "titles": [*titles, difference_title(titles)],
        "description": description,
        "query_tokens": pair.query.names,
        "key_tokens": pair.key.names,
        "query_quiet": quiet_labels(pair.query),
        "key_quiet": quiet_labels(pair.key),
        "query_present": present_items(pair.query),
        "key_present": present_items(pair.key),
        "selected": selected,
        "scale": scale,
        "maximum": weight_top(pair, common),
        "limit": difference_limit(pair),
        "masked": grey_name(pair),
        "palettes": palettes(),
    }
    changes = difference_summary(pair).total_variation.astype(np.float32)
    arrays = {"first": pair.first, "second": pair.second, "difference": pair.difference, "total_variation": changes}
    return pack(header, arrays)
