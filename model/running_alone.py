"""running_alone: nobody else runs the model meanwhile, and it neither drops out nor keeps gradients."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from model.errors import Cancelled
from model.loading import LoadedModel


@contextmanager
def running_alone(loaded: LoadedModel) -> Iterator[None]:
    """Hold the model, without dropout and gradients; what a progress callback raised inside comes out as it was."""
    try:
        with loaded.lock, _evaluating(loaded.model), torch.no_grad():
            yield
    except Cancelled as cancelled:
        raise cancelled.reason from None


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Dropout off while recording; every module's own training flag is as before afterwards."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True
