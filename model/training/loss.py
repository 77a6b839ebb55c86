"""What training makes small."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from model.training.batches import IGNORED


def smoothed_cross_entropy(
    logits: Float[Tensor, "*batch position vocab"], labels: Int[Tensor, "*batch position"], smoothing: float | int = 0.0
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy in nats against smoothed labels (Szegedy et al. 2016; Vaswani et al. 2017, section 5.4).

    target(k) = (1 - smoothing) [k = label] + smoothing / vocab,  loss = mean over labels of -sum_k target(k) log p(k)

    Positions whose label is IGNORED do not count.
    """
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, -2).float(), labels.flatten(), ignore_index=IGNORED, label_smoothing=smoothing
    )
