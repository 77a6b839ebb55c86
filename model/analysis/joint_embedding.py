"""Queries and keys of one head in one plane, so that near means attended (AttentionViz; Yeh et al. 2023)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float64, Int64

from model.analysis.score_parts import queries_and_keys
from model.errors import HeadscopeError
from model.trace import Trace

METHODS = ("PCA", "t-SNE", "UMAP")
MOST_POSITIONS = 500  # of queries, and of keys
_PERPLEXITY, _NEIGHBOURS = 30, 15


@dataclass(frozen=True, eq=False)
class JointEmbedding:
    """A point for every query and key of a head: query_points and key_points [query or key, 2].

    `query_positions` and `key_positions` say which tokens they are; queries that may attend to nothing and keys that nobody may
    attend to (padding) are left out. `query_norms` and `key_norms` are those of the head's own vectors; `scale` is c of
    `joined_vectors`. How far distance tells attention: the Spearman correlation of distance to the keys and weight, mean over
    queries, of the joined vectors (`space_correlation`) and of the plane (`map_correlation`). -1 where the nearest key always
    has the largest weight; NaN where no query may choose between keys.
    """

    method: str
    query_points: Float64[np.ndarray, "query 2"]
    key_points: Float64[np.ndarray, "key 2"]
    query_positions: Int64[np.ndarray, " query"]
    key_positions: Int64[np.ndarray, " key"]
    query_norms: Float64[np.ndarray, " query"]
    key_norms: Float64[np.ndarray, " key"]
    scale: float
    space_correlation: float
    map_correlation: float


def joint_embedding(
    trace: Trace, layer: int, head: int, stack: str | None = None, method: str = "PCA",
    progress: Callable[[float], None] | None = None,
) -> JointEmbedding:  # fmt: skip
    """Return the queries and keys of one head as points in one plane, by PCA, t-SNE or UMAP of `joined_vectors`.

    PCA keeps distances as far as two directions can; t-SNE (van der Maaten and Hinton 2008) and UMAP (McInnes et al. 2018) keep
    neighbours and not distances between groups. The same trace gives the same map. Position biases are no part of queries and
    keys, so the map does not know them. `progress` may raise between the steps.

    Raises HeadscopeError for more than 500 queries or keys, an unknown method, UMAP where it is not installed, and where the
    weights do not come from recorded queries and keys (see `score_row`).
    """
    chosen = queries_and_keys(trace, layer, head, stack)
    _check(method, chosen.shape[1], chosen.shape[2])
    allowed = chosen.allowed(head).cpu().numpy()
    rows, columns = np.flatnonzero(allowed.any(axis=1)), np.flatnonzero(allowed.any(axis=0))
    allowed = allowed[np.ix_(rows, columns)]
    key_head = head // (chosen.heads // chosen.key.shape[0])
    queries = chosen.query[head].double().cpu().numpy()[rows]
    keys = chosen.key[key_head].double().cpu().numpy()[columns]
    joined = joined_vectors(queries, keys, translate=chosen.softcap is None)
    if progress is not None:
        progress(0.2)
    points = _plane(np.concatenate([joined.queries, joined.keys]), method)
    if progress is not None:
        progress(0.9)
    query_points, key_points = points[: len(rows)], points[len(rows) :]
    weights = chosen.weights(head).cpu().numpy()[np.ix_(rows, columns)]
    return JointEmbedding(
        method, query_points, key_points, rows, columns, np.linalg.norm(queries, axis=1), np.linalg.norm(keys, axis=1),
        joined.scale, distance_correlation(joined.queries, joined.keys, weights, allowed),
        distance_correlation(query_points, key_points, weights, allowed),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class JoinedVectors:
    """Queries and keys [query or key, d_head] in one space, with the same attention as before; `scale` is c."""

    queries: Float64[np.ndarray, "query d_head"]
    keys: Float64[np.ndarray, "key d_head"]
    scale: float


def joined_vectors(
    queries: Float[np.ndarray, "query d_head"], keys: Float[np.ndarray, "key d_head"], translate: bool = True
) -> JoinedVectors:
    """Return queries and keys brought together without a change of attention, as Yeh et al. 2023 may move and scale them.

    q' = c q,  k' = (k - mean k) / c,  c = sqrt(median |k - mean k| / median |q|)

    q'.k' = q.k - q.mean k, a number that is the same for every key of a query, which a softmax does not see; c makes both
    about equally long, without which distance does not tell the dot product. (The authors also tried to choose c by a
    correlation; for sentences the medians tell attention better.) A softcap does see the number, so with one keys are not moved
    (`translate` False); under an attention sink the weights of a row keep their ratios.
    """
    queries, keys = queries.astype(np.float64), keys.astype(np.float64)
    moved = keys - keys.mean(axis=0) if translate else keys
    lengths = [float(np.median(np.linalg.norm(vectors, axis=1))) for vectors in (moved, queries)]
    scale = (lengths[0] / lengths[1]) ** 0.5 if min(lengths) > 0 else 1.0
    return JoinedVectors(scale * queries, moved / scale, scale)


def distance_correlation(
    queries: Float64[np.ndarray, "query dimension"],
    keys: Float64[np.ndarray, "key dimension"],
    weights: Float[np.ndarray, "query key"],
    allowed: Bool[np.ndarray, "query key"],
) -> float:
    """Return the Spearman correlation of distance and weight over the allowed keys, mean over queries.

    In [-1, 1]; queries for which either does not vary do not count, NaN where there are no others.
    """
    unknown = np.where(allowed, 0.0, np.nan)
    ranks = [pd.DataFrame(values + unknown).rank(axis=1).to_numpy() for values in (_distances(queries, keys), weights)]
    near, strong = (rank - np.nanmean(rank, axis=1, keepdims=True) for rank in ranks)
    spread = np.sqrt(np.nansum(near**2, axis=1) * np.nansum(strong**2, axis=1))
    known = spread > 0
    return float((np.nansum(near * strong, axis=1)[known] / spread[known]).mean()) if known.any() else float("nan")


def strongest_pairs(
    weights: Float[np.ndarray, "query key"], mask: Bool[np.ndarray, "query key"], count: int = 20
) -> list[tuple[int, int, float]]:
    """Return (query, key, weight) of the largest weights of a map that are not masked, the largest first."""
    shown = np.where(mask, weights, -1.0)
    order = np.argsort(-shown, axis=None, kind="stable")[: min(count, int(mask.sum()))]
    rows, columns = np.unravel_index(order, weights.shape)
    return [(int(row), int(column), float(weights[row, column])) for row, column in zip(rows, columns, strict=True)]


def _check(method: str, queries: int, keys: int) -> None:
    if method not in METHODS:
        raise HeadscopeError(f"There is no map by “{method}”. Choose {', '.join(METHODS)}.")
    if max(queries, keys) > MOST_POSITIONS:
        raise HeadscopeError(
            f"The map takes at most {MOST_POSITIONS} queries and keys, and this text has {queries} and {keys}. Take a shorter "
            "text, or a part of it."
        )


def _distances(first: np.ndarray, second: np.ndarray) -> Float64[np.ndarray, "query key"]:
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * first @ second.T
    return np.sqrt(np.maximum(squares, 0))


def _plane(vectors: np.ndarray, method: str) -> Float64[np.ndarray, "point 2"]:
    """Return a point for every vector."""
    centred = vectors - vectors.mean(axis=0)
    first = _principal(centred)
    # The neighbours of three points or fewer, or of points that are all alike, are no map.
    if method == "PCA" or len(vectors) < 4 or np.ptp(first) < 1e-9:
        return first
    if method == "UMAP":
        return _umap(centred)
    from sklearn.manifold import TSNE  # slow to import

    perplexity = min(_PERPLEXITY, (len(vectors) - 1) / 3)
    start = first / max(first[:, 0].std(), 1e-12) * 1e-4
    return TSNE(perplexity=perplexity, init=start, random_state=0).fit_transform(centred).astype(np.float64)


def _principal(centred: np.ndarray) -> Float64[np.ndarray, "point 2"]:
    """Return the first two principal components, the largest coordinate of each being positive."""
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    points = centred @ axes.T
    if points.shape[1] < 2:
        points = np.concatenate([points, np.zeros((len(points), 2 - points.shape[1]))], axis=1)
    largest = points[np.abs(points).argmax(axis=0), [0, 1]]
    return points * np.where(largest < 0, -1, 1)


def _umap(centred: np.ndarray) -> Float64[np.ndarray, "point 2"]:
    try:
        from umap import UMAP
    except ImportError:
        raise HeadscopeError(
            "UMAP is not installed here. Choose PCA or t-SNE, or install the package umap-learn."
        ) from None
    neighbours = min(_NEIGHBOURS, len(centred) - 1)
    return UMAP(n_neighbors=neighbours, random_state=0).fit_transform(centred).astype(np.float64)
