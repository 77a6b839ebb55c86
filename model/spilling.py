"""Tensors that do not fit in memory beside the model: written to disk, and mapped back a page at a time."""

import json
import mmap
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from weakref import WeakSet

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from model.errors import HeadscopeError
from model.layers import AttentionLayer

# What layers have in common or is small stays in memory.
_KEPT = ("mask", "bias", "sinks")
_mapped: WeakSet[torch.UntypedStorage] = WeakSet()


def is_mapped(tensor: torch.Tensor) -> bool:
    """Say whether a tensor's numbers are in a mapped file, so that they take no memory of their own."""
    return tensor.untyped_storage() in _mapped


def mapped(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors, equal in every bit, memory-mapped from a safetensors file that goes when the last of them does.

    The file is in the system's folder for temporary files (TMPDIR). It loses its name as soon as it is mapped, so that
    nothing is left behind where the process ends in any way. Raises HeadscopeError where it cannot be written.
    """
    written = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    try:
        with TemporaryDirectory(prefix="headscope-", ignore_cleanup_errors=True) as folder:
            path = Path(folder) / "tensors.safetensors"
            # Copies, since tensors that are views of one memory are not written to one file.
            save_file({name: tensor.clone() for name, tensor in written.items()}, path)
            with path.open("rb") as file:
                # Pages are read when they are looked at; they are copied only if somebody wrote to them.
                pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, SafetensorError) as error:
        raise HeadscopeError(
            f"A part of this run does not fit in memory and cannot be written to disk ({error}). Use a shorter text, free some "
            "of the disk, or set TMPDIR to a folder with more room."
        ) from error
    begin = 8 + int.from_bytes(pages[:8], "little")
    places = json.loads(pages[8:begin])
    return {name: _view(pages, begin + places[name]["data_offsets"][0], tensor) for name, tensor in written.items()}


class MemoryBudget:
    """Decides in the order of a run what stays in memory, and maps the rest from disk.

    The queries, keys, values (and dense weights) of a layer stay or go together. From the first ones that do not fit all
    go. What is on another device takes no memory here.
    """

    def __init__(self, nbytes: int | None):
        self.free = float("inf") if nbytes is None else nbytes
        self._known: set[int] = set()

    def layer(self, layer: AttentionLayer) -> AttentionLayer:
        """Return the layer, mapped where it does not fit."""
        own = {name: tensor for name, tensor in layer.tensors().items() if name not in _KEPT and _in_memory(tensor)}
        kept: dict[str, Any] = {} if self._fits(own) else mapped(own)
        return replace(layer, **kept) if kept else layer

    def state(self, state: torch.Tensor) -> torch.Tensor:
        """Return the hidden state, mapped where it does not fit."""
        own = {"state": state} if _in_memory(state) else {}
        return state if self._fits(own) else mapped(own)["state"]

    def _fits(self, tensors: Mapping[str, torch.Tensor]) -> bool:
        if self.free == float("inf") or not tensors:
            return True
        storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage() for tensor in tensors.values()}
        added = {place: storage.nbytes() for place, storage in storages.items() if place not in self._known}
        if sum(added.values()) > self.free:
            self.free = 0
            return False
        self.free -= sum(added.values())
        self._known |= set(added)
        return True


def _in_memory(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "cpu" and not is_mapped(tensor)


def _view(pages: mmap.mmap, offset: int, like: torch.Tensor) -> torch.Tensor:
    tensor = torch.frombuffer(pages, dtype=like.dtype, count=like.numel(), offset=offset).view(like.shape)
    _mapped.add(tensor.untyped_storage())
    return tensor
