"""One call of an attention module: what its softmax is taken of, and what it weighs."""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True, eq=False)
class AttentionCall:
    """What a module hands to its attention function, after rotary embedding, with a batch axis.

    Shapes: query [batch, head, query, d_head]; key and value [batch, key-value head, key, d]; mask (bool, True: may attend, or
    additive) and bias (additive) [1 or batch, 1 or head, 1 or query, key]; sinks: one number for each head. `replaced` are the
    heads that an intervention gave other weights, and these [batch, replaced head, query, key].
    """

    module: nn.Module
    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor | None = None
    scaling: float | int = 1.0
    causal: bool = False
    softcap: float | int | None = None
    bias: torch.Tensor | None = None
    sinks: torch.Tensor | None = None
    replaced: tuple[tuple[int, ...], torch.Tensor] | None = None
