"""What an attention layer adds up: the values of its heads through its output projection, found in a run and checked in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from model.attention_interface import current_collector
from model.collector import parts_of
from model.encoding import encode
from model.errors import HeadscopeError
from model.intervening import intervening
from model.interventions import HeadIntervention
from model.layers import LazyLayer
from model.lazy_capture import Progress
from model.loading import LoadedModel
from model.module_hooks import announcing, listening
from model.recording import record_encoding
from model.residual_sums import ModuleCall, ResidualSum, as_rows, residual_sum, tensors_in
from model.running_alone import running_alone
from model.trace import Trace

# How far a sum may be from what the module returned, as a share of its size: float32, and numbers with fewer digits.
TOLERANCE = 1e-4
_SHORT_TOLERANCE = 2e-2
# Numbers of the weights [head, query, key] that are made at once.
BLOCK = 1 << 22


@dataclass(frozen=True, eq=False)
class ValueMixing:
    """What one attention layer adds up in a run.

    output[q] = sum_k sum_h weight[h, q, k] f_h(x_k) + bias,   f_h(x_k) = value[h, k] projection[h]

    `output` is what the module itself returned; the value bias is in `value` already. `added` is the sum of the residual
    stream that the output goes into; None where it was not found.
    """

    layer: LazyLayer
    projection: Float[Tensor, "head d_value d_model"]
    bias: Float[Tensor, " d_model"] | None
    output: Float[Tensor, "query d_model"]
    added: ResidualSum | None

    def moved_vectors(self, keys: slice = slice(None)) -> Float[Tensor, "head key d_model"]:
        """Return f_h(x_k) of some keys, float32: what a head moves from a key to whoever attends to it with weight 1."""
        value = _values(self.layer)[:, keys]
        groups = self.layer.heads // value.shape[0]
        return torch.matmul(value.repeat_interleave(groups, dim=0), self.projection.float())

    def mixed_output(self) -> Float[Tensor, "query d_model"]:
        """Return sum_k sum_h weight[h, q, k] f_h(x_k): the output without its bias."""
        return joined_heads(self.layer) @ self.projection.float().flatten(0, 1)


@dataclass(frozen=True, eq=False)
class ValueMixings:
    """The Trace of one run and, by (stack, layer), the ValueMixing of every layer, or the sentence that says why not."""

    trace: Trace
    found: Mapping[tuple[str, int], ValueMixing | str]

    def layer(self, layer: int, stack: str | None = None) -> ValueMixing:
        """Return what a layer adds up; raises HeadscopeError where there is no such layer or it was not found exactly."""
        chosen = self.trace.layer(layer, stack)
        found = self.found[chosen.stack, chosen.index]
        if isinstance(found, str):
            raise HeadscopeError(found)
        return found


def record_mixings(
    loaded: LoadedModel,
    inputs: str | tuple[Any, ...] | list[Any] | Mapping[str, Tensor],
    *,
    target: str | None = None,
    truncate: bool = False,
    progress: Progress | None = None,
    chat: bool = False,
    prefix: str = "",
    interventions: Sequence[HeadIntervention] = (),
) -> ValueMixings:
    """Run the model once as `record` does, and return its Trace with what every attention layer adds up.

    The output projection of a layer is the linear module whose input equals the joined heads weight @ value, and whose output
    equals their projection (to 1e-4 of its size, 2e-2 in half precision); the residual is what it is added to afterwards.
    Both are sought among the modules of the block in this very run, for no family by name. The options are those of `record`.
    """
    calls = _BlockCalls(loaded.model)
    with running_alone(loaded), intervening(loaded, interventions, inputs if isinstance(inputs, Mapping) else None):
        encoding = encode(loaded, inputs, target=target, truncate=truncate, chat=chat, prefix=prefix)
        with announcing(loaded.model, calls.begin), listening(calls.modules, calls.listen):
            trace = record_encoding(loaded, encoding, progress)
    found = {
        (layer.stack, layer.index): _placed(layer, calls.found.get(number)) for number, layer in enumerate(trace.layers)
    }
    return ValueMixings(trace, found)


class _BlockCalls:
    """Listens to the modules of every block, and looks for what its attention adds up as soon as the block is done."""

    def __init__(self, model: nn.Module):
        self.blocks = {id(block) for blocks in parts_of(model).lists.values() for block in blocks}
        inside = (module for block in model.modules() if id(block) in self.blocks for module in block.modules())
        self.modules = tuple(dict.fromkeys(inside))
        self.calls: list[ModuleCall] = []
        self.found: dict[int, ValueMixing] = {}
        self.seen = 0

    def begin(self) -> None:
        """Forget what was found: the model begins a forward pass."""
        # Another thread may run the same model meanwhile: only the run that is recorded counts.
        if current_collector() is not None:
            self.calls, self.found, self.seen = [], {}, 0

    def listen(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: object) -> None:
        """Keep one call until its block is done."""
        collector = current_collector()
        if collector is None:
            return
        self.calls.append(ModuleCall(module, tensors_in((*args, *kwargs.values())), tensors_in(output)))
        if id(module) in self.blocks:
            for number in range(self.seen, len(collector.layers)):
                layer = collector.layers[number]
                mixing = _mixing(layer, self.calls) if isinstance(layer, LazyLayer) else None
                if mixing is not None:
                    self.found[number] = mixing
            self.seen, self.calls = len(collector.layers), []


def _placed(layer: object, mixing: ValueMixing | None) -> ValueMixing | str:
    """Return a mixing with the layer of the trace, all on its device; or the sentence that says why there is none."""
    if not isinstance(layer, LazyLayer):
        return (
            "The attention of this family is seen only as weights, without its values, so what it moves is not known. Choose "
            "a model such as BERT, GPT-2, Llama, T5 or BART."
        )
    if mixing is None:
        return (
            f"What {layer.stack} layer {layer.index} moves cannot be taken apart exactly: no linear module of its block takes "
            "the joined heads as they are. They pass a gate, a rotation, a norm, an adapter or an intervention."
        )
    if layer.stack != "cross" and layer.shape[1] != layer.shape[2]:
        return (
            f"{layer.stack.capitalize()} layer {layer.index} has {layer.shape[1]} queries and {layer.shape[2]} keys of its own "
            "sequence, so what comes from a position itself is not known. Record the text in one piece."
        )
    device = layer.query.device
    moved = {name: getattr(mixing, name).to(device) for name in ("projection", "output")}
    bias = None if mixing.bias is None else mixing.bias.to(device)
    return replace(mixing, layer=layer, bias=bias, added=mixing.added and mixing.added.to(device), **moved)


def _mixing(layer: LazyLayer, calls: Sequence[ModuleCall]) -> ValueMixing | None:
    """Return what a layer adds up in these calls of its block; None where no projection fits it."""
    if layer.value is None:
        return None
    tolerance = TOLERANCE if layer.value.dtype == torch.float32 else _SHORT_TOLERANCE
    joined = joined_heads(layer)
    fitting = [call for call in calls if _projects(call, joined, tolerance)]
    # An adapter of low rank puts a second linear module beside the projection: then neither is all of it.
    if len({id(call.module) for call in fitting}) != 1 or (weight := _linear_weight(fitting[0].module)) is None:
        return None
    module, output = fitting[0].module, fitting[0].outputs[0]
    projection = weight.unflatten(0, (layer.heads, -1))
    return ValueMixing(layer, projection, _bias(module), as_rows(output), residual_sum(calls, output))


def _projects(call: ModuleCall, joined: Tensor, tolerance: float) -> bool:
    """Say whether a call is of a linear module that took these joined heads and returned their projection."""
    weight = _linear_weight(call.module)
    if weight is None or len(weight) != joined.shape[1] or not call.inputs or not call.outputs:
        return False
    if call.inputs[0].numel() != joined.numel() or not _agree(joined, as_rows(call.inputs[0]), tolerance):
        return False
    bias = _bias(call.module)
    made = joined @ weight.float() + (0 if bias is None else bias.float())
    return _agree(made, as_rows(call.outputs[0]), tolerance)


def joined_heads(layer: LazyLayer) -> Float[Tensor, "query head_d_value"]:
    """Return what the heads of a layer hand on, side by side, float32: sum_k weight[h, q, k] value[h, k]."""
    value = _values(layer)
    value = value.repeat_interleave(layer.heads // value.shape[0], dim=0)
    blocks = [torch.matmul(layer.weights(rows=rows), value) for rows in row_blocks(layer)]
    return torch.cat(blocks, dim=1).transpose(0, 1).flatten(1)


def row_blocks(layer: LazyLayer) -> list[list[int]]:
    """Return the queries of a layer in blocks whose weights, of all heads, fit in memory at once."""
    heads, queries, keys = layer.shape
    size = max(1, BLOCK // (heads * keys))
    return [list(range(start, min(start + size, queries))) for start in range(0, queries, size)]


def _linear_weight(module: nn.Module) -> Tensor | None:
    """Return the weight [in, out] of a linear module; None for another, or where its weights are packed or elsewhere."""
    if not isinstance(module, nn.Linear | Conv1D):
        return None
    weight = module.weight.detach()
    if not weight.is_floating_point() or weight.is_meta or weight.ndim != 2:
        return None
    return weight if isinstance(module, Conv1D) else weight.T


def _values(layer: LazyLayer) -> Tensor:
    """Return the values [key-value head, key, d_value] of a layer in float32; only layers that have them are looked at."""
    if layer.value is None:
        raise ValueError("this layer kept no values")
    return layer.value.float()


def _bias(module: Any) -> Tensor | None:
    return None if module.bias is None else module.bias.detach()


def _agree(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    return found.shape == expected.shape and bool((found - expected).norm() <= tolerance * expected.norm())
