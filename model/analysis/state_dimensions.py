"""Hidden states as a table of tokens and dimensions: in which order the dimensions stand, and which are outliers."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from model.analysis.state_norms import check_states
from model.errors import HeadscopeError

ORDERS = ("as they are", "variance", "mean magnitude", "clustered")
# A table of more columns is shown in parts.
MOST_COLUMNS = 1024
# The tree of 4,096 dimensions takes about two seconds; the time for the best order of its leaves grows with the third power.
MOST_CLUSTERED, MOST_BEST_ORDERED = 4096, 512
OUTLIER_SIGMAS = 3.0


@dataclass(frozen=True, eq=False)
class StateTable:
    """Some dimensions of a layer's states: `values` float32 [position, column], and of each column its dimension in d_model.

    `first` is the place of the first column in the whole order, `total` the number of dimensions there are.
    """

    values: np.ndarray
    dimensions: np.ndarray
    first: int
    total: int

    @property
    def names(self) -> tuple[str, ...]:
        """The number of each column's dimension as a string."""
        return tuple(str(dimension) for dimension in self.dimensions.tolist())


@dataclass(frozen=True)
class OutlierDimension:
    """A dimension far from the others: its mean and standard deviation over tokens, and how far from those of all dimensions.

    `mean_sigmas` and `deviation_sigmas` are in standard deviations over dimensions, with their sign; `share` of the tokens
    in which its value is an outlier among the dimensions of that token.
    """

    dimension: int
    mean: float
    deviation: float
    mean_sigmas: float
    deviation_sigmas: float
    share: float

    @property
    def sigmas(self) -> float:
        """The larger of the two distances that make it an outlier."""
        return max(abs(self.mean_sigmas), self.deviation_sigmas)


def state_table(
    states: Float[np.ndarray, "position d_model"],
    order: str = "as they are",
    *,
    first: int = 0,
    count: int | None = None,
) -> StateTable:
    """Return `count` columns of a layer's states from place `first` of an order on (see `dimension_order`).

    Without a count it is as many as there are, at most 1,024. Raises HeadscopeError for more, or a place outside the order.
    """
    total = states.shape[1]
    if not 0 <= first < total:
        raise HeadscopeError(f"This layer has {total} dimensions: begin at 0 to {total - 1}.")
    count = min(total - first, MOST_COLUMNS) if count is None else count
    if not 1 <= count <= min(total - first, MOST_COLUMNS):
        raise HeadscopeError(
            f"A table holds at most {MOST_COLUMNS} of the {total} dimensions at once: choose 1 to "
            f"{min(total - first, MOST_COLUMNS)} from place {first} on."
        )
    dimensions = dimension_order(states, order)[first : first + count]
    return StateTable(np.asarray(states[:, dimensions], dtype=np.float32), dimensions, first, total)


def dimension_order(
    states: Float[np.ndarray, "position d_model"], order: str = "as they are"
) -> Int64[np.ndarray, " d_model"]:
    """Return the dimensions of a layer in an order of `ORDERS`.

    variance        largest variance over tokens first
    mean magnitude  largest mean over tokens of |x| first
    clustered       leaves of the tree of average linkage over the distance 1 - correlation over tokens; up to 512
                    dimensions in the order in which neighbours are nearest (Bar-Joseph et al. 2001)

    Ties stay as they are. Raises HeadscopeError for another order, and for the clustered one with more than 4,096 dimensions
    or fewer than two tokens.
    """
    check_states([states])
    values = np.asarray(states, dtype=np.float64)
    if order == "as they are":
        return np.arange(values.shape[1])
    if order == "variance":
        return np.argsort(-values.var(axis=0), kind="stable")
    if order == "mean magnitude":
        return np.argsort(-np.abs(values).mean(axis=0), kind="stable")
    if order == "clustered":
        return _clustered(values)
    raise HeadscopeError(f"There is no order “{order}”. Choose {', '.join(ORDERS)}.")


def outlier_dimensions(
    states: Float[np.ndarray, "position d_model"], sigmas: int | float = OUTLIER_SIGMAS
) -> tuple[OutlierDimension, ...]:
    """Return the outlier dimensions of a layer, the farthest out first.

    A dimension d is one where, m and s being its mean and standard deviation over tokens,

        |m[d] - mean m| > sigmas * std m   or   s[d] - mean s > sigmas * std s     (mean and std over dimensions)

    and in more than half of the tokens t  |x[t, d] - mean_d x[t]| > sigmas * std_d x[t]. The first is the rule of Kovaleva
    et al. 2021, there of the parameters of layer normalisation; that it lasts over tokens is asked as in Dettmers et al. 2022.
    Of n dimensions none is farther out than sqrt(n - 1), so that 3 finds nothing among ten. Raises HeadscopeError for a bound
    that is not positive.
    """
    if sigmas <= 0:
        raise HeadscopeError("An outlier is so many standard deviations away: give a number above 0.")
    check_states([states])
    values = np.asarray(states, dtype=np.float64)
    means, deviations = values.mean(axis=0), values.std(axis=0)
    mean_sigmas, deviation_sigmas = _standardised(means), _standardised(deviations)
    shares = (np.abs(_standardised(values)) > sigmas).mean(axis=0)
    far = (np.abs(mean_sigmas) > sigmas) | (deviation_sigmas > sigmas)
    columns = (means, deviations, mean_sigmas, deviation_sigmas, shares)
    found = [
        OutlierDimension(dimension, *(float(column[dimension]) for column in columns))
        for dimension in np.flatnonzero(far & (shares > 0.5)).tolist()
    ]
    return tuple(sorted(found, key=lambda one: -one.sigmas))


def _clustered(values: np.ndarray) -> np.ndarray:
    positions, dimensions = values.shape
    if dimensions > MOST_CLUSTERED or positions < 2:
        raise HeadscopeError(
            f"Dimensions are clustered by their correlation over at least two tokens, at most {MOST_CLUSTERED} of them; here "
            f"are {positions} tokens and {dimensions} dimensions. Choose another order."
        )
    if dimensions == 1:
        return np.zeros(1, dtype=np.int64)
    # Slow to import, and nothing else needs it.
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    centred = values - values.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=0)
    # A dimension that never changes correlates with none; rounding must not make it do so.
    constant = lengths <= 1e-9 * np.linalg.norm(values, axis=0)
    unit = np.where(constant, 0, centred / np.where(constant, 1, lengths))
    distances = np.clip(1 - unit.T @ unit, 0, 2)
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "average", optimal_ordering=dimensions <= MOST_BEST_ORDERED)
    return leaves_list(tree).astype(np.int64)


def _standardised(values: np.ndarray) -> np.ndarray:
    """Return how many standard deviations over the last axis a value is away from the mean over it; 0 where all are alike."""
    deviation = values.std(axis=-1, keepdims=True)
    centred = values - values.mean(axis=-1, keepdims=True)
    return np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 0)
