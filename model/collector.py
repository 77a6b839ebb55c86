"""What the attention modules and the blocks of one forward pass hand over, gathered in the order of their calls."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from model.attention_call import AttentionCall
from model.device_budget import budget_of_run
from model.errors import tell
from model.head_watch import HeadWatch
from model.layers import AttentionLayer, LazyLayer

_CROSS = re.compile(r"cross|encoder_attn|enc_?dec|encoder_decoder", re.IGNORECASE)


@dataclass(frozen=True)
class Parts:
    """What a model is made of: its modules' names, by the module's id, and its stacks of blocks, by name."""

    names: Mapping[int, str]
    lists: Mapping[str, nn.ModuleList]


def parts_of(model: nn.Module) -> Parts:
    """Return the Parts of a model."""
    named = list(model.named_modules())
    return Parts({id(module): name for name, module in named}, _outermost_lists(named))


class Collector:
    """Gathers what the attention modules and the blocks of one forward pass hand over, in the order of their calls."""

    def __init__(self, parts: Parts, progress: Callable[[float], None] | None = None, watch: HeadWatch | None = None):
        self.names, self.lists = parts.names, parts.lists
        self.layers: list[AttentionLayer] = []
        # Computes the attention of the layers block by block, and looks at the blocks; None: the fused kernel does.
        self.watch = watch
        # The attention implementation of the run.
        self.implementation = ""
        # How often a module attended: more often than there are layers where one attends twice.
        self.attentions = 0
        self.calls: dict[str, int] = {}
        self.block: tuple[str, int] | None = None
        self.attending: set[str] = set()
        self.streams: dict[str, list[torch.Tensor]] = {}
        # Whether the layers are all that the modules computed with; else the weights must come from the model itself.
        self.exact = True
        # Masks that were not built because the kernel can do without, and whether a module needed one of them.
        self.masks_left_out: set[str] = set()
        self.needs_whole_masks = False
        self._off: list[torch.Tensor] = []
        # The block of the last layer, and how often it was called by then.
        self._attended_in: tuple[str, int] | None = None
        self._masks: dict[tuple[Any, ...], tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]] = {}
        self._budget = budget_of_run()
        self._progress = progress
        self._expected = max(1, sum(len(blocks) for blocks in self.lists.values()))

    def attend(self, call: AttentionCall) -> None:
        """Keep one attention call, whose batch axis of one is dropped."""
        self.attentions += 1
        if call.query.shape[0] != 1:
            # Windows or images side by side: no map from every token to every token.
            self.exact = False
            return
        mask, bias = self._split(call.mask)
        if call.bias is not None:
            bias = call.bias if bias is None else call.bias + bias
        name = self.names.get(id(call.module), type(call.module).__name__)
        stack = self._stack(name, call, mask, bias)
        if stack != "cross" and call.key.shape[2] < call.query.shape[2]:
            # Keys pooled from several tokens (SegFormer): no map from every token to every token.
            self.exact = False
        list_name, ordinal = self.block or ("", sum(layer.stack == stack for layer in self.layers))
        self.attending.add(list_name)
        try:
            layer = LazyLayer(
                stack=stack,
                index=ordinal,
                module=name,
                query=call.query.detach()[0],
                key=call.key.detach()[0],
                value=call.value.detach()[0],
                scaling=float(call.scaling),
                causal=call.causal,
                softcap=call.softcap,
                mask=mask,
                bias=None if bias is None else bias.detach()[0],
                # The sinks are the module's own weights, not something computed in this run: kept as they are now.
                sinks=None if call.sinks is None else call.sinks.detach().reshape(-1).clone(),
                replaced_heads=() if call.replaced is None else call.replaced[0],
                replaced=None if call.replaced is None else call.replaced[1].detach()[0],
            )
        except ValueError:
            # A module that attends in another shape: its weights cannot be recomputed from these tensors.
            self.exact = False
        else:
            self._keep(layer)

    def _keep(self, layer: LazyLayer) -> None:
        """Add a layer, or the second values of one whose module attends twice with the same weights (DiffLlama)."""
        earlier = self.layers[-1] if self.layers and self._attended_in == self.block is not None else None
        self._attended_in = self.block
        if earlier is None or earlier.module != layer.module:
            self.layers.append(layer)
        elif (
            isinstance(earlier, LazyLayer)
            and _same_weights(earlier, layer)
            and earlier.value is not None
            and layer.value is not None
        ):
            self.layers[-1] = replace(earlier, value=torch.cat([earlier.value, layer.value], dim=-1))
        else:
            # One module, called for pieces of the sequence: each map is a part of one that is not known here.
            self.exact = False

    def watched(self, value: torch.Tensor) -> torch.Tensor | None:
        """Return the output [1, query, head, d_value] of the call that was kept last, computed block by block by the watch.

        None where nobody watches, or where the layers are not exactly what the modules compute with.
        """
        if self.watch is None or not self.agrees:
            return None
        beside = len(self.lists[self.block[0]]) if self.block else 1
        return self.watch.attend(self.layers, beside, value.detach()[0])[None]

    def off(self, disagreement: torch.Tensor | None) -> None:
        """Note how far one call is from the family's eager attention, as a share of the tolerance."""
        if disagreement is not None:
            self._off.append(disagreement)

    @property
    def agrees(self) -> bool:
        """Whether the layers are exact, also by the comparisons with eager attention on a few rows of every call."""
        return self.exact and not self.needs_whole_masks and all(bool(off <= 1) for off in self._off)

    def _split(self, mask: torch.Tensor | None) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Return (bool mask, additive bias) without the batch axis; layers that share a mask share the result."""
        if mask is None:
            return None, None
        # Two views of one tensor may begin at the same address, so the shape belongs to the key.
        key = (mask.data_ptr(), mask.shape, mask.stride())
        if key not in self._masks:
            is_bool = mask.dtype == torch.bool
            # The mask itself is kept beside the result, so that its address is not given to another one.
            self._masks[key] = (mask, mask[0] if is_bool else None, None if is_bool else mask)
        _, allowed, additive = self._masks[key]
        return allowed, additive

    def _stack(self, name: str, call: AttentionCall, mask: torch.Tensor | None, bias: torch.Tensor | None) -> str:
        inside = re.split(r"\.\d+\.", name, maxsplit=1)[-1]
        if _CROSS.search(inside):
            return "cross"
        # In an encoder-decoder the side is known by its name even where one token makes every mask trivial.
        side = re.match(r"(?:.*\.)?(encoder|decoder)\.", name)
        if side and any("decoder" in other for other in self.lists) and any("encoder" in other for other in self.lists):
            return side.group(1)
        if call.causal and mask is None:
            return "decoder"
        queries, keys = call.query.shape[2], call.key.shape[2]
        allowed = mask if mask is not None or bias is None else bias[0] > torch.finfo(bias.dtype).min / 2
        if queries == 1 or allowed is None:
            return "decoder" if queries == 1 and getattr(call.module, "is_causal", False) else "encoder"
        future = torch.ones(queries, keys, dtype=torch.bool, device=allowed.device).triu_(diagonal=1)
        return "decoder" if queries == keys and not bool((allowed & future).any()) else "encoder"

    def enter_block(self, list_name: str, entering: Any) -> None:
        """Note that a block of this list begins, and keep the input of the first where it is a tensor."""
        self.calls[list_name] = self.calls.get(list_name, -1) + 1
        self.block = (list_name, self.calls[list_name])
        stream = self.streams.setdefault(list_name, [])
        if not stream and isinstance(entering, torch.Tensor):
            stream.append(entering.detach())

    def leave_block(self, list_name: str, leaving: Any) -> None:
        """Keep the output of a block and report progress; the report may raise, which cancels the run."""
        if isinstance(leaving, torch.Tensor):
            self.streams[list_name].append(leaving.detach())
        self.block = None
        if self.watch is not None and not self.watch.keeps_trace:
            self.streams[list_name].clear()
        self._budget.hold(self.layers, self.streams)
        if self._progress is not None:
            tell(self._progress, min(1.0, sum(count + 1 for count in self.calls.values()) / self._expected))

    def states(self) -> dict[str, tuple[torch.Tensor, ...]]:
        """Return hidden states [position, d_model] per side, of the block lists in which attention took place."""
        states: dict[str, tuple[torch.Tensor, ...]] = {}
        for list_name, stream in self.streams.items():
            if list_name not in self.attending or any(state.ndim != 3 for state in stream):
                continue
            prefix = f"{list_name}."
            stacks = {layer.stack for layer in self.layers if layer.module.startswith(prefix)}
            side = "encoder" if stacks == {"encoder"} else "decoder"
            states.setdefault(side, tuple(state[0] for state in stream))
        return states


def _same_weights(one: LazyLayer, other: LazyLayer) -> bool:
    """Say whether two calls of a module have the same queries, keys and masks, and so the same weights."""
    return one.mask is other.mask and all(
        (first is None and second is None) or (first is not None and second is not None and torch.equal(first, second))
        for first, second in ((one.query, other.query), (one.key, other.key), (one.bias, other.bias))
    )


def _outermost_lists(named: Iterable[tuple[str, nn.Module]]) -> dict[str, nn.ModuleList]:
    """Return the module lists that are inside no other, by name: the stacks of blocks, whatever they are called."""
    lists: dict[str, nn.ModuleList] = {}
    for name, module in named:
        if isinstance(module, nn.ModuleList) and not any(name.startswith(f"{outer}.") for outer in lists):
            lists[name] = module
    return lists
