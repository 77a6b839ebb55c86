"""record: one run of a model, kept as a Trace."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import torch
import transformers

import model as library
from model.attention_interface import collecting, interceptable, lazy_implementation
from model.dense_capture import dense_layers, dense_states
from model.encoding import Encoding, encode, running
from model.errors import Cancelled, NoAttention
from model.layers import AttentionLayer
from model.loading import LoadedModel
from model.trace import Provenance, Trace

Progress = Callable[[float], None]


def record(
    loaded: LoadedModel,
    inputs: str | Mapping[str, torch.Tensor],
    *,
    target: str | None = None,
    truncate: bool = False,
    progress: Progress | None = None,
) -> Trace:
    """Run the model once over a text, or over tensors as the model takes them, and return the Trace of that run.

    `target` is the decoder's text in an encoder-decoder; without it the model writes one itself (greedy, at most 48
    tokens). `truncate` cuts a text that is too long. `progress` is called with the done share after every block; what
    it raises cancels the run. One run at a time and model: callers in other threads wait.

    Raises InputError (TextTooLong) for what cannot be run and NoAttention where the model has no map to show.
    """
    rising = None if progress is None else _rising(progress)
    try:
        with loaded.lock, _evaluating(loaded.model), torch.no_grad():
            encoding = encode(loaded, inputs, target=target, truncate=truncate)
            layers, states = _capture(loaded, encoding, rising)
    except Cancelled as cancelled:
        raise cancelled.__cause__ from None
    if rising is not None:
        rising(1.0)
    return Trace(layers, _tokens_by_side(layers, encoding), states, _provenance(loaded, encoding, layers))


def _capture(loaded: LoadedModel, encoding: Encoding, progress: Progress | None):
    """Return (attention layers, hidden states): lazily where the family allows, else as the model returns them."""
    layers, states = (), {}
    if interceptable(loaded.model):
        with collecting(loaded.model, lazy_implementation(loaded.model), progress) as collector:
            _forward(loaded, encoding.tensors)
        layers, states = (_numbered(collector.layers), collector.states()) if collector.exact else ((), {})
    if not _complete(loaded, layers):
        layers, states = _dense_capture(loaded, encoding, progress)
    if not layers:
        raise NoAttention(
            f"{loaded.name} ({loaded.model.config.model_type}) returned no attention weights from every token to every "
            "token, so there is nothing exact to show. Choose a model with full softmax attention."
        )
    return layers, states


def _forward(loaded: LoadedModel, tensors: Mapping[str, torch.Tensor], **options):
    with running(loaded):
        return loaded.model(**tensors, **({"use_cache": False} if loaded.caches else {}), **options)


def _rising(progress: Progress) -> Progress:
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


def _dense_capture(loaded: LoadedModel, encoding: Encoding, progress: Progress | None):
    """Return (layers, hidden states) from the weights that the model itself returns under eager attention."""
    with collecting(loaded.model, "eager", progress) as collector:
        output = _forward(loaded, encoding.tensors, output_attentions=True, output_hidden_states=True)
    alone = "decoder" if loaded.model.can_generate() else "encoder"
    layers = dense_layers(output, alone, windowed=hasattr(loaded.model.config, "attention_window"))
    return layers, dense_states(output, layers, collector.streams.values())


def _tokens_by_side(layers, encoding: Encoding):
    """Return the tokens of each side: in a model with one stack the text belongs to that stack, whatever its kind."""
    if encoding.target_tokens is not None:
        return {"encoder": encoding.tokens, "decoder": encoding.target_tokens}
    sides = {"encoder" if layer.stack == "encoder" else "decoder" for layer in layers}
    return dict.fromkeys(sorted(sides), encoding.tokens)


def _provenance(loaded: LoadedModel, encoding: Encoding, layers) -> Provenance:
    sources = {layer.source for layer in layers}
    capture = {
        "lazy": "lazy: queries and keys kept from one fused forward pass, weights recomputed in float32",
        "dense": "dense: weights as the model returns them in eager mode",
    }
    return Provenance(
        model=loaded.name,
        revision=loaded.revision,
        model_type=loaded.model.config.model_type,
        dtype=str(loaded.dtype).removeprefix("torch."),
        device=str(loaded.device),
        capture="; ".join(capture[source] for source in sorted(sources)),
        versions=_versions(),
        text=encoding.text,
    )


def _versions() -> dict[str, str]:
    return {"headscope": library.__version__, "torch": torch.__version__, "transformers": transformers.__version__}


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
