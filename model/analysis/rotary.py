"""Rotary positions: how the score of a query and a key changes with their distance (Su et al. 2021)."""

import numpy as np
from jaxtyping import Float, Integer

Frequencies = Float[np.ndarray, " pair"]
Distances = Integer[np.ndarray, " distance"]


def rotary_angles(frequencies: Frequencies, distances: Distances) -> Float[np.ndarray, "distance pair"]:
    """Return the angle, in radians, by which each pair of dimensions is turned over a distance: theta_i * distance."""
    return np.multiply.outer(distances.astype(np.float64), frequencies.astype(np.float64))


def rotary_scores(
    query: Float[np.ndarray, " d_head"],
    key: Float[np.ndarray, " d_head"],
    frequencies: Frequencies,
    distances: Distances,
    interleaved: bool = True,
) -> Float[np.ndarray, " distance"]:
    """Return the score q.k, before scaling, of a fixed query and key against distance = query position - key position.

    score(d) = sum_i |q_i| |k_i| cos(theta_i d + phase_i) + q_rest . k_rest,  phase_i = angle of q_i - angle of k_i

    Pair i is dimensions (2i, 2i + 1) where `interleaved` (Su et al. 2021), else (i, i + pairs) as in Llama. Dimensions that no
    pair covers are not turned.
    """
    turned = 2 * len(frequencies)
    q, k = (_complex(vector[:turned], interleaved) for vector in (query, key))
    products = q * k.conj()
    waves = np.abs(products) * np.cos(rotary_angles(frequencies, distances) + np.angle(products))
    rest = query[turned:].astype(np.float64) @ key[turned:].astype(np.float64)
    return waves.sum(axis=1) + rest


def rotary_bound(frequencies: Frequencies, distances: Distances) -> Float[np.ndarray, " distance"]:
    """Return the mean of the partial sums that bound how fast the score decays (Su et al. 2021, section 3.4.3).

    bound(d) = 1/P sum_(j = 1..P) |S_j|,  S_j = sum_(i < j) e^(sqrt(-1) theta_i d), P pairs; (P + 1) / 2 at distance 0
    """
    partial = np.exp(1j * rotary_angles(frequencies, distances)).cumsum(axis=1)
    return np.abs(partial).mean(axis=1)


def _complex(vector: np.ndarray, interleaved: bool) -> np.ndarray:
    vector = vector.astype(np.float64)
    first, second = (vector[0::2], vector[1::2]) if interleaved else np.split(vector, 2)
    return first + 1j * second
