"""How differently heads distribute their attention: Jensen-Shannon divergence between every two of them."""

import numpy as np
from jaxtyping import Float32, Float64

# Numbers held at once for one head against all others.
_BLOCK = 1 << 22


def divergence_sums(
    weights: Float32[np.ndarray, "head query key"],
) -> tuple[Float64[np.ndarray, "head head"], int]:
    """Return the Jensen-Shannon divergence of every two heads in bits, summed over rows, and the number of rows.

    JS(p, q) = H((p + q) / 2) - (H(p) + H(q)) / 2,  H(p) = -sum_k p[k] log2 p[k]   (Lin 1991; Clark et al. 2019, section 6)

    Sum over rows / rows is in [0, 1]: 0 where two heads are the same in every row, 1 where they never look at the same key.
    What a row leaves to an attention sink (1 - sum_k p[k]) is one more outcome. Rows that are zero in every head, where the
    mask allows nothing, are not counted. Sums and rows of several blocks of rows, or texts, add up.
    """
    heads, queries, keys = weights.shape
    sums, rows = np.zeros((heads, heads)), 0
    step = max(1, _BLOCK // (heads * (keys + 1)))
    for start in range(0, queries, step):
        block = weights[:, start : start + step]
        block = block[:, block.any(axis=(0, 2))]
        sums += _block_sums(_outcomes(block))
        rows += block.shape[1]
    return sums + sums.T, rows


def _outcomes(block: np.ndarray) -> Float64[np.ndarray, "head outcome"]:
    """Return the outcomes of all rows of a block beside each other, that of a sink with them."""
    outcomes = block.astype(np.float64)
    rest = np.maximum(0, 1 - outcomes.sum(axis=2, keepdims=True))
    return np.concatenate([outcomes, rest], axis=2).reshape(len(block), -1)


def _block_sums(outcomes: Float64[np.ndarray, "head outcome"]) -> Float64[np.ndarray, "head head"]:
    """Return the sums of a block above the diagonal."""
    sums = np.zeros((len(outcomes), len(outcomes)))
    own = _negative_entropy(outcomes)
    for head in range(len(outcomes) - 1):
        mixed = _negative_entropy((outcomes[head] + outcomes[head + 1 :]) / 2)
        # Rounding may take what is nothing below zero.
        sums[head, head + 1 :] = np.maximum(0, (own[head] + own[head + 1 :]) / 2 - mixed)
    return sums


def _negative_entropy(outcomes: Float64[np.ndarray, "head outcome"]) -> Float64[np.ndarray, " head"]:
    """Return sum_k p[k] log2 p[k] of each head, 0 log 0 being 0."""
    logarithms = np.log2(outcomes, where=outcomes > 0, out=np.zeros_like(outcomes))
    return np.einsum("ho,ho->h", outcomes, logarithms)
