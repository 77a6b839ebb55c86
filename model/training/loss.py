"""What training makes small."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from model.training.batches import IGNORED

# Rows of logits handled at once: on a CPU few enough that they stay in its cache.
_ROWS = {"cpu": 64}
_ROWS_ELSEWHERE = 8192


def smoothed_cross_entropy(
    logits: Float[Tensor, "*batch position vocab"], labels: Int[Tensor, "*batch position"], smoothing: float | int = 0.0
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy in nats against smoothed labels (Szegedy et al. 2016; Vaswani et al. 2017, section 5.4).

    target(k) = (1 - smoothing) [k = label] + smoothing / vocab,  loss = mean over labels of -sum_k target(k) log p(k)

    Positions whose label is IGNORED do not count.
    """
    return _SmoothedCrossEntropy.apply(logits.flatten(0, -2), labels.flatten(), smoothing)


class _SmoothedCrossEntropy(torch.autograd.Function):
    """The loss and, in the same pass over the logits, its gradient: d loss / d logit(k) = (p(k) - target(k)) / labels."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, smoothing: float | int) -> Tensor:
        counted = labels != IGNORED
        share = (counted / counted.sum())[:, None]
        found, rows = labels.clamp(min=0)[:, None], _ROWS.get(logits.device.type, _ROWS_ELSEWHERE)
        gradient, loss = torch.empty_like(logits), torch.zeros((), device=logits.device)
        for begin in range(0, len(logits), rows):
            part = slice(begin, begin + rows)
            log_p = torch.log_softmax(logits[part].float(), dim=-1)
            cross = (1 - smoothing) * log_p.gather(1, found[part]) + smoothing * log_p.mean(dim=-1, keepdim=True)
            loss -= (cross * share[part]).sum()
            change = log_p.exp_().sub_(smoothing / logits.shape[1])
            change.scatter_add_(1, found[part], torch.full_like(cross, smoothing - 1))
            gradient[part] = change.mul_(share[part])
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * above.to(gradient.dtype), None, None
