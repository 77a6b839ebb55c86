"""Heads that do alike: a map of them, groups, and the nearest to one, from the divergence between every two."""

import numpy as np
from jaxtyping import Float, Float64, Int64

from model.errors import HeadscopeError

# The largest number of groups that is tried where none is given.
MOST_CLUSTERS = 10


def head_distances(divergence: Float[np.ndarray, "head head"]) -> Float64[np.ndarray, "head head"]:
    """Return sqrt(JS), which unlike JS itself is a metric (Endres and Schindelin 2003), in [0, 1].

    Raises HeadscopeError where the table is not one of numbers from 0, symmetric, with 0 on its diagonal.
    """
    table = np.asarray(divergence, dtype=np.float64)
    if not len(table) or not np.isfinite(table).all() or (table < 0).any() or np.diag(table).any():
        raise HeadscopeError("The divergence of heads is a table of numbers from 0, with 0 on its diagonal.")
    if not np.allclose(table, table.T, atol=1e-6):
        raise HeadscopeError("The divergence of two heads is the same from either side: the table must be symmetric.")
    return np.sqrt((table + table.T) / 2)


def head_map(divergence: Float[np.ndarray, "head head"]) -> Float64[np.ndarray, "head 2"]:
    """Return a point for every head so that distances in the plane come near sqrt(JS): metric multidimensional scaling.

    minimises  sum_{i<j} (|x_i - x_j| - sqrt(JS[i, j]))^2     (SMACOF; Borg and Groenen 2005, chapter 8)

    It begins at classical scaling and not at chance, so the same table gives the same map. The axes mean nothing by
    themselves: the plane is turned so that heads spread most along the first, the largest coordinate of each being positive.
    Raises HeadscopeError where the table is none of divergences.
    """
    distances = head_distances(divergence)
    if not distances.any():
        return np.zeros((len(distances), 2))
    # Slow to import, and nothing else needs it.
    from sklearn.manifold import MDS

    scaling = MDS(n_components=2, metric="precomputed", init="classical_mds", n_init=1, max_iter=1000, random_state=0)
    points = scaling.fit_transform(distances)
    centred = points - points.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2]
    turned = centred @ axes.T
    largest = turned[np.abs(turned).argmax(axis=0), np.arange(2)]
    return turned * np.where(largest < 0, -1, 1)


def head_clusters(divergence: Float[np.ndarray, "head head"], count: int | None = None) -> Int64[np.ndarray, " head"]:
    """Return the group of every head, counted from 0 by first appearance, by Ward's method (Ward 1963).

    Of all groups the two are joined that add least to  sum over groups of sum over its heads of |x - mean|^2,  until `count`
    are left (at most one a head); x are points whose distances are sqrt(JS), which exist (Fuglede and Topsøe 2004). Without
    a count it is that of 2 to 10 with the largest silhouette, or 1 where all heads are the same.
    Raises HeadscopeError where the table is none of divergences, or `count` is below 1.
    """
    distances = head_distances(divergence)
    if count is not None and count < 1:
        raise HeadscopeError("Heads are put into at least one group: give a number from 1.")
    heads, points = len(distances), _embedded(distances)
    if count is not None or heads < 3 or not distances.any():
        least = 2 if distances.any() else 1
        return _joined(points, min(heads, count or least))
    tried = [_joined(points, number) for number in range(2, min(MOST_CLUSTERS, heads - 1) + 1)]
    return max(tried, key=lambda numbers: _silhouette(distances, numbers))


def head_silhouette(divergence: Float[np.ndarray, "head head"], numbers: Int64[np.ndarray, " head"]) -> float:
    """Return how far groups of heads are apart, in [-1, 1]: 1 far, about 0 where they run into each other (Rousseeuw 1987).

    mean over heads of (b - a) / max(a, b), a the mean distance to the head's own group, b to the nearest other; 0 for a head
    that is alone in its group. NaN for a single group, and where every head is alone.
    """
    return _silhouette(head_distances(divergence), numbers)


def nearest_heads(
    divergence: Float[np.ndarray, "head head"], index: int, count: int | None = None
) -> list[tuple[int, float]]:
    """Return (head, divergence) of the heads most like the head `index`, the nearest first, without itself."""
    own = divergence[index]
    order = [int(head) for head in np.argsort(own, kind="stable") if head != index]
    return [(head, float(own[head])) for head in order[:count]]


def _embedded(distances: np.ndarray) -> Float64[np.ndarray, "head dimension"]:
    """Return points at these distances, by classical scaling (Torgerson 1952); what fits no space is left out."""
    centring = np.eye(len(distances)) - 1 / len(distances)
    values, vectors = np.linalg.eigh(-0.5 * centring @ distances**2 @ centring)
    return vectors * np.sqrt(np.maximum(values, 0))


def _joined(points: np.ndarray, count: int) -> Int64[np.ndarray, " head"]:
    """Return `count` groups, numbered by first appearance."""
    if count == 1:
        return np.zeros(len(points), dtype=np.int64)
    from sklearn.cluster import AgglomerativeClustering

    found = AgglomerativeClustering(count, linkage="ward").fit_predict(points).tolist()
    order = {number: place for place, number in enumerate(dict.fromkeys(found))}
    return np.array([order[number] for number in found], dtype=np.int64)


def _silhouette(distances: np.ndarray, numbers: np.ndarray) -> float:
    if not 1 < len(set(numbers.tolist())) < len(numbers):
        return float("nan")
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(distances, numbers, metric="precomputed"))
