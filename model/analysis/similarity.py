"""Similarity of layers: of their hidden states by linear CKA, and of what their heads attend to."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Float32, Float64

from model.analysis.head_divergence import divergence_sums
from model.analysis.token_alignment import TokenAlignment
from model.analysis.views import head_weights
from model.errors import HeadscopeError
from model.trace import Trace

_BLOCK = 1 << 23  # numbers of all Gram matrices that are held at once
_FEWEST = {False: 2, True: 4}


def layer_similarity(
    first: Sequence[np.ndarray], second: Sequence[np.ndarray], *, debiased: bool = False
) -> Float64[np.ndarray, "first_layer second_layer"]:
    """Return the linear CKA of every layer of one list of states with every layer of another, each [position, d_model].

    CKA = <K, L> / (|K| |L|), K = X X^T and L = Y Y^T centred over positions: the same as |Y^T X|^2 / (|X^T X| |Y^T Y|) of
    centred X and Y (Kornblith et al. 2019, section 3). In [0, 1]; 1 where one is the other turned and scaled as a whole;
    d_model may differ. With fewer positions than dimensions it is high for states that have nothing in common.

    `debiased` takes the estimator of HSIC without that bias (Song et al. 2012, equation 5; for CKA Nguyen et al. 2021): K and L
    without their diagonals. States that have nothing in common then score about 0, also below it.

    NaN for a layer whose states are all alike. Raises HeadscopeError where the positions are not the same, or too few.
    """
    counts = {len(states) for states in (*first, *second)}
    if not first or not second or len(counts) != 1 or min(counts) < _FEWEST[debiased]:
        raise HeadscopeError(
            f"Hidden states need the same positions, at least {_FEWEST[debiased]}: align them, or take a longer text."
        )
    # Of one list with itself every pair is computed once.
    own = second is first
    tables = [_centred(states) for states in (first if own else (*first, *second))]
    products = np.zeros((len(tables), len(tables)))
    for block in _gram_blocks(tables, debiased):
        products += block @ block.T
    varied = [table.any() for table in tables]
    sizes = np.sqrt(np.where(varied, np.diag(products), np.nan))
    similarity = products / sizes[:, None] / sizes
    similarity = np.clip(similarity, -1 if debiased else 0, 1)
    return similarity if own else similarity[: len(first), len(first) :]


def aligned_states(
    first: Sequence[np.ndarray], second: Sequence[np.ndarray], alignment: TokenAlignment
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return two lists of states over the items that both have, float64 [item, d_model]: the mean over the tokens of each.

    The alignment is of the tokens of the two sequences, as `align_axes` makes it; only so can two tokenizers be compared.
    """
    groups = [[pair[side] for pair in alignment.pairs] for side in (0, 1)]
    return [_means(states, groups[0]) for states in first], [_means(states, groups[1]) for states in second]


def layer_means(
    trace: Trace, *, stack: str | None = None, words: bool = False, hide_special: bool = False
) -> tuple[tuple[int, ...], Float32[np.ndarray, "layer query key"]]:
    """Return the indices of the layers of a stack, and the mean over the heads of each: weights [layer, query, key]."""
    found = [
        (index, weights.mean(axis=0))
        for index, weights in head_weights(trace, stack=stack, words=words, hide_special=hide_special)
    ]
    return tuple(index for index, _ in found), np.stack([mean for _, mean in found])


def map_similarity(
    first: Float32[np.ndarray, "first query key"], second: Float32[np.ndarray, "second other_query other_key"]
) -> Float64[np.ndarray, "first second"]:
    """Return how alike each map of one set is to each of another (heads, or the means of layers), over the same tokens.

    similarity = 1 - mean_q JS(first[q], second[q]), in [0, 1], JS in bits: 1 the same, 0 nothing in common (see
    `divergence_sums`). Raises HeadscopeError where the tokens are not the same.
    """
    if first.shape[1:] != second.shape[1:]:
        raise HeadscopeError("Maps are compared over the same tokens: align them first, or compare one text.")
    both = first if second is first else np.concatenate([first, second])
    sums, rows = divergence_sums(both)
    similarity = 1 - sums / max(rows, 1)
    return similarity if second is first else similarity[: len(first), len(first) :]


def best_matches(
    similarity: Float[np.ndarray, "first second"], first_layers: Sequence[int], second_layers: Sequence[int]
) -> Float64[np.ndarray, "first_layer second_layer"]:
    """Return how well the heads of each layer find their like in each other layer, from the similarity of heads.

    match[i, j] = mean over heads a of layer i of max over heads b of layer j of similarity[a, b]

    `first_layers` and `second_layers` say of which layer each head is; layers come in rising order. It is not symmetric: heads
    that are all alike find their like in a layer of many kinds, not the other way round. 1 for a layer with itself.
    """
    rows, columns = (np.array(layers) for layers in (first_layers, second_layers))
    best = np.stack([similarity[:, columns == layer].max(axis=1) for layer in np.unique(columns)], axis=1)
    return np.stack([best[rows == layer].mean(axis=0) for layer in np.unique(rows)]).astype(np.float64)


def _gram_blocks(tables: Sequence[np.ndarray], debiased: bool) -> Iterator[np.ndarray]:
    """Yield some rows at a time of every table's centred Gram matrix, float64 [table, row * position]."""
    count = len(tables[0])
    step = max(1, _BLOCK // (len(tables) * count))
    # Of K without its diagonal: the sum of each row, and of all rows.
    sums = [table @ table.sum(axis=0) - (table**2).sum(axis=1) for table in tables]
    for start in range(0, count, step):
        rows = np.arange(start, min(start + step, count))
        blocks = []
        for table, total in zip(tables, sums, strict=True):
            block = table[rows] @ table.T
            if debiased:
                block -= (total[rows, None] + total[None, :]) / (count - 2) - total.sum() / ((count - 1) * (count - 2))
                block[np.arange(len(rows)), rows] = 0
            blocks.append(block.ravel())
        yield np.stack(blocks)


def _centred(states: np.ndarray) -> np.ndarray:
    states = np.asarray(states, dtype=np.float64)
    centred = states - states.mean(axis=0, keepdims=True)
    # Where every position is alike, rounding leaves what is nothing beside the states themselves.
    return centred if np.abs(centred).max() > 1e-12 * np.abs(states).max() else np.zeros_like(centred)


def _means(states: np.ndarray, groups: Sequence[Sequence[int]]) -> np.ndarray:
    return np.stack([np.asarray(states, dtype=np.float64)[list(group)].mean(axis=0) for group in groups])
