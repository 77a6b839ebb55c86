"""Listening to a model's modules while it runs; nothing is left on them afterwards."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

from torch import nn
from transformers import PreTrainedModel


@contextmanager
def surrounding(modules: Iterable[nn.Module], before: Callable[..., Any], after: Callable[..., Any]) -> Iterator[None]:
    """Call `before`(module, args, kwargs) and `after`(module, output) around every call of these modules in this thread."""
    thread = get_ident()

    # Another thread may run the same model meanwhile.
    def begin(module: Any, args: Any, kwargs: Any) -> None:
        if get_ident() == thread:
            before(module, args, kwargs)

    def end(module: Any, _args: Any, output: Any) -> None:
        if get_ident() == thread:
            after(module, output)

    modules = list(modules)
    hooks = [module.register_forward_pre_hook(begin, with_kwargs=True) for module in modules]
    hooks += [module.register_forward_hook(end) for module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def announcing(model: PreTrainedModel, begin: Callable[[], None]) -> Iterator[None]:
    """Call `begin` before every forward pass of the model."""
    hook = model.register_forward_pre_hook(lambda _model, _args: begin())
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def listening(modules: Iterable[nn.Module], listen: Callable[..., Any]) -> Iterator[None]:
    """Call `listen`(module, args, kwargs, output) after every call of these modules; what it returns is their output."""
    hooks = [module.register_forward_hook(listen, with_kwargs=True) for module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
