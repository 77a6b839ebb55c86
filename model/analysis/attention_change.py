"""How much of its attention every head moves between two runs over the same tokens, such as before and after an intervention."""

import numpy as np
import torch
from jaxtyping import Float64

from model.errors import HeadscopeError
from model.trace import Trace

_BLOCK_WEIGHTS = 2**22


def attention_change(first: Trace, second: Trace, stack: str | None = None) -> Float64[np.ndarray, "layer head"]:
    """Return the share of its attention that an average query of every head moves, in [0, 1]; NaN where there is no head.

    change[l, h] = mean_q 1/2 sum_k |second[l, h, q, k] - first[l, h, q, k]|     (total variation distance)

    Rows that may attend to nothing do not count. Raises HeadscopeError where the two are not of the same tokens and layers.
    """
    pairs = list(zip(first.of_stack(stack), second.of_stack(stack), strict=False))
    if any(one.shape != other.shape for one, other in pairs) or len(pairs) != len(second.of_stack(stack)):
        raise HeadscopeError("Change is measured over the same tokens and layers: record the same text twice.")
    changes = np.full((len(pairs), max(layer.heads for layer, _ in pairs)), np.nan)
    for row, (one, other) in enumerate(pairs):
        heads, queries, keys = one.shape
        moved, counted = torch.zeros(heads, dtype=torch.float64), torch.zeros(heads, dtype=torch.float64)
        step = max(1, _BLOCK_WEIGHTS // (heads * keys))
        for start in range(0, queries, step):
            rows = slice(start, min(start + step, queries))
            alive = torch.stack([one.allowed(head, rows).any(dim=1) for head in range(heads)]).cpu()
            change = (other.weights(rows=rows).cpu() - one.weights(rows=rows).cpu()).abs().sum(dim=2) / 2
            moved += (change.double() * alive).sum(dim=1)
            counted += alive.sum(dim=1)
        changes[row, :heads] = (moved / counted.clamp(min=1)).numpy()
    return changes
