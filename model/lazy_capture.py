"""Attention layers and hidden states of one run with the fused kernel, as the families of transformers' interface allow."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from model.attention_interface import collecting, lazy_implementations
from model.collector import Collector
from model.encoding import running
from model.head_watch import HeadWatch
from model.layers import AttentionLayer
from model.loading import LoadedModel

Progress = Callable[[float], None]
ReadOutput = Callable[[Mapping[str, Any]], None]


def collected(
    loaded: LoadedModel,
    tensors: Mapping[str, torch.Tensor],
    progress: Progress | None,
    read: ReadOutput | None = None,
    batch: int = 1,
    watch: Callable[[], HeadWatch] | None = None,
) -> Collector | None:
    """Return what one lazily captured run collected; None where that is not exactly what the model computed with.

    `watch` makes, for every attempt anew, what looks at the weights while the model runs.
    """
    for implementation in lazy_implementations(loaded.model):
        watching = None if watch is None else watch()
        with collecting(loaded.model, implementation, progress, batch, watching) as collector:
            forward(loaded, tensors, read)
        if not collector.needs_whole_masks:
            return collector if collector.agrees else None
    return None


def captured(collector: Collector) -> tuple[tuple[AttentionLayer, ...], dict[str, tuple[torch.Tensor, ...]]]:
    """Return (attention layers, hidden states by side) of a run that a collector gathered."""
    return _numbered(collector.layers), collector.states()


def forward(loaded: LoadedModel, tensors: Mapping[str, torch.Tensor], read: ReadOutput | None, **options: Any) -> Any:
    """Run the model on tensors and return its output, which `read` is given too."""
    with running(loaded):
        output = loaded.model(**tensors, **({"use_cache": False} if loaded.caches else {}), **options)
    if read is not None:
        read(output)
    return output


def _numbered(layers: list[Any]) -> tuple[AttentionLayer, ...]:
    """Return the layers as they are, or numbered by call order in stacks where two would share a number."""
    numbers = [(layer.stack, layer.index) for layer in layers]
    shared = {stack for stack, index in numbers if numbers.count((stack, index)) > 1}
    counts = dict.fromkeys(shared, 0)
    result = []
    for layer in layers:
        if layer.stack in shared:
            layer = replace(layer, index=counts[layer.stack])
            counts[layer.stack] += 1
        result.append(layer)
    return tuple(result)
