"""The scores of the first layer taken apart into what tokens and what positions contribute."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool

from model.errors import HeadscopeError
from model.first_layer import FirstLayer, first_layer
from model.layers import LazyLayer
from model.loading import LoadedModel
from model.trace import Trace

FOUR_TERMS = ("content_content", "content_position", "position_content", "position_position")
TERMS = (*FOUR_TERMS, "bias")


@dataclass(frozen=True, eq=False)
class PositionTerms:
    """Scaled scores of the first layer, before mask and softmax, in parts float32 [head, query, key].

    The first word of a name is of the query, the second of the key. `bias` holds every product with a constant (the
    projections' biases and the normalisation's shift). The five sum to `logits`, the captured scores, within `error`.
    """

    content_content: np.ndarray
    content_position: np.ndarray
    position_content: np.ndarray
    position_position: np.ndarray
    bias: np.ndarray
    logits: np.ndarray
    error: float


def position_terms(loaded: LoadedModel, trace: Trace) -> PositionTerms:
    """Return the four terms of the first layer's scores, for models that add positions (BERT, GPT-2, our own).

    x = c + p at each token, c of the token (and its type), p of the position. The layer's input is x, or LayerNorm(x), which
    with its own mean and scale at each token is a sum of parts: g (c - mean(c)) / s + g (p - mean(p)) / s + b, where
    s = sqrt(var(x) + eps). With q_c = W_q c, k_p = W_k p, ... the terms are scaling * q_c.k_c, q_c.k_p, q_p.k_c and q_p.k_p
    (after Ke et al. 2021, section 3.1, who write them without normalisation).

    Raises HeadscopeError, with what is missing, where the first layer is not of this kind.
    """
    layer = next((layer for layer in trace.layers if layer.index == 0 and layer.stack != "cross"), None)
    if not isinstance(layer, LazyLayer) or layer.softcap is not None:
        raise HeadscopeError(
            "The queries and keys of the first layer were not captured, so its scores cannot be taken apart."
        )
    with loaded.lock, torch.no_grad():
        found = first_layer(loaded, trace, layer)
        parts = [part.float() for part in _parts(found)]
        queries = [_heads(found.query(part), layer) for part in parts]
        keys = [_heads(found.key(part), layer) for part in parts]
        constant = parts[0].new_zeros(parts[0].shape) + (0 if found.norm is None else found.norm.bias.float())
        query_constant = _heads(found.query(constant) + found.query_bias.float(), layer)
        key_constant = _heads(found.key(constant) + found.key_bias.float(), layer)
        return _terms(layer, queries, keys, query_constant, key_constant)


def _parts(found: FirstLayer) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what the content and the position each contribute to the input of the projections, [position, d_model]."""
    if found.norm is None:
        return found.content, found.position
    whole = (found.content + found.position).float()
    scale = (whole.var(dim=-1, unbiased=False, keepdim=True) + found.norm.eps).sqrt()
    weight = found.norm.weight.float()
    content, position = (
        weight * (part.float() - part.float().mean(dim=-1, keepdim=True)) / scale
        for part in (found.content, found.position)
    )
    return content, position


def _heads(states: torch.Tensor, layer: LazyLayer) -> torch.Tensor:
    return states.unflatten(-1, (-1, layer.query.shape[-1])).transpose(0, 1)


def _terms(
    layer: LazyLayer,
    queries: Sequence[torch.Tensor],
    keys: Sequence[torch.Tensor],
    query_constant: torch.Tensor,
    key_constant: torch.Tensor,
) -> PositionTerms:
    def scores(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        groups = query.shape[0] // key.shape[0]
        return layer.scaling * query @ key.repeat_interleave(groups, dim=0).transpose(-1, -2)

    four = [scores(query, key) for query in queries for key in keys]
    whole_query = sum(queries) + query_constant
    bias = scores(query_constant, sum(keys) + key_constant) + scores(whole_query - query_constant, key_constant)
    logits = scores(layer.query.float(), layer.key.float())
    error = float((sum(four) + bias - logits).abs().max())
    parts = [part.cpu().numpy() for part in (*four, bias, logits)]
    return PositionTerms(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], error)


def term_strengths(terms: PositionTerms, mask: Bool[np.ndarray, "query key"]) -> pd.DataFrame:
    """Return how much each term moves the attention of every head: rows of head, term, strength.

    strength[h, term] = sqrt(mean over the allowed (q, k) of (t[h, q, k] - mean_k t[h, q, k])^2); a softmax does not see what is
    the same for all keys of a query, so each row's mean over its allowed keys is taken off first. `mask` says what is allowed.
    """
    rows = []
    for name in TERMS:
        centred = _row_centred(getattr(terms, name).astype(np.float64), mask)
        strengths = np.sqrt((centred**2).sum(axis=(1, 2)) / mask.sum())
        rows += [(head, name, float(strength)) for head, strength in enumerate(strengths)]
    return pd.DataFrame(rows, columns=["head", "term", "strength"])


def position_share(strengths: pd.DataFrame) -> pd.Series:
    """Return per head how much of what moves its attention comes from where the key stands, in [0, 1]; 0 is content alone.

    share = (s_cp^2 + s_pp^2) / (s_cc^2 + s_cp^2 + s_pc^2 + s_pp^2), s of `term_strengths`, the second letter for the key
    """
    squares = strengths.pivot(index="head", columns="term", values="strength")[list(FOUR_TERMS)] ** 2
    share = squares[["content_position", "position_position"]].sum(axis=1) / squares.sum(axis=1)
    return share.rename("position_share")


def _row_centred(term: np.ndarray, mask: np.ndarray) -> np.ndarray:
    count = np.maximum(mask.sum(axis=-1, keepdims=True), 1)
    mean = np.where(mask, term, 0.0).sum(axis=-1, keepdims=True) / count
    return np.where(mask, term - mean, 0.0)
