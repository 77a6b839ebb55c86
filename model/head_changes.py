"""What interventions do inside one attention layer, and which of them are on in this context."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from model.errors import HeadscopeError
from model.interventions import HeadIntervention


@dataclass(frozen=True, eq=False)
class HeadChanges:
    """The changes of one layer: `factor` [1 or text, head] for what heads hand on; other weights for some of the heads.

    The heads in `uniform` attend alike to all that they may; those in `frozen` have `patterns` [frozen head, query, key],
    which may be of a longer text in a decoder's own attention (`causal`).
    """

    factor: Float[Tensor, "#text head"] | None = None
    uniform: tuple[int, ...] = ()
    frozen: tuple[int, ...] = ()
    patterns: Float[Tensor, "frozen_head query key"] | None = None
    causal: bool = False

    @property
    def replaced_heads(self) -> tuple[int, ...]:
        """The heads that do not attend as their queries and keys would have it."""
        return self.uniform + self.frozen

    def replaced(
        self, allowed: Bool[Tensor, "#text #head query key"]
    ) -> Float[Tensor, "#text replaced_head query key"]:
        """Return the weights of the replaced heads, in the order of `replaced_heads`.

        Raises HeadscopeError where a pattern does not fit this run.
        """
        parts = []
        if self.uniform:
            may = allowed[:, list(self.uniform)] if allowed.shape[1] > 1 else allowed
            # A row without any key is uniform over every key, as everywhere (see `attention_weights`).
            even = torch.where(may.any(dim=-1, keepdim=True), may, True).float()
            even /= even.sum(dim=-1, keepdim=True)
            parts.append(even.expand(-1, len(self.uniform), -1, -1))
        if self.patterns is not None:
            parts.append(self._pattern(self.patterns, allowed).expand(allowed.shape[0], -1, -1, -1))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _pattern(self, patterns: Tensor, allowed: Tensor) -> Tensor:
        """Return the part [1, frozen head, query, key] of the patterns that is for these queries and keys."""
        queries, keys = allowed.shape[-2:]
        rows, columns = patterns.shape[-2:]
        fits = (rows, columns) == (queries, keys)
        if self.causal and rows == columns >= keys:
            # With a key-value cache the queries are the last of the tokens so far.
            fits, begin = True, keys - queries
            pattern = patterns[:, begin:keys, :keys]
        else:
            pattern = patterns
        if not fits:
            raise HeadscopeError(
                f"The frozen pattern is for {rows} by {columns} tokens and this text has {queries} by {keys}. Copy it from a "
                "text with as many tokens, and run that one in one piece."
            )
        pattern = pattern[None].to(allowed.device)
        may = allowed[:, list(self.frozen)] if allowed.shape[1] > 1 else allowed
        barred = may.any(dim=-1, keepdim=True) & ~may
        if bool(((pattern > 0) & barred).any()):
            raise HeadscopeError(
                "The frozen pattern attends to keys that the model may not attend to here. Copy it from a run with the same mask."
            )
        return pattern

    def applied(
        self,
        output: Float[Tensor, "text query head d_value"],
        value: Float[Tensor, "text key_value_head key d_value"],
        replaced: Float[Tensor, "#text replaced_head query key"] | None,
    ) -> Float[Tensor, "text query head d_value"]:
        """Return what the heads hand on instead of `output`: xi_h sum_k weight[h, q, k] value[h, k]."""
        if replaced is not None:
            groups = output.shape[2] // value.shape[1]
            heads = torch.tensor(self.replaced_heads, device=output.device)
            read = torch.matmul(replaced.to(value.dtype), value[:, heads // groups])
            output = output.index_copy(2, heads, read.transpose(1, 2).to(output.dtype))
        if self.factor is not None:
            output = output * self.factor.to(output)[:, None, :, None]
        return output


def allowed_keys(
    query: Tensor, key: Tensor, mask: Tensor | None, bias: Tensor | None, causal: bool
) -> Bool[Tensor, "#text #head query key"]:
    """Return where a query may attend: masks are bool or additive, and an additive one bars a key at half its minimum."""
    allowed = torch.ones(1, 1, query.shape[2], key.shape[2], dtype=torch.bool, device=query.device)
    if causal:
        allowed = allowed.tril_()
    for part in (mask, bias):
        if part is not None:
            allowed = allowed & (part if part.dtype == torch.bool else part > torch.finfo(part.dtype).min / 2)
    return allowed


class RunningChanges:
    """The changes of one model while it runs: `calls` holds, by a module's id, those of its calls in one forward pass."""

    def __init__(
        self, model: nn.Module, calls: Mapping[int, tuple[HeadChanges | None, ...]], interventions: tuple[Any, ...]
    ):
        self.model, self.calls, self.interventions = model, calls, interventions
        self._done: dict[int, int] = {}

    def of(self, module: nn.Module) -> HeadChanges | None:
        """Return the changes of this call of a module; layers that share a module are told apart by the order of calls."""
        changes = self.calls.get(id(module))
        if changes is None:
            return None
        number = self._done.get(id(module), 0)
        self._done[id(module)] = number + 1
        return changes[number % len(changes)]

    def begin(self) -> None:
        """Count calls from the start again: the model begins a forward pass."""
        # Another thread may run the same model meanwhile: it counts nothing here.
        if self in _running.get():
            self._done.clear()


_running: ContextVar[tuple[RunningChanges, ...]] = ContextVar("headscope_changes", default=())


@contextmanager
def changing(changes: RunningChanges) -> Iterator[None]:
    """Have these changes on in this context, instead of others of the same model."""
    others = tuple(one for one in _running.get() if one.model is not changes.model)
    token = _running.set((*others, changes))
    try:
        yield
    finally:
        _running.reset(token)


def changes_of(module: nn.Module) -> HeadChanges | None:
    """Return what is changed in this call of an attention module; None where nothing is."""
    for running in _running.get():
        changes = running.of(module)
        if changes is not None:
            return changes
    return None


def intervened_on(model: nn.Module) -> tuple[HeadIntervention, ...]:
    """Return the interventions that are on for a model in this context."""
    return next((running.interventions for running in _running.get() if running.model is model), ())
