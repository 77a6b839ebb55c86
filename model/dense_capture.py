"""Attention weights and hidden states as a model returns them itself, under eager attention."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from model.layers import AttentionLayer, DenseLayer
from model.unfolding import Map, Unfold

_STACKS = {
    "attentions": None,
    "encoder_attentions": "encoder",
    "decoder_attentions": "decoder",
    "cross_attentions": "cross",
}


def dense_layers(
    output: Mapping[str, Any], alone: str, windowed: bool, unfold: Unfold | None = None
) -> tuple[AttentionLayer, ...]:
    """Return the attention layers of a model output, leaving out maps that are not from every token to every token.

    `unfold` makes such maps of bands and blocks where it can.

    `alone` is the stack of a model with one, where the weights do not tell ("encoder" or "decoder"); `windowed` says
    that the encoder returns windows around each token, which may look like a whole map (Beltagy et al. 2020).
    """
    layers: list[AttentionLayer] = []
    for field, stack in _STACKS.items():
        for index, weights in enumerate(output.get(field) or ()):
            unfolded = None if unfold is None else unfold(field, index, weights)
            if unfolded is not None:
                dense, mask = _detached(unfolded)
                side = _side(dense[None], stack, alone, _is_causal(dense[None]))
                layers.append(DenseLayer(side, index, f"{field}.{index}", dense, mask))
            elif windowed and field in ("attentions", "encoder_attentions"):
                continue
            elif isinstance(weights, torch.Tensor) and weights.ndim == 4 and _is_whole(weights, stack, layers):
                causal = _is_causal(weights)
                side = _side(weights, stack, alone, causal)
                lower = _causal_mask(weights, layers) if causal else None
                # Some return the mean over the heads, repeated for each (WavLM): there is one map to show.
                heads = weights[:, :1] if weights.stride(1) == 0 else weights
                layers.append(DenseLayer(side, index, f"{field}.{index}", dense=heads.detach()[0], mask=lower))
    return tuple(layers)


def _side(weights: torch.Tensor, stack: str | None, alone: str, causal: bool) -> str:
    return stack or ("decoder" if causal else "encoder" if weights.shape[-1] > 1 else alone)


def _detached(unfolded: Map) -> tuple[torch.Tensor, torch.Tensor]:
    dense, mask = unfolded
    return dense.detach(), mask


def dense_states(
    output: Mapping[str, Any], layers: Sequence[AttentionLayer], streams: Iterable[Sequence[torch.Tensor]]
) -> dict[str, tuple[torch.Tensor, ...]]:
    """Return hidden states [position, d_model] per side; `streams` are the blocks' own, before a final normalisation."""
    fields = {"encoder_hidden_states": "encoder", "decoder_hidden_states": "decoder"}
    if layers:
        fields["hidden_states"] = layers[0].stack
    streams = list(streams)
    return {
        side: tuple(state.detach()[0] for state in _unnormalised(_of_tokens(output[field]), streams))
        for field, side in fields.items()
        if output.get(field)
    }


def _of_tokens(states: Sequence[Any]) -> Sequence[torch.Tensor]:
    """Return the states of the tokens where those of global tokens stand beside them (PEGASUS-X)."""
    return [state[0] if isinstance(state, tuple) else state for state in states]


def _unnormalised(states: Sequence[torch.Tensor], streams: list[Sequence[torch.Tensor]]) -> Sequence[torch.Tensor]:
    """Return the stream that these states are of, since transformers normalises the last state in many families."""
    for stream in streams:
        if len(stream) == len(states) and all(map(_equal, states[:-1], stream[:-1])):
            return stream
    return states


def _equal(state: torch.Tensor, other: torch.Tensor) -> bool:
    # A model that is spread over devices returns its states on one of them.
    return torch.equal(state, other.to(state.device))


def _is_whole(weights: torch.Tensor, stack: str | None, layers: Sequence[AttentionLayer]) -> bool:
    """Say whether queries and keys are the tokens: blocked attention returns blocks, and Funnel pools in later layers.

    Windows and blocks may also stand along the batch axis, which is one otherwise.
    """
    if weights.shape[0] != 1:
        return False
    tokens = next((layer.shape[1] for layer in layers if layer.stack == stack or stack is None), weights.shape[-2])
    return stack == "cross" or weights.shape[-1] == weights.shape[-2] == tokens


def _is_causal(weights: torch.Tensor) -> bool:
    square = weights.shape[-1] == weights.shape[-2] > 1
    # A row whose keys are all masked (left padding) is uniform and says nothing.
    telling = weights.amax(dim=-1, keepdim=True) > weights.amin(dim=-1, keepdim=True)
    return square and bool(telling.any()) and not bool((weights.triu(diagonal=1) * telling).any())


def _causal_mask(weights: torch.Tensor, layers: Sequence[AttentionLayer]) -> torch.Tensor:
    """Return bool [1, query, key], the same tensor for layers of the same size."""
    size = weights.shape[-2:]
    known = (layer.mask for layer in layers if isinstance(layer, DenseLayer) and layer.mask is not None)
    found = next((mask for mask in known if mask.shape[1:] == size), None)
    return torch.ones(1, *size, dtype=torch.bool, device=weights.device).tril_() if found is None else found
