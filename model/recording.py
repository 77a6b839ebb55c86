"""record: one run of a model, kept as a Trace."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from model.attention_interface import collecting
from model.dense_capture import dense_layers, dense_states
from model.device_budget import holding, within_budget
from model.devices import trace_budget
from model.encoding import Encoding, encode
from model.errors import InputError, NoAttention
from model.head_changes import intervened_on
from model.head_watch import HeadWatch
from model.intervening import intervening
from model.interventions import HeadIntervention
from model.lazy_capture import Progress, ReadOutput, captured, collected, forward
from model.loading import LoadedModel
from model.memory_estimate import check_run_memory
from model.recorded_trace import recorded_trace
from model.reformer import reformer_maps
from model.running_alone import running_alone
from model.trace import Trace
from model.unfolding import unfolding


def record(
    loaded: LoadedModel,
    inputs: str | tuple[Any, ...] | list[Any] | Mapping[str, torch.Tensor],
    *,
    target: str | None = None,
    truncate: bool = False,
    progress: Progress | None = None,
    chat: bool = False,
    prefix: str = "",
    device_budget: int | None = None,
    memory_budget: int | None = None,
    interventions: Sequence[HeadIntervention] = (),
) -> Trace:
    """Run the model once over a text, or over tensors as the model takes them, and return the Trace of that run.

    Two texts, (first, second), are read together; the tokens say which they are from. A list of messages, or a text with
    `chat`, goes through the tokenizer's chat template; `prefix` goes before a text ("translate English to German: ").
    `target` is the decoder's text in an encoder-decoder; without it the model writes one itself (greedy, at most 48
    tokens). `truncate` cuts a text that is too long. `progress` is called with the done share after every block; what
    it raises cancels the run. One run at a time and model: callers in other threads wait. Of the trace at most
    `device_budget` bytes (without it, a quarter of what is free) stay on the model's device; the rest goes to the CPU.
    Of what is on the CPU `memory_budget` bytes (without it, all) stay in memory; the queries, keys, values and states of
    later layers are mapped from a temporary file, which is gone when the trace is, and are read from disk when looked at.
    `interventions` change heads in this run (see `model.interventions`), also while the model writes its own target.

    Raises InputError (TextTooLong) for what cannot be run and NoAttention where the model has no map to show.
    """
    with running_alone(loaded), intervening(loaded, interventions, inputs if isinstance(inputs, Mapping) else None):
        encoding = encode(loaded, inputs, target=target, truncate=truncate, chat=chat, prefix=prefix)
        return record_encoding(loaded, encoding, progress, None, device_budget, memory_budget)


def record_encoding(
    loaded: LoadedModel,
    encoding: Encoding,
    progress: Progress | None = None,
    read: ReadOutput | None = None,
    device_budget: int | None = None,
    memory_budget: int | None = None,
) -> Trace:
    """Run the model once over an Encoding and return the Trace; `read` is given what the model itself returned."""
    return record_watched(loaded, encoding, progress, read, device_budget, memory_budget)[0]


def record_watched(
    loaded: LoadedModel,
    encoding: Encoding,
    progress: Progress | None = None,
    read: ReadOutput | None = None,
    device_budget: int | None = None,
    memory_budget: int | None = None,
    watch: Callable[[], HeadWatch] | None = None,
) -> tuple[Trace, HeadWatch | None]:
    """Return what `record_encoding` does, and what looked at all weights of the run; None where nobody could."""
    report = None if progress is None else rising(progress)
    with running_alone(loaded):
        check_run_memory(loaded, *_lengths(encoding), budget=memory_budget)
        budget = trace_budget(loaded.device) if device_budget is None else device_budget
        with holding(budget, memory_budget):
            layers, states, watching = _capture(loaded, encoding, report, read, watch)
        # What the model itself returned, or ran outside its blocks, is placed only now.
        layers, states = within_budget(layers, states, budget, memory_budget)
    if report is not None:
        report(1.0)
    return recorded_trace(loaded, encoding, layers, states), watching


def _capture(
    loaded: LoadedModel,
    encoding: Encoding,
    progress: Progress | None,
    read: ReadOutput | None = None,
    watch: Callable[[], HeadWatch] | None = None,
) -> Any:
    """Return (attention layers, hidden states, watch): lazily where the family allows, else as the model returns them."""
    collector = collected(loaded, encoding.tensors, progress, read, watch=watch)
    layers, states = ((), {}) if collector is None else captured(collector)
    watching = (
        None if collector is None or collector.watch is None or not collector.watch.saw(layers) else collector.watch
    )
    if not has_every_stack(loaded, layers):
        if intervened_on(loaded.model):
            raise InputError(
                f"On this input the attention of {loaded.name} cannot be seen exactly, so its heads cannot be changed. Use "
                "another text, or record it without interventions."
            )
        (layers, states), watching = _dense_capture(loaded, encoding, progress, read), None
    if not layers:
        raise NoAttention(
            f"{loaded.name} ({loaded.model.config.model_type}) returned no attention weights from every token to every "
            "token, so there is nothing exact to show. Choose a model with full softmax attention."
        )
    return layers, states, watching


def _lengths(encoding: Encoding) -> tuple[int, int]:
    """Return how many tokens the model reads, and how many of its decoder's beside them."""
    return len(encoding.tokens), len(encoding.target_tokens or ())


def rising(progress: Progress) -> Progress:
    """Return a progress that never goes back, where a model must be run a second time."""
    highest = 0.0

    def tell_highest(share: float) -> None:
        nonlocal highest
        highest = max(highest, share)
        progress(highest)

    return tell_highest


def has_every_stack(loaded: LoadedModel, layers: Any) -> bool:
    """Say whether attention was captured in every stack that the model has."""
    stacks = {layer.stack for layer in layers}
    expected = {"encoder", "decoder", "cross"} if loaded.is_encoder_decoder else set()
    return bool(stacks) and expected <= stacks


def _dense_capture(loaded: LoadedModel, encoding: Encoding, progress: Progress | None, read: ReadOutput | None) -> Any:
    """Return (layers, hidden states) from the weights that the model itself returns under eager attention."""
    check_run_memory(loaded, *_lengths(encoding), dense=True)
    if getattr(loaded.model.config, "attention_type", None) == "block_sparse":
        # In its first run over a short text BigBird puts other attention modules in place of those that are listened to.
        forward(loaded, encoding.tensors, None)
    with collecting(loaded.model, "eager", progress) as collector, reformer_maps(loaded.model) as maps:
        output = forward(loaded, encoding.tensors, read, output_attentions=True, output_hidden_states=True)
    alone = "decoder" if loaded.model.can_generate() else "encoder"
    config = loaded.model.config
    unfold = unfolding(config, encoding.tensors, output, maps)
    layers = dense_layers(output, alone, hasattr(config, "attention_window"), unfold)
    return layers, dense_states(output, layers, collector.streams.values())
