"""Fewer rows, columns or heads from attention weights: words, hidden tokens, mean and maximum over heads."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32

COMBINATIONS = ("head", "layer mean", "layer maximum", "mean of all", "maximum of all")


def merge_words(
    weights: Float32[np.ndarray, "*head query key"],
    query_groups: Sequence[Sequence[int]],
    key_groups: Sequence[Sequence[int]],
) -> Float32[np.ndarray, "*head query_word key_word"]:
    """Return attention between words: to a split word it is summed, from a split word it is averaged.

    word_weight[p, r] = mean_{q in p} sum_{k in r} weight[q, k]      (Clark et al. 2019, section 4)

    Groups are token positions, adjacent and in order. Rows that summed to one still do.
    """
    key_starts = [group[0] for group in key_groups]
    query_starts = [group[0] for group in query_groups]
    summed = np.add.reduceat(weights, key_starts, axis=-1)
    sizes = np.array([len(group) for group in query_groups], dtype=np.float32)
    return np.add.reduceat(summed, query_starts, axis=-2) / sizes[:, None]


def merge_mask(
    mask: Bool[np.ndarray, "query key"], query_groups: Sequence[Sequence[int]], key_groups: Sequence[Sequence[int]]
) -> Bool[np.ndarray, "query_word key_word"]:
    """Return True where any token of a word may attend to any token of the other."""
    by_key = np.logical_or.reduceat(mask, [group[0] for group in key_groups], axis=1)
    return np.logical_or.reduceat(by_key, [group[0] for group in query_groups], axis=0)


def keep_tokens(
    weights: Float32[np.ndarray, "*head query key"], query_kept: Sequence[int], key_kept: Sequence[int]
) -> Float32[np.ndarray, "*head query_kept key_kept"]:
    """Return the weights among the kept tokens only, each row renormalised to sum to one.

    kept_weight[q, k] = weight[q, k] / sum_{j kept} weight[q, j]; a row with nothing left stays zero.
    """
    kept = _take(_take(weights, query_kept, -2), key_kept, -1)
    total = kept.sum(axis=-1, keepdims=True)
    return kept / np.where(total > 0, total, np.float32(1))


def _take(weights: np.ndarray, kept: Sequence[int], axis: int) -> np.ndarray:
    # What is hidden mostly stands at the ends: a slice costs nothing, where picking rows one by one copies them all.
    if len(kept) and list(kept) == list(range(kept[0], kept[-1] + 1)):
        return weights[(..., slice(kept[0], kept[-1] + 1)) + (slice(None),) * (-axis - 1)]
    return np.take(weights, kept, axis=axis)


def pool_maximum(weights: Float32[np.ndarray, "*head query key"], size: int) -> Float32[np.ndarray, "*head row column"]:
    """Return the weights pooled to at most size x size by the maximum of each cell, so that sparse attention stays visible.

    Cell r covers the queries from ceil(r * query / row) up to the next cell's first; smaller maps stay as they are.
    """
    for axis in (-2, -1):
        length = weights.shape[axis]
        if length > size:
            starts = np.ceil(np.arange(size) * length / size).astype(int)
            weights = np.maximum.reduceat(weights, starts, axis=axis)
    return weights
