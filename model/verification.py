"""Whether what was captured is what the family's own eager attention computes, on a few rows of every call."""

import sys
from typing import Any

import torch

from model.attention_call import AttentionCall
from model.attention_weights import aligned_scores, attention_weights

ROWS = 4
# Largest difference of a weight, and of an output relative to the largest one: rounding is far below, another formula above.
TOLERANCE = 1e-3


def disagreement(call: AttentionCall, others: dict[str, Any]) -> torch.Tensor | None:
    """Return how far our weights and outputs are from the family's eager ones, as a share of the tolerance (scalar).

    Of a batch the entry that is furthest off counts; `others` are further arguments of the attention function. Some families
    leave the sink out of the weights they return, but not out of the output: then rows are scaled alike.
    None where the family has no eager function, or one that does not take single rows.
    """
    eager = vars(sys.modules[type(call.module).__module__]).get("eager_attention_forward")
    if eager is None:
        return None
    # In float32 whatever the model runs in: rounding is not what is looked for.
    query, key, value, mask = (_float32(tensor) for tensor in (call.query, call.key, call.value, call.mask))
    if query.shape[0] > 1:
        # In one layout from the start, so that not every product of matrices of a batch makes a copy.
        key, value = key.contiguous(), value.contiguous()
    rows = torch.linspace(0, query.shape[2] - 1, min(ROWS, query.shape[2]), device=query.device).long()
    added = _additive(mask, call.causal, query, key, rows)
    named = {"position_bias": call.bias, "softcap": call.softcap, "s_aux": call.sinks}
    options = others | {name: option for name, option in named.items() if option is not None}
    options = {name: _rows(_float32(option), rows, query.shape[2]) for name, option in options.items()}
    query = query[:, :, rows]
    try:
        output, weights = eager(call.module, query, key, value, added, scaling=call.scaling, **options)
    except (TypeError, RuntimeError, AttributeError, IndexError, ValueError):
        return None
    if weights is None or weights.shape != (*query.shape[:3], key.shape[2]):
        return None
    found = _own_weights(query, key, call.scaling, added, options)
    groups = query.shape[1] // value.shape[1]
    result = torch.matmul(found, value if groups == 1 else value.repeat_interleave(groups, dim=1)).transpose(1, 2)
    weights = weights.float()
    off_weights = (found - weights).abs().amax()
    if options.get("s_aux") is not None:
        off_weights = torch.minimum(off_weights, (found - weights * found.sum(-1, keepdim=True)).abs().amax())
    off_output = _largest(result - output.float()) / _largest(output.float()).clamp(min=1e-6)
    return torch.maximum(off_weights, off_output.amax()) / TOLERANCE


def _largest(tensor: torch.Tensor) -> torch.Tensor:
    """Return the largest absolute value of every entry of a batch."""
    return tensor.abs().flatten(1).amax(dim=1)


def _own_weights(
    query: torch.Tensor, key: torch.Tensor, scaling: float | int, added: torch.Tensor | None, options: dict[str, Any]
) -> torch.Tensor:
    """Return our weights [batch, head, row, key]: the heads of all entries side by side, as if of one."""
    batch, heads = query.shape[:2]
    bias = options.get("position_bias")
    if added is not None:
        # The lowest float16 swallows a score only when rounded to float16: in float32 only the lowest float32 does.
        masked = added <= torch.finfo(added.dtype).min / 2
        added = added.float().masked_fill(masked, torch.finfo(torch.float32).min)
        bias = added if bias is None else bias + added
    if bias is not None:
        bias = bias[0] if batch == 1 else bias.expand(batch, heads, -1, -1).flatten(0, 1)
    softcap, sinks = options.get("softcap"), options.get("s_aux")
    scores = aligned_scores(query.flatten(0, 1), key.flatten(0, 1), float(scaling), None, bias, softcap)
    weights = attention_weights(scores, None if sinks is None else sinks.reshape(-1).repeat(batch))
    return weights.unflatten(0, (batch, heads))


def _additive(
    mask: torch.Tensor | None, causal: bool, query: torch.Tensor, key: torch.Tensor, rows: torch.Tensor
) -> torch.Tensor | None:
    """Return the mask of these rows as eager attention takes it: added to the scores, [1, 1 or head, row, key]."""
    if causal:
        mask = (torch.arange(key.shape[2], device=rows.device) <= rows[:, None])[None, None]
    elif mask is not None:
        mask = _rows(mask, rows, query.shape[2])
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=query.dtype).masked_fill_(~mask, torch.finfo(query.dtype).min)


def _float32(value: Any) -> Any:
    """Return a floating-point tensor in float32; anything else as it is."""
    return value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def _rows(value: Any, rows: torch.Tensor, queries: int) -> Any:
    """Return these rows of a tensor [batch, head, query, key]; anything else as it is."""
    whole = isinstance(value, torch.Tensor) and value.ndim == 4 and value.shape[2] == queries > 1
    return value[:, :, rows] if whole else value
