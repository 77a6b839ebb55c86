"""What the first attention layer of a model with added positions is given, in parts: tokens and positions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from model.architectures.blocks import Embedding as OwnEmbedding
from model.architectures.positions import sinusoids
from model.errors import HeadscopeError
from model.layers import LazyLayer
from model.loading import LoadedModel
from model.position_modules import first_row
from model.trace import Trace

_TOLERANCE = 1e-3
_Projection = Callable[[torch.Tensor], torch.Tensor]
# Matrices and biases of query and key.
_Projections = tuple[_Projection, _Projection, torch.Tensor, torch.Tensor]
# Content, position, the norm after them where there is one, and what the layer is given.
_Parts = tuple[torch.Tensor, torch.Tensor, nn.LayerNorm | None, torch.Tensor]


@dataclass(frozen=True, eq=False)
class FirstLayer:
    """content + position [position, d_model], normalised by `norm` where there is one, enter the projections.

    `query` and `key` apply the projections' matrices without their biases, [position, d_model] -> [position, heads * d_head].
    """

    content: torch.Tensor
    position: torch.Tensor
    norm: nn.LayerNorm | None
    query: Callable[[torch.Tensor], torch.Tensor]
    key: Callable[[torch.Tensor], torch.Tensor]
    query_bias: torch.Tensor
    key_bias: torch.Tensor


def first_layer(loaded: LoadedModel, trace: Trace, layer: LazyLayer) -> FirstLayer:
    """Return the parts of a captured run's first layer; raises HeadscopeError where they are not those of the run."""
    attention = loaded.model.get_submodule(layer.module)
    projections = _projections(attention)
    ids = [token.id for token in trace.tokens.get(layer.stack, ())]
    owner, read = _reader(loaded.model, layer.stack)
    if projections is None or owner is None or read is None:
        raise HeadscopeError(
            f"{loaded.name} ({loaded.model.config.model_type}) does not add positions to its tokens before the first layer as "
            "BERT and GPT-2 do, so its scores do not fall into four terms."
        )
    if None in ids or not ids:
        raise HeadscopeError("The tokens of this trace have no ids. Record the text again with this model.")
    content, position, norm, given = read(
        owner, torch.tensor(ids, device=loaded.device), attention, loaded, trace, layer
    )
    state = trace.states[layer.stack][0].to(given.device, torch.float32)
    if state.shape != given.shape or float((state - given.float()).abs().max()) > _TOLERANCE:
        raise HeadscopeError(
            "Tokens and positions do not add up to what the first layer was given, so its scores are not taken apart: the "
            "trace is of another model, of a padded text, or there is a step between embedding and layer."
        )
    return FirstLayer(content, position, norm, *projections)


def _reader(model: nn.Module, stack: str) -> tuple[nn.Module, Callable[..., _Parts]] | tuple[None, None]:
    for name, module in model.named_modules():
        if all(hasattr(module, part) for part in ("word_embeddings", "position_embeddings", "LayerNorm")):
            return module, _bert
        if all(hasattr(module, part) for part in ("wte", "wpe", "h")):
            return module, _gpt2
        wrong_side = stack == "decoder" and name.startswith("encoder")
        if isinstance(module, OwnEmbedding) and module.kind in ("sinusoidal", "learned") and not wrong_side:
            return module, _own
    return None, None


def _bert(owner: Any, ids: torch.Tensor, _attention: Any, _loaded: Any, trace: Trace, layer: LazyLayer) -> _Parts:
    begin = first_row(owner.position_embeddings)
    position = owner.position_embeddings.weight[begin : begin + len(ids)]
    words = owner.word_embeddings(ids)
    types = getattr(owner, "token_type_embeddings", None)
    if types is None or words.shape[-1] != trace.states[layer.stack][0].shape[-1]:
        return words, position, owner.LayerNorm, owner.LayerNorm(words + position)
    # A trace keeps no token types: each token has the one with which the sum is what the layer was given.
    state = trace.states[layer.stack][0].to(words)
    contents = words[None] + types.weight[:, None]
    given = owner.LayerNorm(contents + position)
    best = (given - state).abs().amax(dim=-1).argmin(dim=0)
    rows = torch.arange(len(ids), device=ids.device)
    return contents[best, rows], position, owner.LayerNorm, given[best, rows]


def _gpt2(owner: Any, ids: torch.Tensor, _attention: Any, _loaded: Any, _trace: Any, _layer: Any) -> _Parts:
    content, position = owner.wte(ids), owner.wpe.weight[: len(ids)]
    return content, position, owner.h[0].ln_1, content + position


def _own(owner: Any, ids: torch.Tensor, attention: Any, loaded: LoadedModel, _trace: Any, layer: LazyLayer) -> _Parts:
    content = nn.functional.embedding(ids, owner.weight) * owner.embedding_dim**0.5
    places = torch.arange(len(ids), device=ids.device)
    position = owner.positions(places) if owner.kind == "learned" else sinusoids(places, owner.embedding_dim)
    block = loaded.model.get_submodule(layer.module.rpartition(".")[0])
    residual: Any = block.after_self_attention
    return content, position, residual.norm if residual.first else None, content + position


def _projections(attention: Any) -> _Projections | None:
    """Return (query matrix, key matrix, query bias, key bias) of an attention module; None where it is none we know."""
    if hasattr(attention, "c_attn") and not getattr(attention, "is_cross_attention", False):
        width = attention.embed_dim
        weight, bias = attention.c_attn.weight, attention.c_attn.bias
        query, key = weight[:, :width].T, weight[:, width : 2 * width].T
        return _applied(query), _applied(key), bias[:width], bias[width : 2 * width]
    for names in (("query", "key"), ("q_lin", "k_lin")):
        query, key = (getattr(attention, name, None) for name in names)
        if isinstance(query, nn.Linear) and isinstance(key, nn.Linear):
            return _applied(query.weight), _applied(key.weight), _bias_of(query), _bias_of(key)
    return None


def _bias_of(linear: nn.Linear) -> torch.Tensor:
    return linear.weight.new_zeros(linear.out_features) if linear.bias is None else linear.bias


def _applied(matrix: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda states: nn.functional.linear(states.float(), matrix.float())
