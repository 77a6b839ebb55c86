"""Traces on a device: moved as a whole, and held there, and in memory, within a budget."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import torch

from model.layers import AttentionLayer
from model.spilling import MemoryBudget

States = Mapping[str, tuple[torch.Tensor, ...]]
# What the layers of a stack have in common; everything else is a layer's own.
_SHARED = ("mask", "bias")
# Bytes on the device and in memory.
_budgets_of_run: ContextVar[tuple[int | None, int | None]] = ContextVar("headscope_budgets", default=(None, None))


class TensorMover:
    """Moves tensors to one device; masks and biases that layers share are shared afterwards."""

    def __init__(self, device: torch.device | str):
        self.device = torch.device(device)
        # A shared tensor is kept beside its copy, so that its address is not given to another one meanwhile.
        self._moved: dict[tuple[Any, ...], tuple[torch.Tensor, torch.Tensor]] = {}

    def layer(self, layer: AttentionLayer) -> AttentionLayer:
        """Return the layer with all of its tensors on the device."""
        tensors = layer.tensors().items()
        moved: dict[str, Any] = {
            name: self._shared(tensor) if name in _SHARED else self.tensor(tensor) for name, tensor in tensors
        }
        return replace(layer, **moved)

    def tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor on the device; the tensor itself where it is there."""
        return _on(self.device, tensor)

    def _shared(self, tensor: torch.Tensor) -> torch.Tensor:
        key = (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if key not in self._moved:
            self._moved[key] = (tensor, self.tensor(tensor))
        return self._moved[key][1]


class DeviceBudget:
    """Decides in the order of a run what stays on its device, and moves the rest to the CPU; past `memory` bytes, to disk.

    A layer stays or moves as a whole, so that its queries, keys and masks are on one device. From the first one that does
    not fit all move, so that those that stay are the first ones.
    """

    def __init__(self, nbytes: int | None, memory: int | None = None):
        self.free = float("inf") if nbytes is None else nbytes
        self._cpu, self._memory = TensorMover("cpu"), MemoryBudget(memory)
        self._known: set[int] = set()
        self._layers_held = 0
        self._states_held: dict[str, int] = {}

    def hold(self, layers: list[AttentionLayer], streams: Mapping[str, list[torch.Tensor]]) -> None:
        """Place what these lists hold beyond the last call, in the lists themselves."""
        for index in range(self._layers_held, len(layers)):
            layers[index] = self.layer(layers[index])
        self._layers_held = len(layers)
        for name, stream in streams.items():
            for index in range(self._states_held.get(name, 0), len(stream)):
                stream[index] = self.state(stream[index])
            self._states_held[name] = len(stream)

    def layer(self, layer: AttentionLayer) -> AttentionLayer:
        """Return the layer, on the CPU where it does not fit, or on disk."""
        layer = layer if self._fits(layer.tensors().values()) else self._cpu.layer(layer)
        return self._memory.layer(layer)

    def state(self, state: torch.Tensor) -> torch.Tensor:
        """Return the hidden state, on the CPU where it does not fit, or on disk."""
        return self._memory.state(state if self._fits([state]) else self._cpu.tensor(state))

    def _fits(self, tensors: Iterable[torch.Tensor]) -> bool:
        storages = {
            tensor.untyped_storage().data_ptr(): tensor.untyped_storage() for tensor in tensors if _apart(tensor)
        }
        added = {address: storage.nbytes() for address, storage in storages.items() if address not in self._known}
        if sum(added.values()) > self.free:
            self.free = 0
            return False
        self.free -= sum(added.values())
        self._known |= set(added)
        return True


@contextmanager
def holding(nbytes: int | None, memory: int | None = None) -> Iterator[None]:
    """Hold what is collected inside within numbers of bytes on its device and in memory; None: there is no bound."""
    token = _budgets_of_run.set((nbytes, memory))
    try:
        yield
    finally:
        _budgets_of_run.reset(token)


def budget_of_run() -> DeviceBudget:
    """Return a new budget of the sizes that `holding` set."""
    return DeviceBudget(*_budgets_of_run.get())


def within_budget(
    layers: Sequence[AttentionLayer], states: States, nbytes: int | None, memory: int | None = None
) -> tuple[tuple[AttentionLayer, ...], States]:
    """Return layers and hidden states of which at most `nbytes` are elsewhere than on the CPU; the first layers stay.

    Of those on the CPU at most `memory` bytes are in memory.
    """
    budget = DeviceBudget(nbytes, memory)
    kept = tuple(budget.layer(layer) for layer in layers)
    return kept, {side: tuple(budget.state(state) for state in stream) for side, stream in states.items()}


def _apart(tensor: torch.Tensor) -> bool:
    return tensor.device.type != "cpu"


def _on(device: torch.device, tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(device)
