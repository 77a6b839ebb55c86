"""Gradients of a chosen output with respect to attention weights, and the relevance that is made of both."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor, nn

from model.analysis.rollout import rows_to_one
from model.attention_interface import attention_implementation
from model.encoding import Encoding
from model.errors import HeadscopeError
from model.head_changes import intervened_on
from model.intervening import LayerPlan, Place, layer_plan
from model.loading import LoadedModel
from model.part_changes import PartChanges, changing_parts
from model.relevance.embedding import embeddings_changed
from model.relevance.outputs import ChosenOutput, check_output, output_number, output_rows
from model.running_alone import running_alone

# Weights, with as many gradients and what autograd keeps beside them: 16 bytes each at least.
MOST_WEIGHTS = 2**28
_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class WeightGradients:
    """Weights A and dy/dA of every (stack, layer), float32 [head, query, key], y the chosen output (ln p of a token, or |m|).

    The gradient is the total one: through everything above, the softmax of later layers included. `inputs` [position] is
    x . dy/dx of the input embeddings (of the source, in an encoder-decoder); None where the model embeds no ids.
    """

    weights: Mapping[Place, Float32[np.ndarray, "..."]]
    gradients: Mapping[Place, Float32[np.ndarray, "..."]]
    inputs: Float32[np.ndarray, " position"] | None

    def places(self, stack: str) -> tuple[Place, ...]:
        """Return the layers of a stack in order; raises HeadscopeError where there is no such stack."""
        found = tuple(sorted(place for place in self.weights if place[0] == stack))
        if not found:
            raise HeadscopeError(f"This model has no {stack} attention.")
        return found


def weight_gradients(loaded: LoadedModel, encoding: Encoding, output: ChosenOutput) -> WeightGradients:
    """Return the weights of one run and the gradients of `output` with respect to them, by one backward pass.

    Raises HeadscopeError where there is no such output, heads are changed, the family's attention is not seen, or the weights
    are more than fit.
    """
    check_output(loaded, encoding, output)
    if intervened_on(loaded.model):
        raise HeadscopeError("Gradients are of the model as it is: take the interventions off first.")
    plan = layer_plan(loaded)
    _check_size(plan, encoding)
    found: dict[str, list[tuple[Tensor, Tensor]]] = defaultdict(list)
    inputs: list[Tensor] = []
    names = {id(module): name for name, module in loaded.model.named_modules()}

    def nudged(module: nn.Module, weights: Tensor) -> Tensor:
        # Of zeros that are added the gradient is that of the weights, whatever they are computed from.
        nudge = torch.zeros_like(weights, requires_grad=True)
        found[names[id(module)]].append((weights.detach(), nudge))
        return weights + nudge

    def as_leaf(embedded: Tensor) -> Tensor:
        inputs.append(embedded.detach().requires_grad_())
        return inputs[0]

    with running_alone(loaded), attention_implementation(loaded.model, plan.implementation):
        plain = output_number(output_rows(loaded, encoding.tensors, output))
        with torch.enable_grad(), embeddings_changed(loaded, as_leaf), changing_parts(PartChanges(weights=nudged)):
            number = output_number(output_rows(loaded, encoding.tensors, output))
            ordered = _by_place(plan, found)
            leaves = [nudge for _, nudge in ordered.values()]
            gradients = torch.autograd.grad(number.sum(), [*leaves, *inputs], allow_unused=True)
    if not torch.allclose(plain, number.detach(), rtol=_TOLERANCE, atol=_TOLERANCE):
        raise HeadscopeError(
            f"The attention of {loaded.name} computed openly gives another output, so its gradient would be another."
        )
    filled = [
        torch.zeros_like(leaf) if one is None else one for leaf, one in zip([*leaves, *inputs], gradients, strict=True)
    ]
    products = [(one * gradient)[0].sum(dim=-1) for one, gradient in zip(inputs, filled[len(leaves) :], strict=True)]
    return WeightGradients(
        {place: _array(weights) for place, (weights, _) in ordered.items()},
        {place: _array(gradient) for place, gradient in zip(ordered, filled, strict=False)},
        _array(products[0]) if products else None,
    )


def gradient_attention(
    found: WeightGradients, stack: str, *, positive: bool = False
) -> Float64[np.ndarray, "layer query key"]:
    """Return mean_h A * dy/dA of every layer, signed, or of its positive part only (Chefer et al. 2021: E_h (A * dy/dA)^+).

    A product is what the output loses, to first order, when a weight is taken away.
    """
    products = [found.weights[place].astype(np.float64) * found.gradients[place] for place in found.places(stack)]
    return np.stack([(one.clip(min=0) if positive else one).mean(axis=0) for one in products])


def relevancy(found: WeightGradients, stack: str) -> Float64[np.ndarray, "layer query key"]:
    """Return the relevancy of every input token to each token of a stack, cumulated up to every layer (Chefer et al. 2021).

    R_l = R_{l-1} + A-bar_l R_{l-1}, R_{-1} = I, A-bar = E_h (A * dy/dA)^+, over one sequence (their equation 6); rows do not
    sum to one. Raises HeadscopeError for cross-attention.
    """
    maps = gradient_attention(found, stack, positive=True)
    if stack == "cross":
        raise HeadscopeError(
            "Relevancy of a sequence to itself: choose the encoder or the decoder, or translation_relevancy."
        )
    state, collected = np.eye(maps.shape[1]), []
    for one in maps:
        state = state + one @ state
        collected.append(state)
    return np.stack(collected)


def translation_relevancy(found: WeightGradients) -> Float64[np.ndarray, "layer target source"]:
    """Return the relevancy of every source token to each target token, cumulated up to every decoder layer (Chefer et al. 2021).

    R_ts <- R_ts + A-bar_self R_ts; R_ts <- R_ts + N(R_tt)^T A-bar_cross N(R_ss), N(R) = rows of (R - I) scaled to one, plus I
    (their equations 7 to 10); R_tt and R_ss as in `relevancy`.
    """
    sources = _self_relevance(relevancy(found, "encoder")[-1])
    own, looked = (gradient_attention(found, stack, positive=True) for stack in ("decoder", "cross"))
    targets, reached, collected = np.eye(own.shape[1]), np.zeros(looked.shape[1:]), []
    for self_map, cross_map in zip(own, looked, strict=True):
        reached = reached + self_map @ reached
        targets = targets + self_map @ targets
        reached = reached + _self_relevance(targets).T @ cross_map @ sources
        collected.append(reached)
    return np.stack(collected)


def _self_relevance(relevance: Float[np.ndarray, "query key"]) -> np.ndarray:
    own = np.eye(len(relevance))
    return rows_to_one((relevance - own).clip(min=0)) + own


def _by_place(
    plan: LayerPlan, found: Mapping[str, Sequence[tuple[Tensor, Tensor]]]
) -> dict[Place, tuple[Tensor, Tensor]]:
    """Return the calls of every module by (stack, layer)."""
    if {name: len(calls) for name, calls in found.items()} != {
        name: len(places) for name, places in plan.calls.items()
    }:
        raise HeadscopeError(
            "On this text the model attends in other places than usual: its weights cannot be told apart."
        )
    return {place: call for name, places in plan.calls.items() for place, call in zip(places, found[name], strict=True)}


def _check_size(plan: LayerPlan, encoding: Encoding) -> None:
    tokens = max(
        encoding.tensors[name].shape[1] for name in ("input_ids", "decoder_input_ids") if name in encoding.tensors
    )
    if sum(plan.heads.values()) * tokens**2 > MOST_WEIGHTS:
        most = int((MOST_WEIGHTS / sum(plan.heads.values())) ** 0.5)
        raise HeadscopeError(
            f"Gradients of all weights of {tokens} tokens do not fit: shorten the text to {most} tokens."
        )


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()
