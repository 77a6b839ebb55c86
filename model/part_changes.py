"""Values and weights that are changed, or only looked at, inside every attention call of this context."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class PartChanges:
    """`value`(module, value [batch, key-value head, key, d_value]) returns the values to use, `weights`(module, weights [head,
    query, key]) the weights of one batch entry, which are then computed openly instead of in the fused kernel."""

    value: Callable[[nn.Module, Tensor], Tensor] | None = None
    weights: Callable[[nn.Module, Tensor], Tensor] | None = None


_NOTHING = PartChanges()
_changes: ContextVar[PartChanges] = ContextVar("headscope_part_changes", default=_NOTHING)


def part_changes() -> PartChanges:
    """Return what is changed in this context."""
    return _changes.get()


@contextmanager
def changing_parts(changes: PartChanges) -> Iterator[None]:
    """Have these changes on in every attention call of this context."""
    token = _changes.set(changes)
    try:
        yield
    finally:
        _changes.reset(token)
