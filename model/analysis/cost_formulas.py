"""What a layer costs by formula (Vaswani et al. 2017, table 1), and the exponent that measured costs grow by."""

from collections.abc import Sequence

import numpy as np

from model.errors import HeadscopeError

LAYERS = ("self-attention", "recurrence", "convolution")
# Quantiles of Student's t at 0.975 for 1, 2, ... degrees of freedom.
_T_QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
_NORMAL_QUANTILE = 1.960


def layer_operations(kind: str, n: int, d: int, k: int) -> int:
    """Return the operations of one layer over n positions of width d, constants left out.

    self-attention n^2 d, recurrence n d^2, convolution k n d^2 with a kernel of k positions; raises HeadscopeError.
    """
    _check(kind, n, d)
    if kind == "self-attention":
        return n**2 * d
    return n * d**2 * (k if kind == "convolution" else 1)


def sequential_operations(kind: str, n: int) -> int:
    """Return how many steps must follow each other: 1, or n in a recurrence; raises HeadscopeError."""
    _check(kind, n)
    return n if kind == "recurrence" else 1


def path_length(kind: str, n: int, k: int) -> int:
    """Return the number of steps or layers between the two positions that are furthest apart.

    self-attention 1, recurrence n, convolution the least L with k^L >= n (dilated kernels, L >= 1); raises HeadscopeError.
    """
    _check(kind, n)
    if kind != "convolution":
        return n if kind == "recurrence" else 1
    if k < 2:
        raise HeadscopeError("A kernel of one position never reaches another one: choose a kernel of at least 2.")
    layers = 1
    while k**layers < n:
        layers += 1
    return layers


def fitted_exponent(sizes: Sequence[int | float], values: Sequence[int | float]) -> tuple[float, float, float]:
    """Return the exponent a of value = c * size^a over the upper half of the sizes, and its 95 % interval.

    Least squares of log value on log size; a -+ t * sqrt(sum r^2 / (m - 2) / sum (x - mean x)^2) over m points with residuals
    r, infinite for two points. The interval holds for independent errors around a true power law. Raises HeadscopeError.
    """
    exponent, spread, _ = _line(sizes, values)
    return exponent, exponent - spread, exponent + spread


def fitted_values(sizes: Sequence[int | float], values: Sequence[int | float]) -> list[tuple[float, float]]:
    """Return the sizes that `fitted_exponent` uses with the value of its line at each; raises HeadscopeError."""
    exponent, _, intercept = _line(sizes, values)
    return [(float(size), float(np.exp(intercept + exponent * np.log(size)))) for size, _ in _upper_half(sizes, values)]


def _line(sizes: Sequence[int | float], values: Sequence[int | float]) -> tuple[float, float, float]:
    """Return slope, half the width of its interval, and intercept in log-log."""
    points = np.array(_upper_half(sizes, values), dtype=np.float64)
    if len(points) < 2 or len(set(points[:, 0])) < 2 or not (points > 0).all() or not np.isfinite(points).all():
        raise HeadscopeError("An exponent needs values above zero at two sizes at least: measure more sizes.")
    x, y = np.log(points).T
    across = x - x.mean()
    slope = float(across @ (y - y.mean()) / (across @ across))
    intercept = float(y.mean() - slope * x.mean())
    freedom = len(x) - 2
    if freedom == 0:
        return slope, float("inf"), intercept
    residuals = y - intercept - slope * x
    error = np.sqrt(residuals @ residuals / freedom / (across @ across))
    quantile = _T_QUANTILES[freedom - 1] if freedom <= len(_T_QUANTILES) else _NORMAL_QUANTILE * (1 + 1 / freedom)
    return slope, float(quantile * error), intercept


def _upper_half(sizes: Sequence[int | float], values: Sequence[int | float]) -> list[tuple[int | float, int | float]]:
    # The middle size belongs to it, and two points at least: through fewer there is no line.
    points = sorted(zip(sizes, values, strict=True))
    return points[min(len(points) // 2, max(0, len(points) - 2)) :]


def _check(kind: str, *sizes: int) -> None:
    if kind not in LAYERS:
        raise HeadscopeError(f"There is no layer called {kind!r}: choose {', '.join(LAYERS)}.")
    if min(sizes) < 1:
        raise HeadscopeError("Length and width must be at least 1.")
