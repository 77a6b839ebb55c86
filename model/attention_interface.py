"""The one place that stands between a transformers model and its attention: what was attended is collected here.

Lazy capture registers one function with transformers' AttentionInterface. It computes the module's output with the
fused kernel, exactly as "sdpa" does, and hands queries, keys, values, masks and biases to the collector of this context.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from model.attention_weights import attention_weights, masked_scores
from model.layers import LazyLayer

IMPLEMENTATION = "headscope"
_CROSS = re.compile(r"cross|encoder_attn|enc_?dec|encoder_decoder", re.IGNORECASE)
_collector: ContextVar["Collector | None"] = ContextVar("headscope_collector", default=None)


class Collector:
    """Gathers what the attention modules and the blocks of one forward pass hand over, in the order of their calls."""

    def __init__(self, model: nn.Module, progress: Callable[[float], None] | None = None):
        self.names = {id(module): name for name, module in model.named_modules()}
        self.lists = _outermost_lists(model)
        self.layers: list[LazyLayer] = []
        self.calls: dict[str, int] = {}
        self.block: tuple[str, int] | None = None
        self.attending: set[str] = set()
        self.streams: dict[str, list[torch.Tensor]] = {}
        self._masks: dict[int, tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]] = {}
        self._progress = progress
        self._expected = max(1, sum(len(blocks) for blocks in self.lists.values()))

    def attend(self, module: nn.Module, query, key, value, mask, scaling, causal, softcap, bias, sinks) -> None:
        """Keep one attention call; tensors come with their batch axis of one, which is dropped."""
        mask, additive = self._split(mask)
        bias = bias if additive is None else additive if bias is None else bias + additive
        name = self.names.get(id(module), type(module).__name__)
        stack = self._stack(name, module, query.shape[2], key.shape[2], mask, bias, causal)
        list_name, ordinal = self.block or ("", sum(layer.stack == stack for layer in self.layers))
        self.attending.add(list_name)
        self.layers.append(
            LazyLayer(
                stack=stack,
                index=ordinal,
                module=name,
                query=query.detach()[0],
                key=key.detach()[0],
                value=value.detach()[0],
                scaling=float(scaling),
                causal=bool(causal),
                softcap=softcap,
                mask=mask,
                bias=None if bias is None else bias.detach()[0],
                sinks=None if sinks is None else sinks.detach().reshape(-1),
            )
        )

    def _split(self, mask: torch.Tensor | None) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Return (bool mask, additive bias) without the batch axis; layers that share a mask share the result."""
        if mask is None:
            return None, None
        if mask.data_ptr() not in self._masks:
            is_bool = mask.dtype == torch.bool
            # The mask itself is kept beside the result, so that its address is not given to another one.
            self._masks[mask.data_ptr()] = (mask, mask[0] if is_bool else None, None if is_bool else mask)
        _, allowed, additive = self._masks[mask.data_ptr()]
        return allowed, additive

    def _stack(self, name, module, queries, keys, mask, bias, causal) -> str:
        inside = re.split(r"\.\d+\.", name, maxsplit=1)[-1]
        if _CROSS.search(inside):
            return "cross"
        # In an encoder-decoder the side is known by its name even where one token makes every mask trivial.
        side = re.match(r"(?:.*\.)?(encoder|decoder)\.", name)
        if side and any("decoder" in other for other in self.lists) and any("encoder" in other for other in self.lists):
            return side.group(1)
        if queries == 1 or (mask is None and bias is None):
            return "decoder" if causal or (queries == 1 and getattr(module, "is_causal", False)) else "encoder"
        allowed = mask if mask is not None else bias[0] > torch.finfo(bias.dtype).min / 2
        future = torch.ones(queries, keys, dtype=torch.bool, device=allowed.device).triu_(diagonal=1)
        return "decoder" if queries == keys and not bool((allowed & future).any()) else "encoder"

    def enter_block(self, list_name: str, args: tuple, kwargs: dict) -> None:
        """Note that a block of this list begins, and keep the input of the first."""
        self.calls[list_name] = self.calls.get(list_name, -1) + 1
        self.block = (list_name, self.calls[list_name])
        stream = self.streams.setdefault(list_name, [])
        entering = args[0] if args else kwargs.get("hidden_states")
        if not stream and isinstance(entering, torch.Tensor):
            stream.append(entering.detach())

    def leave_block(self, list_name: str, output) -> None:
        """Keep the output of a block and report progress; the report may raise, which cancels the run."""
        leaving = output[0] if isinstance(output, tuple) else output
        if isinstance(leaving, torch.Tensor):
            self.streams[list_name].append(leaving.detach())
        self.block = None
        if self._progress is not None:
            self._progress(min(1.0, sum(count + 1 for count in self.calls.values()) / self._expected))

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


