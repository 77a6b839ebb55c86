"""Every weight of a batch of texts, handed out in blocks of rows while the model runs, and then forgotten.

Like lazy capture this is an attention implementation of its own. It computes the weights once, uses them for
the module's output, and gives each block to the observer of this context: no n x n map outlives its layer.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from model.attention_interface import (
    attention_implementation,
    interceptable,
    intercepted_attention,
    register_attention,
    whole_mask,
)
from model.encoding import Encoding, running
from model.errors import Cancelled
from model.head_changes import intervened_on
from model.loading import LoadedModel
from model.running_alone import running_alone
from model.streamed_weights import BlockScores
from model.trace import Trace

IMPLEMENTATION = "headscope_stream"
# One block of weights: small enough to stay in a processor's cache while it is read several times.
BLOCK_BYTES = 8 * 2**20


@dataclass(frozen=True, eq=False)
class WeightBlock:
    """Consecutive rows, from `start`, of one layer's weights float32 [text, head, row, key] for a batch of texts.

    `queries` is the number of rows that the layer has in all. `allowed` (bool, True: may attend) is that of all of them,
    [1 or text, 1, query, key], the same tensor for layers that share a mask; None where every query may attend to every key.
    """

    stack: str
    index: int
    weights: Tensor
    start: int
    queries: int
    allowed: Tensor | None = None

    @property
    def is_last(self) -> bool:
        """Whether the layer's last row is in this block."""
        return self.start + self.weights.shape[2] == self.queries


Observe = Callable[[WeightBlock], None]


@dataclass(frozen=True)
class StreamPlan:
    """The numbers (stack, index) of every module's attention calls, in their order, as `record` counts them.

    `names` are the modules' names by their ids.
    """

    layers: Mapping[str, tuple[tuple[str, int], ...]]
    names: Mapping[int, str]


def plan_of(loaded: LoadedModel, trace: Trace) -> StreamPlan:
    """Return the plan that a recorded trace of the same model gives."""
    layers = defaultdict(list)
    for layer in trace.layers:
        layers[layer.module].append((layer.stack, layer.index))
    names = {id(module): name for name, module in loaded.model.named_modules()}
    return StreamPlan({module: tuple(numbers) for module, numbers in layers.items()}, names)


@dataclass(eq=False)
class _Stream:
    """What one streamed run knows: whom to tell, which module is which layer, how often each has been called, and the masks."""

    plan: StreamPlan
    texts: int
    observe: Observe
    block_bytes: int
    calls: Counter[str] = field(default_factory=Counter)
    masks: dict[str, Any] = field(default_factory=dict)
    # Whether all that was handed out is what the modules computed with.
    exact: bool = True

    def number(self, module: nn.Module) -> tuple[str, int] | None:
        """Return (stack, index) of this call of a module; None where the plan has none."""
        name = self.plan.names.get(id(module), "")
        numbers, call = self.plan.layers.get(name, ()), self.calls[name]
        self.calls[name] += 1
        return numbers[call] if call < len(numbers) else None

    @property
    def complete(self) -> bool:
        """Whether every layer of the plan was handed out, exactly."""
        return self.exact and self.calls == Counter({name: len(numbers) for name, numbers in self.plan.layers.items()})


_stream: ContextVar[_Stream | None] = ContextVar("headscope_weight_stream", default=None)


def stream_weights(
    loaded: LoadedModel,
    encodings: Sequence[Encoding],
    plan: StreamPlan,
    observe: Observe,
    *,
    block_bytes: int = BLOCK_BYTES,
) -> bool:
    """Run the model once over texts whose tensors have equal shapes and call `observe` with every block of every layer.

    Blocks of a layer come in the order of their rows, a block holding at most `block_bytes` (or one row of each text). Returns
    False where the model did not attend in a way that can be handed out exactly: then what was observed is to be thrown away.
    What `observe` raises ends the run and comes out as it was. Raises InputError for what the model cannot run.
    """
    if not interceptable(loaded.model) or intervened_on(loaded.model):
        # What is done to heads is done where `record` captures them.
        return False
    tensors = {name: torch.cat([one.tensors[name] for one in encodings]) for name in encodings[0].tensors}
    stream = _Stream(plan, len(encodings), observe, block_bytes)
    with running_alone(loaded), attention_implementation(loaded.model, IMPLEMENTATION), running(loaded):
        token = _stream.set(stream)
        try:
            loaded.model(**tensors, **attention_only(loaded))
        finally:
            _stream.reset(token)
    return stream.complete


def attention_only(loaded: LoadedModel) -> dict[str, object]:
    """Return the options with which the model computes little beyond its attention: no cache, one position's predictions."""
    options = {"use_cache": False} if loaded.caches else {}
    takes = signature(loaded.model.forward).parameters
    return options | ({"logits_to_keep": 1} if "logits_to_keep" in takes else {})


def streamed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | int | None = None,
    dropout: float | int = 0.0,
    is_causal: bool | None = None,
    position_bias: Tensor | None = None,
    softcap: float | int | None = None,
    s_aux: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Compute attention from its weights, block by block, and hand the blocks to this context's observer."""
    stream = _stream.get()
    number = None if stream is None else stream.number(module)
    # A family's own sinks, under this name, differ per query; a first axis other than the texts belongs to windows.
    known = kwargs.get("sinks") is None and stream is not None and query.shape[0] == stream.texts
    causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
    causal = causal and attention_mask is None and query.shape[2] > 1
    if stream is None or number is None or not known or (causal and key.shape[2] != query.shape[2]):
        if stream is not None:
            stream.exact = False
        return intercepted_attention(
            module, query, key, value, attention_mask, scaling, dropout, is_causal, position_bias, softcap, s_aux, **kwargs
        )  # fmt: skip
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = BlockScores.of(
        query, key, attention_mask, float(scaling), causal, softcap, position_bias, s_aux, stream.masks
    )
    return _output(stream, number, scores, value), None


def _output(stream: _Stream, number: tuple[str, int], scores: BlockScores, value: Tensor) -> Tensor:
    """Return attention's output [text, query, head, d_value], having told the observer of every block of weights."""
    texts, heads, queries, keys = scores.shape
    rows = max(1, min(queries, stream.block_bytes // (4 * texts * heads * keys)))
    parts = []
    for start in range(0, queries, rows):
        part = slice(start, min(start + rows, queries))
        weights = scores.weights(part)
        block = WeightBlock(*number, weights, start, queries, scores.reach)
        try:
            stream.observe(block)
        except Exception as reason:
            raise Cancelled from reason
        groups = weights.to(value.dtype).reshape(texts * value.shape[1], -1, keys)
        parts.append(torch.bmm(groups, value.flatten(0, 1)).view(texts, heads, -1, value.shape[3]).transpose(1, 2))
    return parts[0].contiguous() if len(parts) == 1 else torch.cat(parts, dim=1)


register_attention(IMPLEMENTATION, streamed_attention, whole_mask)
