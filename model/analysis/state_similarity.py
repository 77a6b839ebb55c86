"""Directions of hidden states: cosines of tokens and of layers, and how narrow a cone all states of a layer lie in.

Linear CKA between layers and between models is `layer_similarity` in `similarity`.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64

from model.analysis.state_norms import check_states
from model.errors import HeadscopeError

# cosine_similarity of more states is refused: the table would hold more than this squared.
MOST_STATES = 4096


def cosine_similarity(states: Float[np.ndarray, "position d_model"]) -> Float64[np.ndarray, "position position"]:
    """Return the cosine of every two states of a layer, in [-1, 1]:  x_i . x_j / (|x_i| |x_j|).  NaN for a state that is 0.

    Raises HeadscopeError for more than 4,096 states.
    """
    _check_count(len(states))
    unit = unit_states(states)
    return np.clip(unit @ unit.T, -1, 1)


def layer_cosines(
    states: Sequence[Float[np.ndarray, "position d_model"]], position: int
) -> Float64[np.ndarray, "layer layer"]:
    """Return the cosine of one token's states in every two layers; layer 0 is the input of the first block.

    Raises HeadscopeError where there is no such position.
    """
    check_states(states)
    if not 0 <= position < len(states[0]):
        raise HeadscopeError(f"The text has positions 0 to {len(states[0]) - 1}; there is no position {position}.")
    return cosine_similarity(np.stack([table[position] for table in states]))


def mean_cosine_by_dimension(states: Float[np.ndarray, "position d_model"]) -> Float64[np.ndarray, " d_model"]:
    """Return what every dimension adds to the mean cosine of all pairs of different states (Timkey and van Schijndel 2021).

    mean[d] = ((sum_i u_i[d])^2 - sum_i u_i[d]^2) / (n (n - 1)),   u_i = x_i / |x_i|

    Their sum is `mean_cosine`. NaN where a state is 0. Raises HeadscopeError for fewer than two states.
    """
    count = len(states)
    if count < 2:
        raise HeadscopeError("A mean over pairs needs at least two states: take a longer text.")
    unit = unit_states(states)
    return (unit.sum(axis=0) ** 2 - (unit**2).sum(axis=0)) / (count * (count - 1))


def mean_cosine(states: Float[np.ndarray, "position d_model"]) -> float:
    """Return the exact mean of the cosines of all pairs of different states:  (|sum_i u_i|^2 - n) / (n (n - 1)).

    In [-1/(n-1), 1]. Of all tokens it is the anisotropy of a layer, of the occurrences of one word in several texts that
    word's self-similarity (Ethayarajh 2019). NaN where a state is 0. Raises HeadscopeError for fewer than two states.
    """
    return float(mean_cosine_by_dimension(states).sum())


def anisotropy(
    states: Sequence[Float[np.ndarray, "position d_model"]], *, centred: bool = False
) -> Float64[np.ndarray, " layer"]:
    """Return the mean cosine of all pairs of states of every layer: 0 where directions are spread evenly, 1 where all are one.

    Ethayarajh 2019 draws words from many contexts at random; here it is all pairs of the states given, so that those of one
    text, which share its context, come out higher: pass `joined_states` of several texts. `centred` first takes away the mean
    vector of the layer, the part that all states have in common; what is left is about -1/(n-1) for states without any other.
    NaN where a state is 0 (with `centred`: is the mean). Raises HeadscopeError for fewer than two states.
    """
    check_states(states)
    return np.array([mean_cosine(_without_mean(table) if centred else table) for table in states])


def joined_states(texts: Sequence[Sequence[np.ndarray]]) -> tuple[Float[np.ndarray, "state d_model"], ...]:
    """Return the states of several texts, each a list of [position, d_model], as one table a layer, text after text.

    Raises HeadscopeError where they are not of one model.
    """
    if not texts or len({(len(states), *(table.shape[1] for table in states)) for states in texts}) != 1:
        raise HeadscopeError("States of several texts are joined layer by layer: record them all with one model.")
    return tuple(np.concatenate(tables) for tables in zip(*texts, strict=True))


def unit_states(states: Float[np.ndarray, "*state d_model"]) -> Float64[np.ndarray, "*state d_model"]:
    """Return the states with length 1, x / |x|; NaN for a state that is 0."""
    values = np.asarray(states, dtype=np.float64)
    lengths = np.linalg.norm(values, axis=-1, keepdims=True)
    return np.divide(values, lengths, out=np.full_like(values, np.nan), where=lengths > 0)


def _without_mean(states: np.ndarray) -> np.ndarray:
    centred = states - states.mean(axis=0, dtype=np.float64)
    # Of a state that is the mean itself, only rounding is left, and that has no direction.
    kept = np.linalg.norm(centred, axis=1) > 1e-9 * np.linalg.norm(states, axis=1).max()
    return np.where(kept[:, None], centred, 0)


def _check_count(count: int) -> None:
    if count > MOST_STATES:
        raise HeadscopeError(
            f"A table of cosines holds at most {MOST_STATES} states and these are {count}: take a shorter text."
        )
