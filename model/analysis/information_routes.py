"""Information routes: which earlier states reach a chosen one, by contributions above a threshold."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from model.errors import HeadscopeError

MOST_TOKENS = 64


@dataclass(frozen=True)
class RouteEdge:
    """What the state at `source` below layer `layer` contributes to the one at `target` above it; `stays` where both are one
    position: the residual connection, and attention to itself."""

    layer: int
    target: int
    source: int
    contribution: float

    @property
    def stays(self) -> bool:
        """Whether the edge stays at its position."""
        return self.source == self.target


@dataclass(frozen=True)
class InformationRoutes:
    """The routes to one state: `level` 0 is the input of the first layer, level l + 1 what layer l puts out.

    `shares` holds, for every (level, position) that is reached, how much of the chosen state comes through it along the edges
    that are kept: 1 at the state itself.
    """

    layers: int
    positions: int
    level: int
    position: int
    threshold: float
    edges: tuple[RouteEdge, ...]
    shares: dict[tuple[int, int], float]


def information_routes(
    contributions: Float[np.ndarray, "layer target source"],
    position: int,
    *,
    threshold: float | int = 0.04,
    level: int | None = None,
) -> InformationRoutes:
    """Return the states and edges from which the state of a token is made, traced down from `level` (the top, left out).

    An edge (l, q <- k) is kept where c_l[q, k] >= threshold and q is reached from above, and
    share(l, k) = sum_q share(l + 1, q) c_l[q, k] over the edges that are kept.

    In the manner of the information-flow routes of Ferrando & Voita 2024, with any contributions whose rows sum to one, the
    residual connection on the diagonal; their feed-forward nodes and single heads are left out. Raises HeadscopeError for a
    token or level that is not there, for more than 64 tokens, and where the maps are no shares.
    """
    layers, count, sources = contributions.shape
    level = layers if level is None else level
    _check(count == sources, "Routes follow one sequence through its layers: give maps of a sequence to itself.")
    _check(
        count <= MOST_TOKENS,
        f"Routes are drawn for at most {MOST_TOKENS} tokens, and this text has {count}: shorten it.",
    )
    _check(0 <= position < count, f"There are tokens 0 to {count - 1}; there is no token {position}.")
    _check(1 <= level <= layers, f"A state is chosen at level 1 to {layers}, the output of a layer.")
    _check(0 < threshold <= 1, "The threshold is above 0 and at most 1.")
    shares_given = (
        np.isfinite(contributions).all() and (contributions >= 0).all() and contributions.sum(axis=2).max() <= 1.001
    )
    _check(bool(shares_given), "Contributions are numbers from 0 whose rows sum to at most 1.")
    shares, edges = {(level, position): 1.0}, []
    for layer in reversed(range(level)):
        for target in [place for above, place in shares if above == layer + 1]:
            for source in np.flatnonzero(contributions[layer, target] >= threshold).tolist():
                contribution = float(contributions[layer, target, source])
                edges.append(RouteEdge(layer, target, source, contribution))
                through = shares[layer + 1, target] * contribution
                shares[layer, source] = shares.get((layer, source), 0.0) + through
    return InformationRoutes(layers, count, level, position, float(threshold), tuple(edges), shares)


def _check(true: bool, sentence: str) -> None:
    if not true:
        raise HeadscopeError(sentence)