def intercepted_attention(
    module, query, key, value, attention_mask, scaling=None, dropout=0.0, is_causal=None, position_bias=None,
    softcap=None, s_aux=None, **kwargs,
):  # fmt: skip
    """Compute attention as transformers' "sdpa" does and hand its parts to this context's collector, if there is one."""
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    causal = bool(causal) and attention_mask is None and query.shape[2] > 1
    if causal and key.shape[2] > query.shape[2]:
        key, value = key[:, :, : query.shape[2]], value[:, :, : query.shape[2]]
    collector = _collector.get()
    if collector is not None:
        collector.attend(
            module, query, key, value, attention_mask, scaling, causal, softcap, position_bias, s_aux
        )  # fmt: skip
    if softcap is not None or s_aux is not None:
        return _unfused(query, key, value, attention_mask, scaling, causal, softcap, position_bias, s_aux), None
    return sdpa_attention_forward(
        module, query, key, value, _without_empty_rows(attention_mask, query.dtype), dropout=dropout,
        scaling=scaling, is_causal=causal, position_bias=position_bias, **kwargs,
    )  # fmt: skip


def _without_empty_rows(mask: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor | None:
    """Write a bool mask with fully masked rows (left padding) additively, so that fused and eager attention agree there."""
    if mask is None or mask.dtype != torch.bool or bool(mask.any(dim=-1).all()):
        return mask
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, torch.finfo(dtype).min)


def _unfused(query, key, value, mask, scaling, causal, softcap, bias, sinks) -> torch.Tensor:
    """Attention that no fused kernel computes (softcap, sinks), one batch entry at a time; returns [batch, query, head, d]."""
    outputs = []
    for entry in range(query.shape[0]):
        allowed = mask[min(entry, mask.shape[0] - 1)] if mask is not None and mask.dtype == torch.bool else None
        added = mask[min(entry, mask.shape[0] - 1)] if mask is not None and mask.dtype != torch.bool else None
        if bias is not None:
            added = bias[0] if added is None else bias[0] + added
        if causal:
            allowed = torch.ones(1, query.shape[2], key.shape[2], dtype=torch.bool, device=query.device).tril_()
        scores = masked_scores(query[entry], key[entry], scaling, allowed, added, softcap)
        weights = attention_weights(scores, None if sinks is None else sinks.reshape(-1)).to(value.dtype)
        groups = query.shape[1] // value.shape[1]
        outputs.append(torch.matmul(weights, value[entry].repeat_interleave(groups, dim=0)))
    return torch.stack(outputs).transpose(1, 2).contiguous()


# The mask entry under the same name is needed: without it transformers builds no mask at all, not even the causal one.
AttentionInterface.register(IMPLEMENTATION, intercepted_attention)
AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)


def interceptable(model: PreTrainedModel) -> bool:
    """Say whether every part of the model calls its attention through transformers' AttentionInterface."""
    parts = {type(part) for part in model.modules() if isinstance(part, PreTrainedModel)}
    return all(part._can_set_attn_implementation() for part in parts)


@contextmanager
def attention_implementation(model: PreTrainedModel, name: str) -> Iterator[None]:
    """Run a block of code with another attention implementation; the model's configs are as before afterwards."""
    configs = _configs(model)
    before = [config._attn_implementation_internal for config in configs]
    try:
        for config in configs:
            config._attn_implementation_internal = name
        yield
    finally:
        for config, implementation in zip(configs, before, strict=True):
            config._attn_implementation_internal = implementation


@contextmanager
def collecting(model: PreTrainedModel, progress: Callable[[float], None] | None = None) -> Iterator[Collector]:
    """Collect attention and hidden states of what runs inside; hooks and settings are gone afterwards."""
    collector = Collector(model, progress)
    handles = []
    token = _collector.set(collector)
    try:
        for list_name, blocks in collector.lists.items():
            for block in dict.fromkeys(blocks):
                handles += _hook(block, list_name, collector)
        with attention_implementation(model, IMPLEMENTATION):
            yield collector
    finally:
        _collector.reset(token)
        for handle in handles:
            handle.remove()


def _hook(block: nn.Module, list_name: str, collector: Collector) -> list:
    # Another thread may run the same model meanwhile: a hook acts only in the context that it was made for.
    def before(_module, args, kwargs):
        if _collector.get() is collector:
            collector.enter_block(list_name, args, kwargs)

    def after(_module, _args, output):
        if _collector.get() is collector:
            collector.leave_block(list_name, output)

    return [block.register_forward_pre_hook(before, with_kwargs=True), block.register_forward_hook(after)]


def _outermost_lists(model: nn.Module) -> dict[str, nn.ModuleList]:
    """Return the module lists that are inside no other, by name: the stacks of blocks, whatever they are called."""
    lists: dict[str, nn.ModuleList] = {}
    for name, module in model.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer in lists)
        if isinstance(module, nn.ModuleList) and not inside:
            lists[name] = module
    return lists


def _configs(model: PreTrainedModel) -> list:
    found = {id(part.config): part.config for part in model.modules() if hasattr(part, "config")}
    queue = list(found.values())
    while queue:
        config = queue.pop()
        for key in getattr(config, "sub_configs", ()):
            nested = getattr(config, key, None)
            if nested is not None and id(nested) not in found:
                found[id(nested)] = nested
                queue.append(nested)
    return [config for config in found.values() if hasattr(config, "_attn_implementation_internal")]
