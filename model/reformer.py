"""Reformer's attention (Kitaev et al. 2020), which it returns in chunks of sorted hashes, as maps from token to token."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from model.module_hooks import listening

_CHUNKED = ("LSHSelfAttention", "LocalSelfAttention")


@contextmanager
def reformer_maps(model: Any) -> Iterator[list[torch.Tensor]]:
    """Yield a list that takes the weights [head, query, key] of every Reformer attention that runs inside, in order.

    Queries and keys are the tokens and, after them, what Reformer pads to full chunks. Other models give no maps. The
    random numbers outside go on as if nothing had run: Reformer seeds them for its hashes (`hash_seed`).
    """
    maps: list[torch.Tensor] = []
    modules = _chunked_modules(model)
    if not modules:
        yield maps
        return

    def keep(module: Any, args: Any, kwargs: Any, output: Any) -> None:
        maps.append(_whole_map(module, args, kwargs, output))

    with listening(modules, keep), torch.random.fork_rng():
        yield maps


def _chunked_modules(model: Any) -> list[torch.nn.Module]:
    if getattr(model.config, "model_type", None) != "reformer":
        return []
    return [module for module in model.modules() if type(module).__name__ in _CHUNKED]


def _whole_map(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> torch.Tensor:
    """Return the weights A [head, query, key] that a module has just given its values V.

    Its output is linear in the values, O = A V, whatever the chunks, the sorting and the rounds of hashing that A is
    made of: with the unit vectors of the keys e_j as values it is A itself, d_head keys at a time (Kitaev et al. 2020).
    The buckets of the run are used again, so that nothing is hashed anew.
    """
    again = kwargs | {"output_attentions": False}
    if getattr(output, "buckets", None) is not None:
        again["buckets"] = output.buckets
    heads, size = module.num_attention_heads, module.attention_head_size
    length = output.hidden_states.shape[1]
    columns = [_columns(module, args, again, first) for first in range(0, length, size)]
    by_head = [states[0].view(length, heads, size).transpose(0, 1) for states in columns]
    return torch.cat(by_head, dim=2)[:, :, :length]


def _columns(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], first: int) -> torch.Tensor:
    """Return the output [1, query, head * d_head] of a module whose values are unit vectors from key `first` on."""

    def unit_vectors(_: Any, __: Any, ___: Any, values: torch.Tensor) -> torch.Tensor:
        return _unit_vectors(values, first, module.num_attention_heads, module.attention_head_size)

    with listening([module.value], unit_vectors):
        return module.forward(*args, **kwargs).hidden_states


def _unit_vectors(values: torch.Tensor, first: int, heads: int, size: int) -> torch.Tensor:
    """Return values [1, key, head * d_head] that are one where the key is `first` + the index in d_head, else zero."""
    length = values.shape[1]
    within = torch.arange(min(size, length - first), device=values.device)
    units = values.new_zeros(1, length, heads, size)
    units[0, first + within, :, within] = 1
    return units.view(1, length, heads * size)
