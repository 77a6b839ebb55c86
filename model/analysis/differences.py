"""What differs most between two attention views on common axes, as numbers."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float64

from model.analysis.comparison import AlignedPair


@dataclass(frozen=True, eq=False)
class DifferenceSummary:
    """How much two views differ, per query [query] (NaN for a query that one of them lacks) and in all.

    What a row gives to keys that the other view lacks, or to an attention sink, counts as one more key, so that both
    rows are distributions also where they were cut to what is common.

    mean_absolute[q] = mean_k |b - a|, over the keys that both have and one may attend to
    total_variation[q] = 1/2 sum_k |b - a|, in [0, 1]: the share of its attention that the query moves
    jensen_shannon[q] = H((a + b) / 2) - (H(a) + H(b)) / 2 in bits, in [0, 1] (Lin 1991)

    `correlation` is Pearson's, of the weights of all those cells (NaN where a side is constant); `shared` says how much of its
    attention an average query gives to keys that both have, in the first and in the second view.
    """

    mean_absolute: np.ndarray
    total_variation: np.ndarray
    jensen_shannon: np.ndarray
    correlation: float
    shared: tuple[float, float]

    @property
    def means(self) -> dict[str, float]:
        """Mean over the queries of each of the three, and the correlation."""
        names = ("mean_absolute", "total_variation", "jensen_shannon")
        return {name: _mean(getattr(self, name)) for name in names} | {"correlation": self.correlation}


def difference_summary(pair: AlignedPair) -> DifferenceSummary:
    """Return how much the two views of a pair differ, per query and in all."""
    shared = np.ix_(pair.query.shared, pair.key.shared)
    difference = pair.difference[shared].astype(np.float64)
    counted = ~np.isnan(difference)
    first, second = (np.nan_to_num(weights[shared].astype(np.float64)) for weights in (pair.first, pair.second))
    alive = counted.any(axis=1)
    rests = [np.clip(1 - weights.sum(axis=1), 0, None) for weights in (first, second)]
    whole = [np.column_stack([weights, rest]) for weights, rest in zip((first, second), rests, strict=True)]
    absolute = np.abs(np.where(counted, difference, 0)).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
    rows = {
        "mean_absolute": absolute,
        "total_variation": np.abs(whole[1] - whole[0]).sum(axis=1) / 2,
        "jensen_shannon": row_divergence(*whole),
    }
    return DifferenceSummary(
        **{name: _spread(np.where(alive, values, np.nan), pair.query.shared) for name, values in rows.items()},
        correlation=_correlation(first[counted], second[counted]),
        shared=(_mean(np.where(alive, first.sum(axis=1), np.nan)), _mean(np.where(alive, second.sum(axis=1), np.nan))),
    )


def row_divergence(
    first: Float64[np.ndarray, "query key"], second: Float64[np.ndarray, "query key"]
) -> Float64[np.ndarray, " query"]:
    """Return the Jensen-Shannon divergence of each row with its partner, in bits (Lin 1991): 0 alike, 1 nothing in common.

    JS[q] = 1/2 sum_k a log2(a / m) + b log2(b / m), with m = (a + b) / 2 and 0 log2 0 = 0
    """
    middle = (first + second) / 2
    parts = [one * np.log2(np.divide(one, middle, out=np.ones_like(one), where=one > 0)) for one in (first, second)]
    return np.clip(sum(parts).sum(axis=1) / 2, 0, 1)


def largest_rows(pair: AlignedPair, count: int = 10) -> pd.DataFrame:
    """Return the queries that move the largest share of their attention: query, token, total_variation, largest first."""
    values = difference_summary(pair).total_variation
    order = np.argsort(-np.nan_to_num(values, nan=-1), kind="stable")
    chosen = [int(query) for query in order if not np.isnan(values[query])][:count]
    rows = [(query, pair.query.names[query], float(values[query])) for query in chosen]
    return pd.DataFrame(rows, columns=["query", "query_token", "total_variation"])


def largest_cells(pair: AlignedPair, count: int = 10) -> pd.DataFrame:
    """Return the weights that differ most: both places with their tokens, first, second and difference, largest first.

    A weight that may not be attended to is the 0 that it is.
    """
    size = np.nan_to_num(np.abs(pair.difference), nan=-1).ravel()
    chosen = [place for place in np.argsort(-size, kind="stable")[:count] if size[place] >= 0]
    rows = []
    for query, key in zip(*np.unravel_index(np.array(chosen, dtype=int), pair.difference.shape), strict=True):
        weights = (float(np.nan_to_num(one[query, key])) for one in (pair.first, pair.second, pair.difference))
        rows.append((int(query), pair.query.names[query], int(key), pair.key.names[key], *weights))
    names = ["query", "query_token", "key", "key_token", "first", "second", "difference"]
    return pd.DataFrame(rows, columns=names)


def _spread(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    spread = np.full(len(places), np.nan)
    spread[places] = values
    return spread


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    if len(first) < 2 or first.std() == 0 or second.std() == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])
