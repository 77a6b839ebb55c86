"""Sums inside one block of a model: what an attention output is added to, and the norms before and after, found by identity."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

# How many roundings of the largest number a sum may be off, and what modules call the epsilon of a norm.
_ROUNDINGS = 4
_EPSILONS = ("eps", "variance_epsilon", "epsilon", "norm_eps")


@dataclass(frozen=True, eq=False)
class ModuleCall:
    """One call of a module in a block: the tensors that it took and those that it returned."""

    module: nn.Module
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class AppliedNorm:
    """A normalisation as it was applied: output = weight * (v - mean(v)) / deviation + bias, or without the mean.

    `deviation` [position] is sqrt(mean((v - mean(v))^2) + epsilon) in that run; with it given, the norm is linear. Layer norm:
    Ba et al. 2016; without the mean (`centred` False): root mean square norm, Zhang and Sennrich 2019.
    """

    weight: Float[Tensor, " d_model"]
    bias: Float[Tensor, " d_model"] | None
    centred: bool
    deviation: Float[Tensor, " position"]

    def linear(self, vectors: Float[Tensor, "*any d_model"]) -> Float[Tensor, "*any d_model"]:
        """Return weight * (v - mean(v)) of vectors: their part of the output, still to be divided by a deviation."""
        return self.weight * (vectors - vectors.mean(dim=-1, keepdim=True) if self.centred else vectors)

    def without_bias(self, vectors: Float[Tensor, "position d_model"]) -> Float[Tensor, "position d_model"]:
        """Return weight * (v - mean(v)) / deviation of a vector at every position."""
        return self.linear(vectors) / self.deviation[:, None]

    def output(self, vectors: Float[Tensor, "position d_model"]) -> Float[Tensor, "position d_model"]:
        """Return the output for a vector at every position, with the deviations of this run."""
        made = self.without_bias(vectors)
        return made if self.bias is None else made + self.bias

    def to(self, device: torch.device) -> "AppliedNorm":
        """Return this norm with every tensor on a device."""
        moved: dict[str, Any] = {
            name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, **moved)


@dataclass(frozen=True, eq=False)
class ResidualSum:
    """total = residual + scale * attention output, as a block made it; or + `norm_before` of the output where there is one.

    `norm_after` is the norm of the total where the residual stream goes on from what that returns (post-LN). `parallel` says
    that the block adds the output of its feed-forward layer to the same sum, which is not in `total`.
    """

    residual: Float[Tensor, "position d_model"]
    total: Float[Tensor, "position d_model"]
    norm_before: AppliedNorm | None = None
    norm_after: AppliedNorm | None = None
    scale: float = 1.0
    parallel: bool = False

    def to(self, device: torch.device) -> "ResidualSum":
        """Return this sum with every tensor on a device."""
        return replace(self, **{name: value.to(device) for name, value in vars(self).items() if hasattr(value, "to")})


def tensors_in(values: object) -> tuple[Tensor, ...]:
    """Return the tensors among arguments, or in what a module returned."""
    values = values if isinstance(values, list | tuple) else (values,)
    return tuple(value for value in values if isinstance(value, Tensor) and value.ndim >= 2)


def as_rows(tensor: Tensor) -> Float[Tensor, "row feature"]:
    """Return a tensor float32 [row, feature]: batch axes of one are dropped, places in an image stand one after the other."""
    return tensor.detach().flatten(0, -2).float()


def residual_sum(calls: Sequence[ModuleCall], output: Tensor) -> ResidualSum | None:
    """Return the sum of a block that an attention output [position, d_model] goes into; None where there is none.

    total = residual + output,   residual + norm(output),   or   residual + scale * output
    block output = residual + output + feed-forward output, in a parallel block

    All of these are sought among the tensors that the modules of the block took and returned, up to rounding.
    """
    rounding = _ROUNDINGS * torch.finfo(output.dtype).eps
    output = as_rows(output)
    tensors = _distinct(calls, output.shape)
    for added, norm_before in ((output, None), *_norms_of(calls, output, rounding)):
        found = next(_sums(tensors, added, rounding), None)
        if found is not None:
            residual, total = found
            return ResidualSum(residual, total, norm_before, _norm_after(calls, tensors, total, rounding))
    entered = _parallel_residual(calls[-1], tensors, output, rounding)
    if entered is not None:
        return ResidualSum(entered, entered + output, parallel=True)
    for residual, total, scale in _scaled_sums(tensors, output, rounding):
        return ResidualSum(residual, total, None, _norm_after(calls, tensors, total, rounding), scale)
    return None


def _parallel_residual(block: ModuleCall, tensors: Sequence[Tensor], output: Tensor, rounding: float) -> Tensor | None:
    """Return what a block took, where it returned that + output + another of its tensors."""
    taken, returned = (_rows_of(part, output.shape) for part in (block.inputs, block.outputs))
    for entered in taken:
        for left in returned:
            size = max(float(part.abs().amax()) for part in (left, output, entered))
            if _among(tensors, left - output - entered, 2 * rounding * size) is not None:
                return entered
    return None


def _distinct(calls: Sequence[ModuleCall], shape: torch.Size) -> list[Tensor]:
    """Return every tensor [position, d_model] of the calls once, in their order."""
    every = {(tensor.data_ptr(), tensor.stride()): tensor for call in calls for tensor in (*call.inputs, *call.outputs)}
    return _rows_of(every.values(), shape)


def _rows_of(tensors: Iterable[Tensor], shape: torch.Size) -> list[Tensor]:
    """Return those of the tensors that are [position, d_model], as rows."""
    return [
        as_rows(tensor)
        for tensor in tensors
        if tensor.is_floating_point() and tensor.shape[-1] == shape[1] and tensor.numel() == shape.numel()
    ]


def _sums(tensors: Sequence[Tensor], output: Tensor, rounding: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (other, total) with other + output = total."""
    size = float(output.abs().amax())
    for total in tensors:
        other = _among(tensors, total - output, rounding * max(size, float(total.abs().amax())))
        if other is not None and other is not total and bool(other.any()):
            yield other, total


