"""What is kept of the predictions at some positions: the top tokens, entropy, the true token, and how far from the last."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.linalg import vecdot

_PER_BIT = 1 / math.log(2)
_BARRED, _SMALLEST = -1e20, -87.0


@dataclass(frozen=True, eq=False)
class LensReadings:
    """The readings of logits [position, vocab], p = softmax(logits); entropy and divergence in bits.

    `rank` counts from 1; where nothing is true it is 0 and `truth_probability` NaN.
    """

    top_ids: Int[Tensor, "position top"]
    top_probabilities: Float[Tensor, "position top"]
    entropy: Float[Tensor, " position"]
    divergence: Float[Tensor, " position"]
    rank: Int[Tensor, " position"]
    truth_probability: Float[Tensor, " position"]
    agrees: Bool[Tensor, " position"]


def log_probabilities(logits: Float[Tensor, "position vocab"]) -> Float[Tensor, "position vocab"]:
    """Return log p in float32, p = softmax(logits); of an entry that the model bars -1e20, which counts for nothing."""
    return logits.float().log_softmax(dim=-1).clamp_(min=_BARRED)


def probabilities(logs: Float[Tensor, "position vocab"]) -> Float[Tensor, "position vocab"]:
    """Return p = exp(log p), at least 1.6e-38: below, a CPU takes many times as long."""
    return logs.clamp(min=_SMALLEST).exp_()


def lens_readings(
    logs: Float[Tensor, "position vocab"],
    final: Float[Tensor, "position vocab"],
    final_logs: Float[Tensor, "position vocab"],
    truth: Int[Tensor, " position"],
    top: int,
) -> LensReadings:
    """Return the readings of `logs` (log p) beside the model's own `final` (p) and `final_logs` (log p); true ids, -1 for none.

    H = -sum_v p(v) log2 p(v);  KL = sum_v p_final(v) log2(p_final(v) / p(v));  rank = 1 + #{v: p(v) > p(true)}
    """
    known = truth >= 0
    true_logs = logs.gather(-1, truth.clamp(min=0)[:, None])
    rank = 1 + torch.count_nonzero(logs > true_logs, dim=-1)
    best = logs.topk(min(top, logs.shape[-1]))
    # Both sums are of the same kind, so that they cancel exactly where the two are the same.
    divergence = vecdot(final, final_logs) - vecdot(final, logs)
    return LensReadings(
        top_ids=best.indices,
        top_probabilities=best.values.exp(),
        entropy=-vecdot(probabilities(logs), logs).clamp(max=0) * _PER_BIT,
        divergence=divergence.clamp(min=0) * _PER_BIT,
        rank=torch.where(known, rank, 0),
        truth_probability=torch.where(known, true_logs[:, 0].exp(), torch.nan),
        agrees=best.indices[:, 0] == final_logs.argmax(dim=-1),
    )
