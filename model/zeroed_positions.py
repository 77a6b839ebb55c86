"""Position embeddings taken away for a run."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from model.errors import HeadscopeError
from model.loading import LoadedModel
from model.position_modules import own_sinusoidal, table_modules, table_tensor


@contextmanager
def positions_zeroed(loaded: LoadedModel) -> Iterator[None]:
    """Hold the model with every added position table at zero, learned or sinusoidal; afterwards it is as it was.

    Other threads wait meanwhile. Raises HeadscopeError where the model adds no positions, or they are not in memory.
    """
    with loaded.lock:
        tensors = [table_tensor(module) for module in table_modules(loaded.model).values()]
        computed = list(own_sinusoidal(loaded.model).values())
        if not tensors and not computed:
            raise HeadscopeError(f"{loaded.name} adds no position embeddings, so there are none to take away.")
        if any(tensor.is_meta for tensor in tensors):
            raise HeadscopeError("The position embeddings are not in memory: load the model without a device_map.")
        kept = [tensor.data for tensor in tensors]
        try:
            for tensor in tensors:
                tensor.data = torch.zeros_like(tensor.data)
            for module in computed:
                module.kind = "none"
            yield
        finally:
            for tensor, data in zip(tensors, kept, strict=True):
                tensor.data = data
            for module in computed:
                module.kind = "sinusoidal"
