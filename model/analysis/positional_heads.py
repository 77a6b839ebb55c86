"""Positional heads: those whose strongest attention lies at one fixed offset, wherever the query stands."""

import pandas as pd

from model.analysis.score_names import OFFSETS, POSITIONAL, offset_name

# Voita et al. 2019: at least 90 per cent of the time.
POSITIONAL_SHARE = 0.9
_HEAD = ["stack", "layer", "head"]


def positional_share(frame: pd.DataFrame, by: str = "value") -> pd.DataFrame:
    """Return for each head the row of its best offset, as score "positional" with one more column, `offset` = key - query.

    share = max over offsets of (rows whose maximum lies at the offset) / (rows that have such a key)   (Voita et al. 2019)

    `frame` has the scores of a study (stack, layer, head, score, value, count, ...); `by` is the column that the best offset is
    chosen on, so that it can be chosen on one half of the texts ("first") and read from the other ("second"). Offsets that
    fewer than half of all rows have are left out: the last rows of short texts would decide. Of equal ones the nearest wins.
    """
    offsets = {offset_name(offset): offset for offset in OFFSETS}
    rows = frame[frame["score"] == "entropy"].set_index(_HEAD)["count"].rename("rows")
    found = frame[frame["score"].isin(offsets)].join(rows, on=_HEAD)
    found = found[found["count"] * 2 >= found["rows"]].dropna(subset=[by]).drop(columns="rows")
    found = found.assign(offset=found["score"].map(offsets), score=POSITIONAL)
    found = found.assign(distance=found["offset"].abs()).sort_values(
        [by, "distance"], ascending=[False, True], kind="stable"
    )
    return found.drop_duplicates(_HEAD).drop(columns="distance").sort_values(_HEAD).reset_index(drop=True)
