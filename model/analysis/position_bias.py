"""Positions as a bias on the scores: ALiBi's slopes and T5's buckets, as curves per head over the distance."""

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Integer

from model.architectures.positions import alibi_slopes

Distances = Integer[np.ndarray, " distance"]


def alibi_curves(slopes: Float[np.ndarray, " head"], distances: Distances) -> Float[np.ndarray, "head distance"]:
    """Return what is added to the scores at key position - query position: -slope |distance| (Press et al. 2021)."""
    return -np.multiply.outer(slopes, np.abs(distances))


def relative_buckets(
    distances: Distances, buckets: int = 32, max_distance: int = 128, bidirectional: bool = True
) -> Integer[np.ndarray, " distance"]:
    """Return T5's bucket of key position - query position (Raffel et al. 2020, section 2.1; its formula is in the code).

    Of n buckets on a side (half of all where `bidirectional`: the second half is for keys after the query), distances below
    n / 2 have one each; from there on, d falls into n/2 + floor(ln(d / (n/2)) / ln(max_distance / (n/2)) * n/2), at most n - 1.
    """
    sides = buckets // 2 if bidirectional else buckets
    after = np.where(distances > 0, sides, 0) if bidirectional else np.zeros_like(distances)
    length = np.abs(distances) if bidirectional else np.maximum(-distances, 0)
    exact = sides // 2
    # In float32 and in torch, as in the model: at the edge of a bucket the rounding decides.
    ratio = torch.log(torch.from_numpy(np.maximum(length, 1)).float() / exact) / np.log(max_distance / exact)
    wide = exact + (ratio * (sides - exact)).long().numpy()
    return after + np.where(length < exact, length, np.minimum(wide, sides - 1))


def relative_curves(
    table: Float[np.ndarray, "bucket head"], distances: Distances, max_distance: int = 128, bidirectional: bool = True
) -> Float[np.ndarray, "head distance"]:
    """Return a relative bias table as curves: table[bucket(distance), head] (Raffel et al. 2020)."""
    return table[relative_buckets(distances, len(table), max_distance, bidirectional)].T


def example_relative_table(heads: int, buckets: int = 32, max_distance: int = 128) -> Float[np.ndarray, "bucket head"]:
    """Return a made-up table, no trained one: each head's ALiBi curve read at the first distance of every bucket."""
    distances = np.arange(-max_distance, max_distance + 1)
    nearest = np.full(buckets, max_distance)
    np.minimum.at(nearest, relative_buckets(distances, buckets, max_distance), np.abs(distances))
    return alibi_curves(alibi_slopes(heads).numpy(), nearest).T


def bias_frame(curves: Float[np.ndarray, "head distance"], distances: Distances) -> pd.DataFrame:
    """Return curves [head, distance] as rows of distance, head ("H0") and bias."""
    heads = len(curves)
    return pd.DataFrame(
        {
            "distance": np.tile(distances, heads),
            "head": np.repeat([f"H{head}" for head in range(heads)], len(distances)),
            "bias": curves.ravel(),
        }
    )
