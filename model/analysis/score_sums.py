"""Sums of scores over rows, kept per text so that means, intervals and parts of a corpus can be made of them by addition."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

# Two-sided 95 % of a normal distribution.
NORMAL_QUANTILE = 1.959964


@dataclass(frozen=True, eq=False)
class ScoreSums:
    """What the heads of one layer did in several texts: for each score a sum over rows, and how many rows there were.

    `names` [score]; `values` [score, text, head] = sum over the rows (or words) for which the score is defined;
    `baselines` [score, text] = the same sum if attention were uniform over what may be attended to (NaN where that is no
    baseline); `counts` [score, text] = the number of those rows. The score of a text is value / count.
    """

    names: tuple[str, ...]
    values: Float64[np.ndarray, "score text head"]
    baselines: Float64[np.ndarray, "score text"]
    counts: Float64[np.ndarray, "score text"]


def joined(parts: Sequence[ScoreSums]) -> ScoreSums:
    """Return several kinds of scores of the same layer and texts as one."""
    return ScoreSums(
        tuple(name for part in parts for name in part.names),
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.baselines for part in parts]),
        np.concatenate([part.counts for part in parts]),
    )


@dataclass(frozen=True, eq=False)
class RatioMoments:
    """Moments of scores over texts, from which follow mean and interval of each; the moments of two corpora add up.

    score[h] = sum_t value[t, h] / sum_t count[t], the mean over all rows of all texts.
    `texts` [score] counts the texts in which a score is defined; the others are sums over texts: `value` and `squared`
    (value^2) and `crossed` (value * count) [score, head], `baseline`, `count` and `count_squared` [score].
    """

    texts: Float64[np.ndarray, " score"]
    value: Float64[np.ndarray, "score head"]
    squared: Float64[np.ndarray, "score head"]
    crossed: Float64[np.ndarray, "score head"]
    baseline: Float64[np.ndarray, " score"]
    count: Float64[np.ndarray, " score"]
    count_squared: Float64[np.ndarray, " score"]

    def __add__(self, other: "RatioMoments") -> "RatioMoments":
        return RatioMoments(*(getattr(self, name) + getattr(other, name) for name in _FIELDS))

    @property
    def means(self) -> Float64[np.ndarray, "score head"]:
        """The score of every head; NaN where no text has a row for it."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.value / self.count[:, None]

    @property
    def baselines(self) -> Float64[np.ndarray, " score"]:
        """What uniform attention would score."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.baseline / self.count

    @property
    def standard_errors(self) -> Float64[np.ndarray, "score head"]:
        """The standard error of each mean, texts being drawn: of a ratio of two sums (Cochran 1977, section 2.11).

        se = sqrt(n / (n - 1) * sum_t (value[t] - mean * count[t])^2) / sum_t count[t]; NaN with fewer than two texts.
        """
        means = self.means
        spread = self.squared - 2 * means * self.crossed + means**2 * self.count_squared[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            correction = np.where(self.texts > 1, self.texts / (self.texts - 1), np.nan)[:, None]
            return np.sqrt(correction * np.maximum(spread, 0)) / self.count[:, None]


_FIELDS = tuple(RatioMoments.__dataclass_fields__)


def moments_of(sums: ScoreSums, chosen: slice | np.ndarray = slice(None)) -> RatioMoments:
    """Return the moments of the scores over the `chosen` texts."""
    values, counts = sums.values[:, chosen], sums.counts[:, chosen]
    return RatioMoments(
        texts=(counts > 0).sum(axis=1).astype(np.float64),
        value=values.sum(axis=1),
        squared=(values**2).sum(axis=1),
        crossed=(values * counts[..., None]).sum(axis=1),
        baseline=sums.baselines[:, chosen].sum(axis=1),
        count=counts.sum(axis=1),
        count_squared=(counts**2).sum(axis=1),
    )
