"""The softmax of attention, recomputed exactly from what it is made of."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def masked_scores(
    query: Float[Tensor, "head query d_head"],
    key: Float[Tensor, "key_head key d_head"],
    scaling: float,
    allowed: Bool[Tensor, "#head #query #key"] | None = None,
    bias: Float[Tensor, "#head #query #key"] | None = None,
    softcap: float | None = None,
) -> Float[Tensor, "head query key"]:
    """Return the attention scores in float32, with the keys that a query may not attend to at float32's minimum.

    score = softcap * tanh(scaling * q.k / softcap) + bias   (without the tanh where there is no softcap)

    Heads share keys in groups where there are fewer key heads (Ainslie et al. 2023). `allowed` is True where the query
    may attend; `bias` is additive.
    Softcap: Gemma 2 (2024). Additive position bias: T5 (Raffel et al. 2020).
    """
    return aligned_scores(_aligned(query), _aligned(key), scaling, allowed, bias, softcap)


def aligned_scores(
    query: Tensor,
    key: Tensor,
    scaling: float,
    allowed: Tensor | None = None,
    bias: Tensor | None = None,
    softcap: float | None = None,
) -> Tensor:
    """Return what `masked_scores` does, of float32 queries and keys as they lie in memory, of which no copy is made."""
    groups = query.shape[0] // key.shape[0]
    key = key.repeat_interleave(groups, dim=0) if groups > 1 else key
    scores = torch.matmul(query, key.transpose(-1, -2)).mul_(scaling)
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    minimum = torch.finfo(torch.float32).min
    if bias is not None:
        scores = (scores + bias.float()).clamp_(min=minimum)
    if allowed is not None:
        scores = scores.masked_fill_(~allowed, minimum)
    return scores


def _aligned(part: Tensor) -> Tensor:
    """Return a tensor as float32 in one layout at an aligned address.

    A kernel may round otherwise in another: so a trace that was saved gives the same numbers again.
    """
    if part.dtype == torch.float32 and part.is_contiguous() and part.data_ptr() % 64 == 0:
        return part
    return part.to(torch.float32, copy=True, memory_format=torch.contiguous_format)


def attention_weights(
    scores: Float[Tensor, "head query key"], sinks: Float[Tensor, " head"] | None = None
) -> Float[Tensor, "head query key"]:
    """Return softmax over keys of scores [head, query, key], in float32.

    weight[q, k] = exp(score[q, k]) / (sum_j exp(score[q, j]) + exp(sink))

    Rows sum to one, or to less where the head has a sink logit (sinks [head]; gpt-oss 2025, after Xiao et al. 2023).
    A row whose keys are all masked is uniform over every key, as in transformers' eager attention.
    """
    if sinks is None:
        return torch.softmax(scores, dim=-1)
    column = sinks.float()[:, None, None].expand(scores.shape[0], scores.shape[1], 1)
    return torch.softmax(torch.cat([scores, column], dim=-1), dim=-1)[..., :-1]
