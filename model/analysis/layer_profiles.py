"""How a score, or one weight, moves through the layers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from model.analysis.span_attention import span_masses
from model.errors import HeadscopeError
from model.trace import Trace


@dataclass(frozen=True, eq=False)
class LayerProfile:
    """One value per layer, float64 [layer]: least, mean and largest over its heads, and that of one head index.

    NaN where a layer has no such head (`chosen` is NaN throughout where no head was asked for), or no head with a value.
    """

    layers: tuple[int, ...]
    minimum: np.ndarray
    mean: np.ndarray
    maximum: np.ndarray
    chosen: np.ndarray


def layer_profile(
    grid: Float[np.ndarray, "layer head"], layers: Sequence[int], head: int | None = None
) -> LayerProfile:
    """Return how any score [layer, head] moves through the layers: over all heads, and for one head index.

    NaN in the grid, where there is no such head, is left out. A head index names no head that layers share: heads are numbered
    by layer, so that a line through one index only says where that index stands. Raises HeadscopeError where no layer has it.
    """
    if len(grid) != len(layers):
        raise HeadscopeError(f"There are {len(grid)} rows and {len(layers)} layers: give one row per layer.")
    if head is not None and not 0 <= head < grid.shape[1]:
        raise HeadscopeError(f"There are heads 0 to {grid.shape[1] - 1}; there is no head {head}.")
    values = grid.astype(np.float64)
    known = ~np.isnan(values)
    alive = known.any(axis=1)

    def over_heads(filled: np.ndarray) -> np.ndarray:
        return np.where(alive, filled, np.nan)

    return LayerProfile(
        tuple(layers),
        over_heads(np.where(known, values, np.inf).min(axis=1)),
        over_heads(np.where(known, values, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)),
        over_heads(np.where(known, values, -np.inf).max(axis=1)),
        np.full(len(values), np.nan) if head is None else values[:, head],
    )


def pair_weights(
    trace: Trace, queries: Sequence[int], keys: Sequence[int], *, stack: str | None = None
) -> tuple[tuple[int, ...], Float64[np.ndarray, "layer head"]]:
    """Return the indices of the layers of a stack, and the weight from a token or word to another in every head.

    weight[l, h] = mean_{q in queries} sum_{k in keys} weight[l, h, q, k], as words are merged (Clark et al. 2019)

    NaN where the mask lets no query attend to any key, and where a layer has no such head. Raises HeadscopeError for positions
    that are not in the text.
    """
    layers = trace.of_stack(stack)
    grid = np.full((len(layers), max(layer.heads for layer in layers)), np.nan)
    for row, layer in enumerate(layers):
        for axis, places, count in (("query", queries, layer.shape[1]), ("key", keys, layer.shape[2])):
            if not places or not 0 <= min(places) <= max(places) < count:
                raise HeadscopeError(f"The {axis} positions are 0 to {count - 1}: choose a token of the text.")
        masses = span_masses(layer, [queries], [keys])[:, 0, 0]
        first = min(queries)
        for head in range(layer.heads):
            allowed = layer.allowed(head, slice(first, max(queries) + 1)).cpu().numpy()
            seen = allowed[np.ix_([query - first for query in queries], list(keys))].any()
            grid[row, head] = masses[head] if seen else np.nan
    return tuple(layer.index for layer in layers), grid
