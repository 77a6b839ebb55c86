"""Alignment: which source tokens a translation was written from, read from cross-attention."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Float32

from model.analysis.views import AttentionView, attention_view
from model.trace import Trace


def alignment_view(trace: Trace, layer: int, head: int | None = None) -> AttentionView:
    """Return the cross-attention with which each target token was written, [target, source]; `head` None is the layer's mean.

    Row t stands for the token that was written from the decoder's position t, which reads the token before it (Bahdanau et
    al. 2014, section 3.1, for attention as an alignment; Vaswani et al. 2017, section 3.2.3). Raises HeadscopeError where
    the trace has no cross-attention or no such layer or head.
    """
    combination = "layer mean" if head is None else "head"
    view = attention_view(trace, layer, head or 0, stack="cross", combination=combination)
    return replace(
        view,
        weights=view.weights[:-1],
        mask=view.mask[:-1],
        query_tokens=view.query_tokens[1:],
        query_special=view.query_special[1:],
        query_groups=view.query_groups[:-1],
    )


def first_rows(view: AttentionView, count: int) -> AttentionView:
    """Return the view of the first `count` queries alone."""
    names = ("weights", "mask", "query_tokens", "query_special", "query_groups")
    return replace(view, **{name: getattr(view, name)[:count] for name in names})


def row_entropy(weights: Float[np.ndarray, "query key"]) -> Float32[np.ndarray, " query"]:
    """Return the entropy of each row in bits: 0 where a query attends to one key, log2(n) where to n keys alike.

    H[q] = -sum_k weight[q, k] log2 weight[q, k], with 0 log2 0 = 0 (Shannon 1948)
    """
    positive = np.where(weights > 0, weights, 1.0)
    return -(weights * np.log2(positive)).sum(axis=1).astype(np.float32)


def coverage(weights: Float[np.ndarray, "query key"]) -> Float32[np.ndarray, " key"]:
    """Return how much attention each key got from all queries together; 1 is as much as one query gives.

    c[k] = sum_q weight[q, k] (Tu et al. 2016); a source word with little may have been left out, one with much repeated.
    """
    return weights.sum(axis=0).astype(np.float32)
