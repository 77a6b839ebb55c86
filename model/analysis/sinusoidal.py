"""Sinusoidal positions: what the encodings are, and why an offset is a rotation (Vaswani et al. 2017, section 3.5)."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64

from model.architectures.positions import rotation, sinusoids
from model.errors import HeadscopeError


@dataclass(frozen=True, eq=False)
class FrequencyPair:
    """One pair of dimensions (2i, 2i + 1): its two curves [position], its wavelength in positions, its turn in radians.

    sine(pos) = sin(w pos), cosine(pos) = cos(w pos), wavelength = 2 pi / w, turn = w * offset
    """

    pair: int
    offset: int
    sine: Float32[np.ndarray, " position"]
    cosine: Float32[np.ndarray, " position"]
    wavelength: float
    turn: float


def encodings(positions: int, d_model: int, base: float = 10000.0) -> Float32[np.ndarray, "position d_model"]:
    """Return the encodings of positions 0, 1, ... (see `sinusoids`); raises HeadscopeError for an odd d_model."""
    _check_sizes(positions, d_model)
    return sinusoids(torch.arange(positions), d_model, base).numpy()


def wavelengths(d_model: int, base: float = 10000.0) -> Float64[np.ndarray, " pair"]:
    """Return the wavelength of every pair of dimensions, in positions: 2 pi base^(2i / d_model)."""
    _check_sizes(1, d_model)
    return 2 * np.pi * base ** (np.arange(0, d_model, 2) / d_model)


def encoding_products(positions: int, d_model: int, base: float = 10000.0) -> Float32[np.ndarray, "position position"]:
    """Return PE(p) . PE(q) = sum_i cos(w_i (p - q)), which depends on the distance alone; d_model / 2 on the diagonal."""
    table = encodings(positions, d_model, base)
    return table @ table.T


def offset_matrix(offset: int, d_model: int, base: float = 10000.0) -> Float32[np.ndarray, "d_model d_model"]:
    """Return M_k with PE(pos + k) = M_k PE(pos) at every pos: one rotation by the angle w_i k per pair of dimensions.

    block i = [[cos(w_i k), sin(w_i k)], [-sin(w_i k), cos(w_i k)]],  w_i = base^(-2i / d_model)
    """
    _check_sizes(1, d_model)
    cosine, sine = (values[0].numpy() for values in rotation(torch.tensor([offset]), d_model, base))
    matrix = np.zeros((d_model, d_model), dtype=np.float32)
    even = np.arange(0, d_model, 2)
    matrix[even, even], matrix[even, even + 1] = cosine, sine
    matrix[even + 1, even], matrix[even + 1, even + 1] = -sine, cosine
    return matrix


def offset_errors(
    offset: int, positions: int, d_model: int, base: float = 10000.0
) -> Float32[np.ndarray, "position d_model"]:
    """Return M_k PE(pos) - PE(pos + k) in float32, at positions from max(0, -k) on (those whose pos + k is none are left out).

    What is not zero is rounding: an angle a of the float32 table is rounded to about 6e-8 a.
    """
    _check_sizes(positions, d_model)
    first = max(0, -offset)
    start = torch.arange(first, first + positions)
    turned = sinusoids(start, d_model, base).numpy() @ offset_matrix(offset, d_model, base).T
    return turned - sinusoids(start + offset, d_model, base).numpy()


def frequency_pair(pair: int, offset: int, positions: int, d_model: int, base: float = 10000.0) -> FrequencyPair:
    """Return one pair's curves and its rotation by an offset; raises HeadscopeError where there is no such pair."""
    _check_sizes(positions, d_model)
    if not 0 <= pair < d_model // 2:
        raise HeadscopeError(f"There are frequency pairs 0 to {d_model // 2 - 1}; there is no pair {pair}.")
    table = encodings(positions, d_model, base)
    wavelength = float(wavelengths(d_model, base)[pair])
    turn = 2 * np.pi * offset / wavelength
    return FrequencyPair(pair, offset, table[:, 2 * pair], table[:, 2 * pair + 1], wavelength, turn)


def _check_sizes(positions: int, d_model: int) -> None:
    if positions < 1 or d_model < 2 or d_model % 2:
        raise HeadscopeError(
            f"Sinusoidal positions come in pairs of dimensions: give at least one position ({positions}) and an even d_model "
            f"({d_model})."
        )
