"""Paths of the tokens through the layers, in a space of few dimensions that is the same for every layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64

from model.analysis.state_norms import check_states
from model.analysis.state_similarity import joined_states
from model.errors import HeadscopeError

METHODS = ("PCA", "UMAP")
# All states at once, in float32: half a gigabyte.
MOST_NUMBERS = 1 << 27
# Two minutes on two cores, most of the first one for compiling UMAP itself.
MOST_UMAP_STATES = 10_000


@dataclass(frozen=True, eq=False)
class StateTrajectories:
    """For each text its points float64 [layer, position, component]; layer 0 is the input of the first block.

    `explained` float64 [component] is the share of the variance of the fitted states along each component; None for UMAP,
    whose axes and distances mean nothing beyond who is near to whom.
    """

    points: tuple[np.ndarray, ...]
    explained: np.ndarray | None


def state_trajectories(
    texts: Sequence[Sequence[np.ndarray]],
    *,
    method: str = "PCA",
    components: int = 3,
    centred: bool = False,
    unit: bool = False,
    left_out: Sequence[Sequence[bool]] | None = None,
) -> StateTrajectories:
    """Return the paths of the tokens of one text or several, each a list over layers of states [position, d_model].

    point = (x - mean) W,  W [d_model, component] the first principal axes of the states of all layers and texts together

    `unit` divides each state by its length, `centred` then takes away the mean of each layer over all texts, which is most of
    what layers differ by. Tokens that are True in `left_out` (one list for each text; special tokens, say, whose long states
    would decide the axes) have no part in the fit and these means, but have their points. The largest coordinate along each
    axis is positive. The method "UMAP" (McInnes et al. 2018; cosine, at most 15 neighbours, seed 0) needs umap-learn.

    Raises HeadscopeError for states of several models, for too many of them, and where fewer than two states are left to fit.
    """
    if method not in METHODS or components < 1:
        raise HeadscopeError(
            f"States are drawn in at least one dimension by {' or '.join(METHODS)}: choose one of these."
        )
    joined = joined_states(texts)
    check_states(joined)
    _check_size(joined, method)
    fitted = _fitted(texts, left_out)
    states = _prepared(np.stack(joined).astype(np.float32), fitted, centred, unit)
    project = _principal if method == "PCA" else _neighbouring
    points, explained = project(states, np.broadcast_to(fitted, states.shape[:2]), components)
    starts = np.cumsum([len(layers[0]) for layers in texts])[:-1]
    return StateTrajectories(tuple(np.split(points, starts, axis=1)), explained)


def _fitted(texts: Sequence[Sequence[np.ndarray]], left_out: Sequence[Sequence[bool]] | None) -> np.ndarray:
    """Return bool [state]: True for the tokens of all texts that the fit is made of."""
    lengths = [len(layers[0]) for layers in texts]
    if left_out is None:
        return np.ones(sum(lengths), dtype=bool)
    if [len(flags) for flags in left_out] != lengths:
        raise HeadscopeError("Say for every token of every text whether it is left out of the fit.")
    fitted = ~np.concatenate([np.array(flags, dtype=bool) for flags in left_out])
    if not fitted.any():
        raise HeadscopeError("No token is left to fit: leave fewer out, or take a longer text.")
    return fitted


def _prepared(
    states: Float32[np.ndarray, "layer state d_model"], fitted: Bool[np.ndarray, " state"], centred: bool, unit: bool
) -> Float32[np.ndarray, "layer state d_model"]:
    if unit:
        lengths = np.linalg.norm(states, axis=2, keepdims=True)
        states = states / np.where(lengths > 0, lengths, np.float32(1))
    if centred:
        states = states - states[:, fitted].mean(axis=1, keepdims=True)
    return states


def _principal(
    states: Float32[np.ndarray, "layer state d_model"], fitted: Bool[np.ndarray, "layer state"], components: int
) -> tuple[Float64[np.ndarray, "layer state component"], Float64[np.ndarray, " component"]]:
    rows = states[fitted]
    found = min(components, *rows.shape)
    points, explained = np.zeros((*states.shape[:2], components)), np.zeros(components)
    if len(rows) < 2:
        raise HeadscopeError("Principal components need at least two states: take a longer text.")
    # Where all states are alike, rounding leaves what is nothing beside the states themselves.
    if np.ptp(rows, axis=0).max() <= 1e-6 * np.abs(rows).max():
        return points, explained
    # Slow to import, and nothing else needs it.
    from sklearn.decomposition import PCA

    fit = PCA(found, random_state=0).fit(rows)
    points[..., :found] = fit.transform(states.reshape(-1, states.shape[2])).reshape(*states.shape[:2], found)
    explained[:found] = fit.explained_variance_ratio_
    flat = points.reshape(-1, components)
    largest = flat[np.abs(flat).argmax(axis=0), np.arange(components)]
    return points * np.where(largest < 0, -1, 1), explained


def _neighbouring(
    states: Float32[np.ndarray, "layer state d_model"], fitted: Bool[np.ndarray, "layer state"], components: int
) -> tuple[Float64[np.ndarray, "layer state component"], None]:
    try:
        from umap import UMAP
    except ImportError as error:
        raise HeadscopeError(
            "UMAP needs the package umap-learn, which is not installed: run pip install umap-learn, or choose PCA."
        ) from error
    rows = states[fitted]
    if len(rows) < components + 3:
        raise HeadscopeError(
            f"UMAP needs at least {components + 3} states and has {len(rows)}: take PCA or a longer text."
        )
    neighbours = min(15, len(rows) - 1)
    fit = UMAP(n_components=components, n_neighbors=neighbours, metric="cosine", random_state=0, n_jobs=1).fit(rows)
    points = np.zeros((*states.shape[:2], components))
    points[fitted] = fit.embedding_
    if not fitted.all():
        points[~fitted] = fit.transform(states[~fitted])
    return points, None


def _check_size(joined: Sequence[np.ndarray], method: str) -> None:
    states, numbers = len(joined) * len(joined[0]), len(joined) * joined[0].size
    if numbers > MOST_NUMBERS:
        raise HeadscopeError(
            f"All layers together are {numbers:,} numbers and {MOST_NUMBERS:,} can be fitted at once: take a shorter text."
        )
    if method == "UMAP" and states > MOST_UMAP_STATES:
        raise HeadscopeError(
            f"UMAP is limited to {MOST_UMAP_STATES:,} states and these are {states:,}: take a shorter text, or PCA."
        )
