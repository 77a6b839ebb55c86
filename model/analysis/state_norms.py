"""Length of hidden states through the layers: of every token, and of the few activations that outgrow all others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from model.errors import HeadscopeError

NORMS = ("L2", "RMS")
# What Sun et al. 2024 call massive: a magnitude above 100 that is 1,000 times the median of its layer.
MASSIVE_VALUE, MASSIVE_RATIO = 100.0, 1000.0
# A token is called out where its state is this many times as long as the median one of its layer.
OUTLIER_RATIO = 3.0


@dataclass(frozen=True)
class MassiveActivation:
    """One activation that outgrows the rest of its layer; `ratio` = |value| / median magnitude of all values of the layer."""

    layer: int
    position: int
    dimension: int
    value: float
    ratio: float


def check_states(states: Sequence[np.ndarray]) -> None:
    """Raise HeadscopeError unless these are the states of one text: each [position, d_model], alike in shape, all finite."""
    if len({table.shape for table in states}) != 1 or states[0].ndim != 2 or not states[0].size:
        raise HeadscopeError("Hidden states are taken of one text, as many tokens and dimensions in every layer.")
    if not all(np.isfinite(table).all() for table in states):
        raise HeadscopeError(
            "Some hidden states are not finite numbers: the model overflows in this precision. Load it in float32."
        )


def state_norms(
    states: Sequence[Float[np.ndarray, "position d_model"]], kind: str = "L2"
) -> Float64[np.ndarray, "layer position"]:
    """Return how long the state of every token is in every layer; layer 0 is the input of the first block.

    L2 = sqrt(sum_d x[d]^2)      RMS = sqrt(mean_d x[d]^2) = L2 / sqrt(d_model), which compares models of unlike width

    Raises HeadscopeError for another kind, or states of several texts.
    """
    if kind not in NORMS:
        raise HeadscopeError(f"There is no norm “{kind}”. Choose {' or '.join(NORMS)}.")
    check_states(states)
    squares = np.stack([np.square(table, dtype=np.float64).sum(axis=1) for table in states])
    return np.sqrt(squares if kind == "L2" else squares / states[0].shape[1])


def outlier_tokens(
    norms: Float[np.ndarray, "layer position"], ratio: int | float = OUTLIER_RATIO
) -> Bool[np.ndarray, "layer position"]:
    """Return True where  norm[layer, position] > ratio * median_position norm[layer]  (Sun et al. 2024 find such tokens).

    It takes at least three tokens for one to stand out; with fewer nothing does. Raises HeadscopeError for a ratio below 1.
    """
    if ratio < 1:
        raise HeadscopeError("A token stands out by a ratio of at least 1 to the median: give a larger number.")
    if norms.shape[1] < 3:
        return np.zeros(norms.shape, dtype=bool)
    return norms > ratio * np.median(norms, axis=1, keepdims=True)


def massive_activations(
    states: Sequence[Float[np.ndarray, "position d_model"]],
    *,
    value: int | float = MASSIVE_VALUE,
    ratio: int | float = MASSIVE_RATIO,
) -> tuple[MassiveActivation, ...]:
    """Return the massive activations of every layer, the largest of a layer first (Sun et al. 2024, section 2).

    |x[position, dimension]| > value   and   |x[position, dimension]| > ratio * median over the layer of |x|

    The paper's 100 and 1,000 are those of models of billions of parameters; small models mostly have none.
    Raises HeadscopeError for states of several texts.
    """
    check_states(states)
    found = []
    for layer, table in enumerate(states):
        magnitude = np.abs(table)
        # The median of a layer is slow, and mostly not needed.
        if magnitude.max() <= value:
            continue
        median = float(np.median(magnitude))
        places = np.argwhere(magnitude > max(value, ratio * median))
        for position, dimension in sorted(places.tolist(), key=lambda place: -magnitude[tuple(place)]):
            own = float(table[position, dimension])
            found.append(MassiveActivation(layer, position, dimension, own, abs(own) / median if median else np.inf))
    return tuple(found)
