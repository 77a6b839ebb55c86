"""Position tables compared: position with position, and one table with another."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from model.errors import HeadscopeError


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """Coordinates [position, component] along the principal axes, and the share [component] of the variance of each."""

    coordinates: np.ndarray
    shares: np.ndarray


def position_cosines(table: Float[np.ndarray, "position d_model"]) -> Float[np.ndarray, "position position"]:
    """Return x_p . x_q / (|x_p| |x_q|), in [-1, 1]; NaN where a row is zero (as a padding row is)."""
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    unit = np.divide(table, lengths, out=np.full_like(table, np.nan), where=lengths > 0)
    return np.clip(unit @ unit.T, -1, 1)


def position_components(table: Float[np.ndarray, "position d_model"], count: int = 3) -> PrincipalComponents:
    """Return the principal components of the rows: X - mean = U S V^T, coordinates U S, shares S^2 / sum(S^2).

    The sign of each component is such that its largest coordinate is positive.
    """
    left, sizes, _ = np.linalg.svd(_centred(table), full_matrices=False)
    count = min(count, len(sizes))
    coordinates = left[:, :count] * sizes[:count]
    largest = np.abs(coordinates).argmax(axis=0)
    signs = np.sign(coordinates[largest, np.arange(count)])
    variance = sizes**2
    shares = variance[:count] / max(variance.sum(), np.finfo(np.float64).tiny)
    return PrincipalComponents(coordinates * np.where(signs == 0, 1, signs), shares)


def linear_cka(first: Float[np.ndarray, "position d_first"], second: Float[np.ndarray, "position d_second"]) -> float:
    """Return the linear centred kernel alignment of two tables over the same positions (Kornblith et al. 2019, section 3).

    CKA = |Y^T X|^2 / (|X^T X| |Y^T Y|), X and Y centred over positions, Frobenius norms

    It is 1 where one is the other turned and scaled as a whole, so that the order of dimensions does not matter. Chance is
    above 0, the more so the fewer positions there are beside dimensions. Raises HeadscopeError for fewer than two positions,
    or a table that is the same at all.
    """
    x, y = _centred(first), _centred(second)
    scale = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    if len(x) < 2 or len(x) != len(y) or not scale > 0:
        raise HeadscopeError("Give two tables over the same positions, at least two, which are not all alike.")
    return float(np.linalg.norm(y.T @ x) ** 2 / scale)


def _centred(table: np.ndarray) -> np.ndarray:
    table = np.asarray(table, dtype=np.float64)
    return table - table.mean(axis=0, keepdims=True)
