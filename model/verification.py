"""Whether what was captured is what the family's own eager attention computes, on a few rows of every call."""

import sys

import torch
from torch import nn

from model.attention_weights import attention_weights, masked_scores

ROWS = 4
# Largest difference of a weight, and of an output relative to the largest one: rounding is far below, another formula above.
TOLERANCE = 1e-3


def disagreement(
    module: nn.Module, query, key, value, mask, scaling, causal: bool, options: dict
) -> torch.Tensor | None:
    """Return how far our weights and outputs are from the family's eager ones, as a share of the tolerance (scalar).

    Tensors have a batch axis; `options` are the keyword arguments of the attention function. Some
    families leave the sink out of the weights they return, but not out of the output: then rows are scaled alike.
    None where the family has no eager function, or one that does not take single rows.
    """
    eager = vars(sys.modules[type(module).__module__]).get("eager_attention_forward")
    if eager is None:
        return None
    # In float32 whatever the model runs in: rounding is not what is looked for.
    query, key, value, mask = (_float32(tensor) for tensor in (query, key, value, mask))
    rows = torch.linspace(0, query.shape[2] - 1, min(ROWS, query.shape[2]), device=query.device).long()
    added = _additive(mask, causal, query, key, rows)
    options = {name: _rows(_float32(option), rows, query.shape[2]) for name, option in options.items()}
    try:
        output, weights = eager(module, query[:, :, rows], key, value, added, scaling=scaling, **options)
    except (TypeError, RuntimeError, AttributeError, IndexError, ValueError):
        return None
    if weights is None or weights.shape != (*query.shape[:2], len(rows), key.shape[2]):
        return None
    found = _own_weights(query[0][:, rows], key[0], scaling, added, options)
    groups = query.shape[1] // value.shape[1]
    result = torch.matmul(found, value[0].float().repeat_interleave(groups, dim=0)).transpose(0, 1)
    off_weights = torch.minimum(
        *((found - weights[0].float() * share).abs().amax() for share in (1.0, found.sum(-1, keepdim=True)))
    )
    off_output = (result - output[0].float()).abs().amax() / output.float().abs().amax().clamp(min=1e-6)
    return torch.maximum(off_weights, off_output) / TOLERANCE


def _own_weights(query, key, scaling, added, options: dict) -> torch.Tensor:
    bias = options.get("position_bias")
    if added is not None:
        # The lowest float16 swallows a score only when rounded to float16: in float32 only the lowest float32 does.
        masked = added <= torch.finfo(added.dtype).min / 2
        added = added.float().masked_fill(masked, torch.finfo(torch.float32).min)
        bias = added if bias is None else bias + added
    scores = masked_scores(query, key, float(scaling), None, None if bias is None else bias[0], options.get("softcap"))
    sinks = options.get("s_aux")
    return attention_weights(scores, None if sinks is None else sinks.reshape(-1))


def _additive(mask, causal: bool, query, key, rows) -> torch.Tensor | None:
    """Return the mask of these rows as eager attention takes it: added to the scores, [1, 1 or head, row, key]."""
    if causal:
        mask = (torch.arange(key.shape[2], device=rows.device) <= rows[:, None])[None, None]
    elif mask is not None:
        mask = _rows(mask, rows, query.shape[2])
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=query.dtype).masked_fill_(~mask, torch.finfo(query.dtype).min)


def _float32(value):
    """Return a floating-point tensor in float32; anything else as it is."""
    return value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def _rows(value, rows: torch.Tensor, queries: int):
    """Return these rows of a tensor [batch, head, query, key]; anything else as it is."""
    whole = isinstance(value, torch.Tensor) and value.ndim == 4 and value.shape[2] == queries > 1
    return value[:, :, rows] if whole else value
