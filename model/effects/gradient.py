"""Importance of heads by gradient: one backward pass over the texts instead of one run for every head."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from model.effects.batches import TextBatch, text_batches
from model.effects.head_effects import HeadEffects, by_layer
from model.effects.measures import embeddings, label_losses, log_predictions, measures_of
from model.errors import HeadscopeError
from model.head_changes import HeadChanges
from model.intervening import LayerPlan, applying, layer_plan
from model.lazy_capture import Progress
from model.loading import LoadedModel
from model.running_alone import running_alone


@dataclass(frozen=True, eq=False)
class HeadImportance:
    """An estimate [layer, head] of every stack, from gradients, of what `measure` loses without each head; in `unit`.

    Axis 0 are the layers of `layers`; NaN where a layer has fewer heads than another.
    """

    measure: str
    unit: str
    texts: int
    values: Mapping[str, Float64[np.ndarray, "layer head"]]
    layers: Mapping[str, tuple[int, ...]]

    @property
    def normalised(self) -> dict[str, Float64[np.ndarray, "layer head"]]:
        """The values divided by the l2 norm of their layer, as Michel et al. 2019 prune by them."""
        return {
            stack: values / np.maximum(np.sqrt(np.nansum(values**2, axis=1, keepdims=True)), np.finfo(float).tiny)
            for stack, values in self.values.items()
        }


def gradient_importance(
    loaded: LoadedModel,
    texts: Sequence[str],
    measure: str | None = None,
    *,
    references: Sequence[str] | None = None,
    samples: int = 8,
    seed: int = 0,
    progress: Progress | None = None,
) -> HeadImportance:
    """Return how much the output depends on the factor xi of each head (see `ScaleHeads`), at xi = 1.

    "cross entropy" (or "bleu", which has no gradient):  I = E_x |dL(x)/dxi|, L the mean loss of a text in bits
                                                         (Michel et al. 2019, eq. 2)
    "divergence":  I = E_x mean_t E_v (d ln p_t(v)/dxi)^2 / (2 ln 2), the divergence in bits to second order: half the
                   Fisher information; v is drawn from p_t
    "embedding":   I = E_x |de/dxi|^2 / 2, 1 - cosine to second order, with |de/dxi|^2 = E_r (r . de/dxi)^2, r ~ N(0, 1)

    The last two take `samples` backward passes. Without a `measure`: the loss where there are labels, else the embedding.
    `progress` is called with the done share after every batch; what it raises cancels. Raises HeadscopeError where there
    is no such measure.
    """
    chosen = _chosen(loaded, measure, references)
    batches = text_batches(loaded, texts, references)
    plan, generator = layer_plan(loaded), torch.Generator(device=loaded.device).manual_seed(seed)
    total, rows = {place: np.zeros(heads) for place, heads in plan.heads.items()}, 0
    for number, batch in enumerate(batches):
        for place, importance in _importances(loaded, plan, batch, chosen, samples, generator).items():
            total[place] += importance.double().sum(dim=0).cpu().numpy()
        rows += len(batch.counted)
        if progress is not None:
            progress((number + 1) / len(batches))
    heads = [(stack, layer, head) for (stack, layer), count in plan.heads.items() for head in range(count)]
    values, layers = by_layer(heads, [float(total[stack, layer][head]) / rows for stack, layer, head in heads])
    unit = "1 - cosine" if chosen == "embedding" else "bits"
    return HeadImportance(chosen, unit, len(texts), values, layers)


def rank_correlation(effects: HeadEffects, importance: HeadImportance) -> float:
    """Return Spearman's correlation between the heads' effects and their importance: of their ranks, from -1 to 1."""
    pairs = [(effects.effects[stack], importance.values[stack]) for stack in effects.values]
    one, other = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    known = np.isfinite(one) & np.isfinite(other)
    return float(np.corrcoef(_ranks(one[known]), _ranks(other[known]))[0, 1])


def _ranks(values: Float64[np.ndarray, " head"]) -> Float64[np.ndarray, " head"]:
    """Return ranks from 1; equal values share the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[places]


def _chosen(loaded: LoadedModel, measure: str | None, references: Sequence[str] | None) -> str:
    known = measures_of(loaded, references is not None)
    if measure is None:
        return next((name for name in ("cross entropy", "embedding") if name in known), known[0])
    if measure not in known:
        raise HeadscopeError(f"There is no measure “{measure}” for {loaded.name} here. Choose {' or '.join(known)}.")
    return "cross entropy" if measure == "bleu" else measure


def _importances(
    loaded: LoadedModel, plan: LayerPlan, batch: TextBatch, measure: str, samples: int, generator: torch.Generator
) -> dict[tuple[str, int], Float[Tensor, "row head"]]:
    """Return the importance of the heads of every layer for every row of a batch."""
    with running_alone(loaded), torch.enable_grad():
        shape = len(batch.counted)
        factors = {
            place: torch.ones(shape, heads, device=loaded.device, requires_grad=True)
            for place, heads in plan.heads.items()
        }
        changes = {place: HeadChanges(factor=factor) for place, factor in factors.items()}
        with applying(loaded, plan, changes):
            outputs, finish = _OUTPUTS[measure](loaded, batch, samples, generator)
            found = [torch.zeros_like(factor) for factor in factors.values()]
            for output, last in outputs:
                gradients = torch.autograd.grad(
                    output, list(factors.values()), retain_graph=not last, allow_unused=True
                )
                for sums, gradient in zip(found, gradients, strict=True):
                    if gradient is not None:
                        sums += finish(gradient)
    return dict(zip(factors, found, strict=True))


# What is derived, one scalar after the other and whether it is the last, and what is added up of the gradients [row, head].
_Outputs = tuple[Iterator[tuple[Tensor, bool]], Callable[[Tensor], Tensor]]


def _loss(loaded: LoadedModel, batch: TextBatch, _samples: int, _generator: torch.Generator) -> _Outputs:
    losses, counts = label_losses(loaded, batch), (batch.labels >= 0).sum(dim=1).clamp(min=1)
    per_row = losses.sum(dim=1) / counts / math.log(2)
    return iter([(per_row.sum(), True)]), torch.abs


def _divergence(loaded: LoadedModel, batch: TextBatch, samples: int, generator: torch.Generator) -> _Outputs:
    log_p = log_predictions(loaded, batch)
    counts = batch.counted.sum(dim=1).clamp(min=1)

    def outputs() -> Iterator[tuple[Tensor, bool]]:
        for sample in range(samples):
            drawn = torch.multinomial(log_p.detach().exp(), 1, generator=generator)
            # Positions are drawn apart and each has mean zero, so the square of their sum is the sum of their squares.
            yield log_p.gather(1, drawn).sum(), sample == samples - 1

    return outputs(), lambda gradient: gradient.square() / (counts[:, None] * samples * 2 * math.log(2))


def _embedding(loaded: LoadedModel, batch: TextBatch, samples: int, generator: torch.Generator) -> _Outputs:
    found = embeddings(loaded, batch)

    def outputs() -> Iterator[tuple[Tensor, bool]]:
        for sample in range(samples):
            direction = torch.randn(found.shape, device=found.device, generator=generator)
            yield (found * direction).sum(), sample == samples - 1

    return outputs(), lambda gradient: gradient.square() / (2 * samples)


_OUTPUTS = {"cross entropy": _loss, "divergence": _divergence, "embedding": _embedding}
