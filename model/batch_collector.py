"""What one forward pass over a batch hands over, kept for every entry of the batch as if it had run alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from model.attention_call import AttentionCall
from model.collector import Collector, Parts


class BatchCollector(Collector):
    """Hands every entry of a batch to a Collector of its own; `entries` holds these, and nothing is kept here.

    An entry owns its tensors: it is a copy of its part of the batch's, so that it holds no more memory than it says and
    frees it alone. A mask or a bias that is the same for the whole batch is shared.
    """

    def __init__(self, parts: Parts, batch: int, progress: Callable[[float], None] | None = None):
        super().__init__(parts, progress)
        self.entries = tuple(Collector(parts) for _ in range(batch))
        # Lists of blocks whose states are not a batch of hidden states: as good as missing, unless attention is in there.
        self._undivided: set[str] = set()
        self._copies: dict[tuple[Any, ...], tuple[torch.Tensor, Sequence[torch.Tensor]]] = {}

    @property
    def agrees(self) -> bool:
        """Whether every entry's layers are exact, and its hidden states known wherever it attends."""
        return super().agrees and self._undivided.isdisjoint(self.entries[0].attending)

    def attend(self, call: AttentionCall) -> None:
        """Keep one attention call, for every entry."""
        own = call.query, call.key, call.value
        if any(tensor.shape[0] != len(self.entries) for tensor in own) or any(
            tensor is not None and tensor.shape[0] not in (1, len(self.entries)) for tensor in (call.mask, call.bias)
        ):
            # The first axis is not the batch, or not the batch alone: which part is whose is not known.
            self.exact = False
            return
        parts = zip(*(tensor.split(1) for tensor in own), strict=True)
        masks, biases = self._shared_by_layers(call.mask), self._shared_by_layers(call.bias)
        weights = self._shared_by_layers(None if call.replaced is None else call.replaced[1])
        for entry, part, mask, bias, weight in zip(self.entries, parts, masks, biases, weights, strict=True):
            query, key, value = (tensor.detach().clone() for tensor in part)
            replaced = None if call.replaced is None or weight is None else (call.replaced[0], weight)
            entry.attend(replace(call, query=query, key=key, value=value, mask=mask, bias=bias, replaced=replaced))
        self.exact &= all(entry.exact for entry in self.entries)

    def enter_block(self, list_name: str, entering: Any) -> None:
        """Note that a block of this list begins, and keep every entry's input of the first."""
        super().enter_block(list_name, None)
        begun = bool(self.entries[0].streams.get(list_name))
        for entry, state in zip(self.entries, self._states(list_name, None if begun else entering), strict=True):
            entry.enter_block(list_name, state)

    def leave_block(self, list_name: str, leaving: Any) -> None:
        """Keep every entry's output of a block and report progress; the report may raise, which cancels the run."""
        for entry, state in zip(self.entries, self._states(list_name, leaving), strict=True):
            entry.leave_block(list_name, state)
        super().leave_block(list_name, None)

    def _states(self, list_name: str, state: Any) -> Sequence[torch.Tensor | None]:
        """Return the hidden states of every entry, each with a batch axis of one."""
        if not isinstance(state, torch.Tensor):
            return [None] * len(self.entries)
        if state.ndim != 3:
            # No hidden state of tokens, with or without a batch: the entries leave it out.
            return [state] * len(self.entries)
        if state.shape[0] != len(self.entries):
            self._undivided.add(list_name)
            return [None] * len(self.entries)
        return [part.detach().clone() for part in state.split(1)]

    def _shared_by_layers(self, tensor: torch.Tensor | None) -> Sequence[torch.Tensor | None]:
        """Return every entry's part of a mask or bias, the same copies for all layers that share it."""
        if tensor is None or tensor.shape[0] == 1:
            return [tensor] * len(self.entries)
        key = (tensor.data_ptr(), tensor.shape, tensor.stride())
        if key not in self._copies:
            # The tensor itself is kept beside its copies, so that its address is not given to another one.
            self._copies[key] = (tensor, [part.detach().clone() for part in tensor.split(1)])
        return self._copies[key][1]
