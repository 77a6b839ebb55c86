"""Intervals for means of examples that come in clusters: sentences of one template are not independent of each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float64

from model.errors import HeadscopeError

DRAWS = 2000
COVERAGE = 0.95
# Below about this many clusters a percentile interval is too narrow.
FEW_CLUSTERS = 20


@dataclass(frozen=True, eq=False)
class ClusterBootstrap:
    """Whole clusters drawn with replacement, as often as there are clusters (Efron & Tibshirani 1993, Davison & Hinkley 1997).

    `numbers` [example] is the cluster of each example, counted from 0 by first appearance. The draws depend on nothing
    but the number of clusters and the seed, so that two means of the same examples are drawn together.
    """

    numbers: np.ndarray
    draws: int = DRAWS
    seed: int = 0

    @property
    def clusters(self) -> int:
        """Number of clusters."""
        return int(self.numbers.max()) + 1

    @cached_property
    def counts(self) -> Float64[np.ndarray, "draw cluster"]:
        """How often each draw holds each cluster; rows sum to the number of clusters."""
        generator = np.random.default_rng(self.seed)
        share = np.full(self.clusters, 1 / self.clusters)
        return generator.multinomial(self.clusters, share, size=self.draws).astype(np.float64)

    def means(
        self, values: Float[np.ndarray, "example column"], chosen: Bool[np.ndarray, " example"] | None = None
    ) -> tuple[Float64[np.ndarray, " column"], Float64[np.ndarray, "draw column"]]:
        """Return the mean over the `chosen` examples and the mean of each draw, NaN where a draw holds none of them.

        mean_d = sum_c count[d, c] * sum_{i in c} value[i] / sum_c count[d, c] * size[c], size counting chosen examples
        """
        chosen = np.ones(len(values), dtype=bool) if chosen is None else chosen
        if not chosen.any():
            raise HeadscopeError("There is no example to take a mean of: choose at least one.")
        sums = np.zeros((self.clusters, values.shape[1]))
        np.add.at(sums, self.numbers[chosen], values[chosen].astype(np.float64))
        sizes = np.bincount(self.numbers[chosen], minlength=self.clusters).astype(np.float64)
        drawn = (self.counts @ sizes)[:, None]
        draws = np.divide(
            self.counts @ sums, drawn, out=np.full((self.draws, values.shape[1]), np.nan), where=drawn > 0
        )
        return sums.sum(axis=0) / sizes.sum(), draws


def cluster_numbers(clusters: Sequence[str]) -> np.ndarray:
    """Return the number of each example's cluster, int64 [example], counted from 0 by first appearance."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(clusters))}
    return np.array([numbers[name] for name in clusters], dtype=np.int64)


def percentile_interval(draws: Float[np.ndarray, "draw column"]) -> Float64[np.ndarray, "bound column"]:
    """Return the lower and upper bound between which the middle 95 % of the draws lie, draws that are NaN left out."""
    tail = (1 - COVERAGE) / 2
    quantile = np.nanquantile if np.isnan(draws).any() else np.quantile
    return quantile(draws.astype(np.float64), (tail, 1 - tail), axis=0)