def _scaled_sums(tensors: Sequence[Tensor], output: Tensor, rounding: float) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Yield (other, total, scale) with other + scale * output = total, in models such as Granite."""
    place = int(output.abs().argmax())
    peak = float(output.flatten()[place])
    sizes = [float(tensor.abs().amax()) for tensor in tensors]
    for total, total_size in zip(tensors, sizes, strict=True):
        for other, other_size in zip(tensors, sizes, strict=True):
            allowed = 4 * rounding * max(total_size, other_size)
            added = float(total.flatten()[place] - other.flatten()[place])
            if other_size == 0 or added / (peak or 1) <= 0 or abs(added) <= 10 * allowed:
                continue
            scale = added / peak
            if _among([other], total - scale * output, allowed) is not None:
                yield other, total, scale


def _among(tensors: Sequence[Tensor], wanted: Tensor, allowed: float) -> Tensor | None:
    """Return the tensor that is `wanted` up to the difference allowed."""

    def near(tensor: Tensor, rows: slice) -> bool:
        return bool((tensor[rows] - wanted[rows]).abs().amax() <= allowed)

    # The last row first: most tensors differ there already.
    return next((tensor for tensor in tensors if near(tensor, slice(-1, None)) and near(tensor, slice(None))), None)


def _norm_after(
    calls: Sequence[ModuleCall], tensors: Sequence[Tensor], total: Tensor, rounding: float
) -> AppliedNorm | None:
    """Return the norm of a sum, where the residual stream goes on from what it returns."""
    last = calls[-1].outputs
    ends = as_rows(last[0]) if last and last[0].numel() == total.numel() else None
    for returned, norm in _norms_of(calls, total, rounding):
        if (ends is not None and torch.equal(ends, returned)) or next(_sums(tensors, returned, rounding), None):
            return norm
    return None


def _norms_of(calls: Sequence[ModuleCall], taken: Tensor, rounding: float) -> Iterator[tuple[Tensor, AppliedNorm]]:
    """Yield (output, norm) of every normalisation of these vectors."""
    for call in calls:
        given, made = _rows_of(call.inputs[:1], taken.shape), _rows_of(call.outputs[:1], taken.shape)
        if given and made and isinstance(getattr(call.module, "weight", None), Tensor) and torch.equal(given[0], taken):
            for norm in _candidates(call.module, taken):
                if _among([norm.output(taken)], made[0], 10 * rounding * float(made[0].abs().amax())) is not None:
                    yield made[0], norm
                    break


def _candidates(module: Any, taken: Tensor) -> Iterator[AppliedNorm]:
    """Yield what a module with one weight per dimension would be as layer norm and as root mean square norm."""
    weight, bias = module.weight.detach().float(), getattr(module, "bias", None)
    if weight.shape != taken.shape[1:]:
        return
    bias = None if bias is None else bias.detach().float()
    epsilon = next((getattr(module, name) for name in _EPSILONS if hasattr(module, name)), None) or 0.0
    for centred in (True, False):
        vectors = taken - taken.mean(dim=-1, keepdim=True) if centred else taken
        deviation = (vectors.square().mean(dim=-1) + epsilon).sqrt()
        # Gemma keeps the difference of its weights from one.
        for factor in (weight, 1 + weight):
            yield AppliedNorm(factor, bias, centred, deviation)
