"""What a loaded model has by way of positions: tables that are added, rotary frequencies, biases on the scores."""

import sys
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from model.architectures.blocks import Embedding as OwnEmbedding
from model.architectures.positions import alibi_slopes, rotation, sinusoids

_TABLE_NAMES = ("position_embeddings", "position_embedding", "embed_positions", "wpe", "positions", "positions_embed")


@dataclass(frozen=True, eq=False)
class PositionTable:
    """A table float32 [position, d_model] that is added to the token embeddings, from position 0 on.

    `module` is its name in the model; `learned` is False where training leaves it as it is (sinusoidal tables).
    """

    module: str
    table: np.ndarray
    learned: bool


@dataclass(frozen=True, eq=False)
class RotaryFrequencies:
    """Frequencies [pair] in radians a position; pair i is dimensions (2i, 2i + 1) where `interleaved`, else (i, i + pairs)."""

    module: str
    frequencies: np.ndarray
    interleaved: bool


@dataclass(frozen=True, eq=False)
class RelativeBias:
    """T5's table [bucket, head] of one stack, with the distance from which on all share the last bucket."""

    module: str
    table: np.ndarray
    max_distance: int
    bidirectional: bool


def table_modules(model: nn.Module) -> dict[str, nn.Module]:
    """Return by name the modules that hold a position table, by their type and name; those of images are left out."""
    found = {}
    for name, module in model.named_modules():
        last = name.split(".")[-1]
        named = last in _TABLE_NAMES or "Positional" in type(module).__name__
        if named and _held(module) is not None and not any(part.startswith("vision") for part in name.split(".")):
            found[name] = module
    return found


def table_tensor(module: nn.Module) -> torch.Tensor:
    """Return the tensor [row, d_model] that a module of `table_modules` holds."""
    tensor = _held(module)
    if tensor is None:
        raise ValueError(f"a {type(module).__name__} holds no table of positions")
    return tensor


def position_tables(model: PreTrainedModel) -> tuple[PositionTable, ...]:
    """Return every position table of a model, without the rows that no position uses; empty where it has none."""
    tables = []
    for name, module in table_modules(model).items():
        rows = table_tensor(module)[first_row(module) :]
        if not rows.is_meta and len(rows):
            learned = (
                isinstance(module, nn.Embedding)
                and module.weight.requires_grad
                and "Sinusoid" not in type(module).__name__
            )
            tables.append(PositionTable(name, _array(rows), learned))
    for name, module in own_sinusoidal(model).items():
        length = model.config.max_position_embeddings
        table = sinusoids(torch.arange(length), module.embedding_dim)
        tables.append(PositionTable(name, _array(table), False))
    return tuple(tables)


def own_sinusoidal(model: nn.Module) -> dict[str, OwnEmbedding]:
    """Return by name the embeddings of our own architectures that add sinusoids, of which there is no table."""
    modules = model.named_modules()
    return {
        name: module for name, module in modules if isinstance(module, OwnEmbedding) and module.kind == "sinusoidal"
    }


def first_row(module: nn.Module) -> int:
    """Return the row of position 0: OPT and BART begin at 2, RoBERTa after its padding row."""
    offset = getattr(module, "offset", None)
    if isinstance(offset, int):
        return offset
    padding = getattr(module, "padding_idx", None)
    return 0 if padding is None or "Sinusoid" in type(module).__name__ else padding + 1


def rotary_frequencies(model: PreTrainedModel) -> tuple[RotaryFrequencies, ...]:
    """Return the rotary frequencies that a model turns its queries and keys by, those in use; empty where it has none."""
    config = model.config
    if getattr(config, "positions", None) == "rotary" and config.model_type.startswith("headscope"):
        cosine, sine = rotation(torch.tensor([1]), config.d_model // config.heads)
        return (RotaryFrequencies("rotation", _array(torch.atan2(sine, cosine)[0]), True),)
    buffers = dict(model.named_buffers())
    names = [name for name in buffers if name.endswith("inv_freq") and "original" not in name and "vision" not in name]
    return tuple(
        RotaryFrequencies(name, _array(buffers[name]), _interleaved(model)) for name in names if buffers[name].ndim == 1
    )


def relative_biases(model: PreTrainedModel) -> tuple[RelativeBias, ...]:
    """Return T5's relative position bias of every stack that has one; empty for other models."""
    return tuple(
        RelativeBias(
            name, _array(module.relative_attention_bias.weight), module.relative_attention_max_distance, not module.is_decoder
        )
        for name, module in model.named_modules()
        if isinstance(getattr(module, "relative_attention_bias", None), nn.Embedding)
        and hasattr(module, "relative_attention_max_distance")
        and hasattr(module, "is_decoder")
    )  # fmt: skip


def model_alibi_slopes(model: PreTrainedModel) -> np.ndarray | None:
    """Return the ALiBi slope of every head, as it acts on the scaled scores; None where the model uses none or others."""
    config = model.config
    own = config.model_type.startswith("headscope") and getattr(config, "positions", None) == "alibi"
    if own or config.model_type == "bloom":
        return alibi_slopes(config.num_attention_heads).numpy()
    if config.model_type == "falcon" and config.alibi:
        # Falcon divides the sum of score and bias by sqrt(d_head).
        return alibi_slopes(config.num_attention_heads).numpy() * config.head_dim**-0.5
    return None


def _held(module: nn.Module) -> torch.Tensor | None:
    for name in ("weight", "weights"):
        tensor = getattr(module, name, None)
        if isinstance(tensor, torch.Tensor) and tensor.ndim == 2:
            return tensor
    return None


def _interleaved(model: PreTrainedModel) -> bool:
    """Say how a family pairs dimensions: by what its own rotation does to (0, 1, 2, 3)."""
    family = sys.modules[type(model).__module__]
    turn = getattr(family, "rotate_half", None)
    return turn is not None and turn(torch.arange(4.0)).tolist() == [-1.0, 0.0, -3.0, 2.0]


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().float().to("cpu", copy=True).numpy()
