"""Copies of one input side by side, each of which something else is done to."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

# Tokens of all copies that run together.
_BATCH_TOKENS = {"cpu": 1024}
_BATCH_TOKENS_ELSEWHERE = 32768


def copied(value: Any, count: int) -> Any:
    """Return what a module is called with, `count` times side by side: every tensor with a batch axis of one, also in tuples,
    lists and dicts; the copies share memory."""
    if isinstance(value, Tensor):
        has_batch = value.ndim > 1 and value.shape[0] == 1
        return value.expand(count, *value.shape[1:]) if has_batch else value
    if type(value) in (tuple, list):
        return type(value)(copied(entry, count) for entry in value)
    return {name: copied(entry, count) for name, entry in value.items()} if type(value) is dict else value


def in_pieces(places: Tensor, tokens: int, device: torch.device) -> Iterator[Tensor]:
    """Yield a few places at a time, one for each copy of `tokens` tokens, as many as run together."""
    most = max(1, _BATCH_TOKENS.get(device.type, _BATCH_TOKENS_ELSEWHERE) // max(1, tokens))
    yield from places.split(most)
