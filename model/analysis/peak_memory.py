"""Peak memory of a forward pass, counted in tensors."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def peak_bytes(forward: Callable[[], object]) -> int:
    """Return the most bytes that tensors made by `forward` hold at one time.

    max over the operations t of sum_{s alive after t} size(s), where s is the memory of a tensor that the call itself made;
    views and work in place make none. Inputs and weights are not counted, nor what a kernel takes for itself while it runs.
    """
    counter = _LiveMemory()
    with counter:
        forward()
    return counter.peak


class _LiveMemory(TorchDispatchMode):
    """Follows each new storage until it is freed."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._alive: dict[int, int] = {}
        self._held = 0

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = operation(*args, **(kwargs or {}))
        for tensor in _tensors(result):
            storage = tensor.untyped_storage()
            # The inputs are looked through only where the result is nothing known: a GRU runs thousands of operations.
            if storage._cdata not in self._alive and storage._cdata not in _storages((args, kwargs)):
                self._add(storage)
        self.peak = max(self.peak, self._held)
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        self._alive[storage._cdata] = storage.nbytes()
        self._held += storage.nbytes()
        # The number may be given to another storage as soon as this one is gone.
        weakref.finalize(storage, self._remove, storage._cdata)

    def _remove(self, number: int) -> None:
        self._held -= self._alive.pop(number)


def _tensors(tree: Any) -> list[torch.Tensor]:
    leaves = (tree,) if isinstance(tree, torch.Tensor) else tree_leaves(tree)
    return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]


def _storages(tree: Any) -> set[int]:
    return {tensor.untyped_storage()._cdata for tensor in _tensors(tree)}
