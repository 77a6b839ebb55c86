"""record: one run of a model, kept as a Trace."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import torch

from model.attention_interface import collecting, lazy_implementations
from model.collector import Collector
from model.dense_capture import dense_layers, dense_states
from model.device_budget import holding, within_budget
from model.devices import trace_budget
from model.encoding import Encoding, encode, running
from model.errors import Cancelled, NoAttention
from model.layers import AttentionLayer
from model.loading import LoadedModel
from model.recorded_trace import recorded_trace
from model.reformer import reformer_maps
from model.trace import Trace
from model.unfolding import unfolding

Progress = Callable[[float], None]
ReadOutput = Callable[[Mapping], None]


def record(
    loaded: LoadedModel,
    inputs: str | tuple | list | Mapping[str, torch.Tensor],
    *,
    target: str | None = None,
    truncate: bool = False,
    progress: Progress | None = None,
    chat: bool = False,
    prefix: str = "",
    device_budget: int | None = None,
) -> Trace:
    """Run the model once over a text, or over tensors as the model takes them, and return the Trace of that run.

    Two texts, (first, second), are read together; the tokens say which they are from. A list of messages, or a text with
    `chat`, goes through the tokenizer's chat template; `prefix` goes before a text ("translate English to German: ").
    `target` is the decoder's text in an encoder-decoder; without it the model writes one itself (greedy, at most 48
    tokens). `truncate` cuts a text that is too long. `progress` is called with the done share after every block; what
    it raises cancels the run. One run at a time and model: callers in other threads wait. Of the trace at most
    `device_budget` bytes (without it, a quarter of what is free) stay on the model's device; the rest goes to the CPU.

    Raises InputError (TextTooLong) for what cannot be run and NoAttention where the model has no map to show.
    """
    with running_alone(loaded):
        encoding = encode(loaded, inputs, target=target, truncate=truncate, chat=chat, prefix=prefix)
        return record_encoding(loaded, encoding, progress, device_budget=device_budget)


def record_encoding(
    loaded: LoadedModel,
    encoding: Encoding,
    progress: Progress | None = None,
    read: ReadOutput | None = None,
    device_budget: int | None = None,
) -> Trace:
    """Run the model once over an Encoding and return the Trace; `read` is given what the model itself returned."""
    report = None if progress is None else rising(progress)
    with running_alone(loaded):
        budget = trace_budget(loaded.device) if device_budget is None else device_budget
        with holding(budget):
            layers, states = _capture(loaded, encoding, report, read)
        # What the model itself returned, or ran outside its blocks, is placed only now.
        layers, states = within_budget(layers, states, budget)
    if report is not None:
        report(1.0)
    return recorded_trace(loaded, encoding, layers, states)


@contextmanager
def running_alone(loaded: LoadedModel) -> Iterator[None]:
    """Hold the model, without dropout and gradients; what a progress callback raised inside comes out as it was."""
    try:
        with loaded.lock, _evaluating(loaded.model), torch.no_grad():
            yield
    except Cancelled as cancelled:
        raise cancelled.__cause__ from None


def _capture(loaded: LoadedModel, encoding: Encoding, progress: Progress | None, read: ReadOutput | None = None):
    """Return (attention layers, hidden states): lazily where the family allows, else as the model returns them."""
    collector = collected(loaded, encoding.tensors, progress, read)
    layers, states = ((), {}) if collector is None else captured(collector)
    if not _complete(loaded, layers):
        layers, states = _dense_capture(loaded, encoding, progress, read)
    if not layers:
        raise NoAttention(
            f"{loaded.name} ({loaded.model.config.model_type}) returned no attention weights from every token to every "
            "token, so there is nothing exact to show. Choose a model with full softmax attention."
        )
    return layers, states


def collected(
    loaded: LoadedModel,
    tensors: Mapping[str, torch.Tensor],
    progress: Progress | None,
    read: ReadOutput | None = None,
    batch: int = 1,
) -> Collector | None:
    """Return what one lazily captured run collected; None where that is not exactly what the model computed with."""
    for implementation in lazy_implementations(loaded.model):
        with collecting(loaded.model, implementation, progress, batch) as collector:
            _forward(loaded, tensors, read)
        if not collector.needs_whole_masks:
            return collector if collector.agrees else None
    return None


def captured(collector: Collector) -> tuple[tuple[AttentionLayer, ...], dict[str, tuple[torch.Tensor, ...]]]:
    """Return (attention layers, hidden states by side) of a run that a collector gathered."""
    return _numbered(collector.layers), collector.states()


def _forward(loaded: LoadedModel, tensors: Mapping[str, torch.Tensor], read: ReadOutput | None, **options):
    with running(loaded):
        output = loaded.model(**tensors, **({"use_cache": False} if loaded.caches else {}), **options)
    if read is not None:
        read(output)
    return output


def rising(progress: Progress) -> Progress:
    """Return a progress that never goes back, where a model must be run a second time."""
    highest = 0.0

    def tell_highest(share: float) -> None:
        nonlocal highest
        highest = max(highest, share)
        progress(highest)

    return tell_highest


def _numbered(layers: list) -> tuple[AttentionLayer, ...]:
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


def _complete(loaded: LoadedModel, layers) -> bool:
    """Say whether attention was captured in every stack that the model has."""
    stacks = {layer.stack for layer in layers}
    expected = {"encoder", "decoder", "cross"} if loaded.is_encoder_decoder else set()
    return bool(stacks) and expected <= stacks


def _dense_capture(loaded: LoadedModel, encoding: Encoding, progress: Progress | None, read: ReadOutput | None):
    """Return (layers, hidden states) from the weights that the model itself returns under eager attention."""
    if getattr(loaded.model.config, "attention_type", None) == "block_sparse":
        # In its first run over a short text BigBird puts other attention modules in place of those that are listened to.
        _forward(loaded, encoding.tensors, None)
    with collecting(loaded.model, "eager", progress) as collector, reformer_maps(loaded.model) as maps:
        output = _forward(loaded, encoding.tensors, read, output_attentions=True, output_hidden_states=True)
    alone = "decoder" if loaded.model.can_generate() else "encoder"
    config = loaded.model.config
    unfold = unfolding(config, encoding.tensors, output, maps)
    layers = dense_layers(output, alone, hasattr(config, "attention_window"), unfold)
    return layers, dense_states(output, layers, collector.streams.values())


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Dropout off while recording; every module's own training flag is as before afterwards."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True
