"""The files of two maps and their difference, wherever two are compared."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from app import export, state
from app.exporting import Makers, picture_makers
from app.figures.head_comparison import head_comparison
from app.figures.theme import Theme
from app.standalone import standalone_html
from model.analysis.comparison import AlignedPair


def comparison_makers(
    pair: AlignedPair, titles: tuple[str, str], message: bytes, provenance: Mapping, look: Theme
) -> Makers:
    """Return for each format the function that makes the file of two maps and their difference; `message` is the page's."""
    selection = state.selection()

    def svg() -> str:
        return head_comparison(
            pair, theme=look, title=provenance["picture"]["title"], titles=titles, scale=selection.scale,
            common=selection.common, provenance=provenance,
        )  # fmt: skip

    return picture_makers(svg, provenance) | {
        "CSV": lambda: export.frame_csv(pair_frame(pair), provenance),
        "NPZ": lambda: export.npz_bytes(_arrays(pair), provenance),
        "HTML": lambda: standalone_html("head_comparison", message, provenance),
    }


def pair_frame(pair: AlignedPair) -> pd.DataFrame:
    """Return one row per query and key of the common axes: both weights and their difference, empty where there is none."""
    queries, keys = pair.difference.shape
    return pd.DataFrame(
        {
            "query": np.repeat(np.arange(queries), keys),
            "query_token": np.repeat([export.cell(name) for name in pair.query.names], keys),
            "key": np.tile(np.arange(keys), queries),
            "key_token": np.tile([export.cell(name) for name in pair.key.names], queries),
            "first": pair.first.reshape(-1), "second": pair.second.reshape(-1), "difference": pair.difference.reshape(-1),
        }
    )  # fmt: skip


def _arrays(pair: AlignedPair) -> dict[str, np.ndarray]:
    return {
        "first": pair.first, "second": pair.second, "difference": pair.difference,
        "query_tokens": np.array(pair.query.names, dtype=np.str_), "key_tokens": np.array(pair.key.names, dtype=np.str_),
    }  # fmt: skip
