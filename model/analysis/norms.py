"""Norm-based attention: how large the vectors are that attention moves, beside how large its weights are."""

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from model.analysis.norm_forms import MixedVectors, mixed_vectors
from model.analysis.rollout import rows_to_one
from model.errors import HeadscopeError
from model.value_projection import ValueMixing, row_blocks

# Numbers of one result [head, query, key]: 1 GB of them.
LARGEST = 1 << 28


def value_norms(mixing: ValueMixing) -> Float32[np.ndarray, "head key"]:
    """Return the norm of what each head moves from each key when its weight is 1.

    norm[h, k] = ||f_h(x_k)||,   f_h(x) = (x W_V + b_V) W_O of the head (Kobayashi et al. 2020, eq. 4)

    In the unit of the hidden states.
    """
    vectors = mixed_vectors(mixing)
    return torch.cat([vectors.moved(keys).norm(dim=-1) for keys in vectors.key_blocks()], dim=1).cpu().numpy()


def attention_norms(mixing: ValueMixing) -> Float32[np.ndarray, "head query key"]:
    """Return the norm of what each head moves from each key to each query: norm[h, q, k] = ||weight[h, q, k] f_h(x_k)||.

    Kobayashi et al. 2020, section 3. Norms in the unit of the hidden states, no shares: rows do not sum to one (see
    `row_shares`). Raises HeadscopeError where there are more than 268 million numbers.
    """
    heads, queries, keys = mixing.layer.shape
    if heads * queries * keys > LARGEST:
        raise HeadscopeError(
            f"{heads} heads of {queries} by {keys} tokens are more than {LARGEST // 10**6} million numbers. Use a shorter text, "
            "or take the norms of the layer as a whole."
        )
    moved, norms = value_norms(mixing), np.empty(mixing.layer.shape, dtype=np.float32)
    for rows in row_blocks(mixing.layer):
        norms[:, rows] = mixing.layer.weights(rows=rows).cpu().numpy() * moved[:, None]
    return norms


def head_attention_norms(mixing: ValueMixing, head: int) -> Float32[np.ndarray, "query key"]:
    """Return `attention_norms` of one head; raises HeadscopeError where there is no such head."""
    if not 0 <= head < mixing.layer.heads:
        raise HeadscopeError(f"This layer has heads 0 to {mixing.layer.heads - 1}; there is no head {head}.")
    return mixing.layer.weights(head).cpu().numpy() * value_norms(mixing)[head]


def mixed_norms(mixing: ValueMixing, form: str = "attention") -> Float32[np.ndarray, "query key"]:
    """Return the norm of what a layer brings from each key to each query: norm[q, k] = ||T[q, k]||, all heads summed as vectors.

    T by form: see `mixed_vectors` (Attn-N, AttnRes-N and AttnResLn-N of Kobayashi et al. 2021). Heads may cancel: the norm of
    a sum is at most the sum of the norms. Exact without the vectors: ||sum_h a_h f_h||^2 = a G a with G[h, g] = f_h . f_g, in
    float64. Norms, no shares; in cross-attention the residual is of no key and is left out. Raises HeadscopeError where the
    layer has no such form.
    """
    vectors = mixed_vectors(mixing, form)
    grams = _grams(vectors)
    norms = np.empty(mixing.layer.shape[1:], dtype=np.float32)
    for rows in row_blocks(mixing.layer):
        weights = mixing.layer.weights(rows=rows).double().permute(2, 1, 0)
        squares = (torch.matmul(weights, grams) * weights).sum(dim=-1).T
        norms[rows] = (squares.clamp(min=0).sqrt() / vectors.deviation[rows, None]).cpu().numpy()
    if vectors.kept is not None and not vectors.is_cross:
        np.fill_diagonal(norms, vectors.own().norm(dim=-1).cpu().numpy())
    return norms


def row_shares(norms: Float32[np.ndarray, "*any key"]) -> Float32[np.ndarray, "*any key"]:
    """Return norms divided by the sum of their row: share[q, k] = norm[q, k] / sum_j norm[q, j]; zero where all are zero.

    Rows sum to one, so that they can be read beside weights. A share of norms is no share of the result: vectors that point
    against each other both count in full.
    """
    return rows_to_one(norms).astype(np.float32)


def mixing_ratio(mixing: ValueMixing, form: str = "residual") -> Float32[np.ndarray, " query"]:
    """Return how much of each position's state comes from other positions, from 0 to 1.

    ratio[q] = ||sum_{k != q} T[q, k]|| / (||sum_{k != q} T[q, k]|| + ||T[q, q]||)   (Kobayashi et al. 2021, section 3)

    T by form: see `mixed_vectors`. In cross-attention every key is another position and T[q, q] is the residual. NaN where
    both are zero. Raises HeadscopeError where the layer has no such form.
    """
    vectors = mixed_vectors(mixing, form)
    own = vectors.own()
    mixed, preserved = (part.norm(dim=-1) for part in (vectors.whole - own, own))
    return (mixed / (mixed + preserved)).cpu().numpy()


def _grams(vectors: MixedVectors) -> Tensor:
    """Return float64 [key, head, head], the products of what the heads move from each key."""
    parts = []
    for keys in vectors.key_blocks():
        moved = vectors.moved(keys).double().transpose(0, 1)
        parts.append(torch.matmul(moved, moved.transpose(1, 2)))
    return torch.cat(parts)
