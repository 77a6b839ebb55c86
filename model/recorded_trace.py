"""From what one run of a model captured to its Trace: whose tokens the sides are, and where it all came from."""

from collections.abc import Mapping, Sequence

import torch
import transformers

import model as library
from model.encoding import Encoding
from model.head_changes import intervened_on
from model.interventions import intervention_text
from model.layers import AttentionLayer
from model.loading import LoadedModel
from model.tokens import Token
from model.trace import Provenance, Trace


def recorded_trace(
    loaded: LoadedModel,
    encoding: Encoding,
    layers: tuple[AttentionLayer, ...],
    states: Mapping[str, tuple[torch.Tensor, ...]],
) -> Trace:
    """Return the Trace of one run over an Encoding, from its attention layers and hidden states.

    To be called where the run's interventions are still on: the trace names them.
    """
    return Trace(layers, _tokens_by_side(layers, encoding), states, _provenance(loaded, encoding, layers))


def _tokens_by_side(layers: Sequence[AttentionLayer], encoding: Encoding) -> dict[str, tuple[Token, ...]]:
    """Return the tokens of each side: in a model with one stack the text belongs to that stack, whatever its kind."""
    if encoding.target_tokens is not None:
        return {"encoder": encoding.tokens, "decoder": encoding.target_tokens}
    sides = {"encoder" if layer.stack == "encoder" else "decoder" for layer in layers}
    return dict.fromkeys(sorted(sides), encoding.tokens)


def _provenance(loaded: LoadedModel, encoding: Encoding, layers: Sequence[AttentionLayer]) -> Provenance:
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
        versions=versions(),
        text=encoding.text,
        text_pair=encoding.text_pair,
        interventions=intervention_text(intervened_on(loaded.model)) or None,
    )


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    return {"headscope": library.__version__, "torch": torch.__version__, "transformers": transformers.__version__}
