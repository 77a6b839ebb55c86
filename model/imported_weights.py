"""Attention weights that somebody brings along: checked row by row, then kept as dense layers."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from model.errors import ImportedDataError
from model.layers import DenseLayer

# How far a row of rounded weights may be from one: the softmax of a half-precision model is rounded at every weight.
_TOLERANCES = {torch.float16: 5e-3, torch.bfloat16: 2e-2}
_TOLERANCE = 1e-3
# Layers in order: the index, what a sentence calls the layer, and its weights [head, query, key].
Numbered = Sequence[tuple[int, str, torch.Tensor]]


def as_weights(name: str, weights: Any) -> torch.Tensor:
    """Return an array or tensor as a floating-point tensor on the CPU; half precision stays, float64 becomes float32.

    Raises ImportedDataError where it is no array of real numbers; `name` says in the sentence what was given.
    """
    try:
        tensor = weights if isinstance(weights, torch.Tensor) else torch.from_numpy(_native(np.asarray(weights)))
    except (TypeError, ValueError) as error:
        raise ImportedDataError(f"{name} is no array of numbers. Give a NumPy array or a tensor of weights.") from error
    if tensor.dtype == torch.bool or tensor.is_complex():
        raise ImportedDataError(f"{name} holds {_kind(tensor)}. Give real numbers: the weights after the softmax.")
    keep = tensor.dtype in (torch.float16, torch.bfloat16, torch.float32)
    # A copy, so that the trace stays as it is whatever becomes of the array.
    return tensor.detach().to("cpu", tensor.dtype if keep else torch.float32, copy=True)


def without_batch(name: str, weights: torch.Tensor) -> torch.Tensor:
    """Return weights [head, query, key] from [1, head, query, key]; raises ImportedDataError for any other batch."""
    if weights.ndim == 4:
        if weights.shape[0] != 1:
            raise ImportedDataError(
                f"{name} has a batch of {weights.shape[0]}. Give one text: select it with weights[:1] in every layer."
            )
        return weights[0]
    return weights


def imported_layers(
    stack: str, weights: Numbered, *, sinks: bool = False, allowed: torch.Tensor | None = None
) -> tuple[DenseLayer, ...]:
    """Return one layer for each (index, name, weights [head, query, key]), masked where the maps show a mask.

    A decoder whose every map is causal gets a causal mask. A query that is all zero in every head of a layer is taken for
    padding, and may attend to nothing; `allowed`, bool [query, key], is a mask that is known beforehand.

    Raises ImportedDataError where a row is no distribution: negative, not finite, or not summing to one (within 0.001 in
    float32, 0.005 in float16, 0.02 in bfloat16; with `sinks`, to at most one).
    """
    sizes = {(name, *tensor.shape[1:]) for _, name, tensor in weights if tensor.ndim == 3}
    for _, name, tensor in weights:
        _check_shape(name, tensor, stack)
    if len({size[1:] for size in sizes}) > 1:
        listed = ", ".join(f"{name} {queries} x {keys}" for name, queries, keys in sorted(sizes)[:4])
        raise ImportedDataError(f"The layers have maps of different sizes ({listed}). Give one size for all layers.")
    padded = [_padded_queries(name, tensor, sinks) for _, name, tensor in weights]
    if allowed is None and stack == "decoder" and all_causal(tensor for _, _, tensor in weights):
        allowed = torch.ones(weights[0][2].shape[1:], dtype=torch.bool).tril_()
    masks: dict[bytes, torch.Tensor | None] = {}
    layers = []
    for (index, name, tensor), rows in zip(weights, padded, strict=True):
        mask = masks.setdefault(rows.numpy().tobytes(), _mask(allowed, rows, tensor.shape))
        layers.append(DenseLayer(stack, index, name, dense=tensor, mask=mask))
    return tuple(layers)


def all_causal(maps: Iterable[torch.Tensor]) -> bool:
    """Say whether no query of any map [head, query, key] looks at a later key; one token alone does not tell."""
    return all(_is_causal(weights) for weights in maps)


def _is_causal(weights: torch.Tensor) -> bool:
    if weights.ndim != 3 or not weights.shape[1] == weights.shape[2] > 1:
        return False
    # A row whose keys are all masked (left padding) is uniform and says nothing.
    telling = weights.amax(dim=-1, keepdim=True) > weights.amin(dim=-1, keepdim=True)
    return bool(telling.any()) and not bool((weights.triu(diagonal=1) * telling).any())


def _check_shape(name: str, weights: torch.Tensor, stack: str) -> None:
    if weights.ndim != 3 or weights.numel() == 0:
        raise ImportedDataError(
            f"{name} has the shape {tuple(weights.shape)}. Give [head, query, key] for each layer, none of them empty."
        )
    if stack != "cross" and weights.shape[1] != weights.shape[2]:
        raise ImportedDataError(
            f"{name} has {weights.shape[1]} queries and {weights.shape[2]} keys, but {stack} attention is from every token "
            'to every token. Give whole maps, or say stack="cross" with key_tokens.'
        )


def _padded_queries(name: str, weights: torch.Tensor, sinks: bool) -> torch.Tensor:
    """Return bool [query], True where a query is zero in every head; raises ImportedDataError for what is no weight."""
    if not bool(torch.isfinite(weights).all()):
        raise ImportedDataError(
            f"{name} has weights that are not a number or infinite. Run the model in float32 again."
        )
    if bool((weights < 0).any()):
        raise ImportedDataError(f"{name} has negative numbers. Give the weights after the softmax, not the scores.")
    total = weights.sum(dim=-1, dtype=torch.float32)
    padded = (total == 0).all(dim=0)
    if bool(padded.all()):
        raise ImportedDataError(f"{name} is zero everywhere. Give the weights of a run, and leave this layer out.")
    tolerance = _TOLERANCES.get(weights.dtype, _TOLERANCE)
    wrong = (total > 1 + tolerance) | ((total < 1 - tolerance) & (not sinks))
    wrong &= ~padded
    if bool(wrong.any()):
        head, query = (int(place) for place in wrong.nonzero()[0])
        found = float(total[head, query])
        advice = (
            "If the model has attention sinks, import with sinks=True; else give all keys, without dropout."
            if found < 1
            else "Give the weights after the softmax, one row per query, in float32."
        )
        raise ImportedDataError(f"{name} head {head}, query {query} sums to {found:.4g} instead of 1. {advice}")
    return padded


def _mask(allowed: torch.Tensor | None, padded: torch.Tensor, shape: torch.Size) -> torch.Tensor | None:
    if allowed is None and not bool(padded.any()):
        return None
    mask = torch.ones(shape[1:], dtype=torch.bool) if allowed is None else allowed
    return (mask & ~padded[:, None])[None]


def _native(array: np.ndarray) -> np.ndarray:
    """Return an array that torch can look at: this machine's byte order, no negative strides, writable."""
    whole = array.flags.writeable and array.dtype.isnative and min(array.strides, default=0) >= 0
    return array if whole else np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


def _kind(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
