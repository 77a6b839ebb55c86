"""The one place that stands between a transformers model and its attention: what was attended is collected here.

Lazy capture registers one function with transformers' AttentionInterface. It computes the module's output with the
fused kernel, exactly as "sdpa" does, and hands queries, keys, values, masks and biases to the collector of this context.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from model.attention_call import AttentionCall
from model.attention_weights import attention_weights, masked_scores
from model.batch_collector import BatchCollector
from model.collector import Collector, parts_of
from model.head_changes import allowed_keys, changes_of
from model.head_watch import HeadWatch
from model.part_changes import part_changes
from model.verification import disagreement

IMPLEMENTATION = "headscope"
# The same for families that transformers does not run with "sdpa": there a mask is never left out.
MASKED_IMPLEMENTATION = "headscope_masked"
_collector: ContextVar[Collector | None] = ContextVar("headscope_collector", default=None)


def intercepted_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | int | None = None,
    dropout: float | int = 0.0,
    is_causal: bool | None = None,
    position_bias: torch.Tensor | None = None,
    softcap: float | int | None = None,
    s_aux: torch.Tensor | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Compute attention as transformers' "sdpa" does, with the interventions of this context, and hand its parts to the
    context's collector, if there is one."""
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    causal = bool(causal) and attention_mask is None and query.shape[2] > 1
    if causal and key.shape[2] > query.shape[2]:
        key, value = key[:, :, : query.shape[2]], value[:, :, : query.shape[2]]
    parts = part_changes()
    if parts.value is not None:
        value = parts.value(module, value)
    changes, replaced = changes_of(module), None
    if changes is not None and changes.replaced_heads:
        replaced = changes.replaced(allowed_keys(query, key, attention_mask, position_bias, causal))
    call = AttentionCall(
        module, query, key, value, attention_mask, scaling, causal, softcap, position_bias, s_aux,
        None if changes is None or replaced is None else (changes.replaced_heads, replaced),
    )  # fmt: skip
    collector = _collector.get()
    if collector is not None:
        _collect(collector, call, {"dropout": dropout, **kwargs})
        if changes is None and parts.value is None and parts.weights is None:
            output = collector.watched(value)
            if output is not None:
                return output, None
    on_weights = None if parts.weights is None else partial(parts.weights, module)
    if softcap is not None or s_aux is not None or on_weights is not None:
        output = _unfused(call, on_weights)
    else:
        output, _ = sdpa_attention_forward(
            module, query, key, value, _without_empty_rows(attention_mask, query.dtype), dropout=dropout,
            scaling=scaling, is_causal=causal, position_bias=position_bias, **kwargs,
        )  # fmt: skip
    return output if changes is None else changes.applied(output, value, replaced), None


def _collect(collector: Collector, call: AttentionCall, others: dict[str, Any]) -> None:
    """Hand a call to a collector, and compare it with the family's eager attention; `others` are its further arguments."""
    # A family's own sinks, under this name, differ per query: what is kept here would not be exact.
    collector.exact &= others.get("sinks") is None
    collector.needs_whole_masks |= call.mask is None and not call.causal and _lost_causality(collector, call)
    collector.attend(call)
    if collector.exact:
        collector.off(disagreement(call, {name: option for name, option in others.items() if option is not None}))


def _without_empty_rows(mask: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor | None:
    """Write a bool mask with fully masked rows (left padding) additively, so that fused and eager attention agree there."""
    if mask is None or mask.dtype != torch.bool or bool(mask.any(dim=-1).all()):
        return mask
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, torch.finfo(dtype).min)


def _unfused(call: AttentionCall, on_weights: Callable[[torch.Tensor], torch.Tensor] | None = None) -> torch.Tensor:
    """Attention that no fused kernel computes (softcap, sinks, weights that somebody changes or derives by), one batch entry
    at a time; returns [batch, query, head, d]."""
    query, key, value, mask, outputs = call.query, call.key, call.value, call.mask, []
    sinks = None if call.sinks is None else call.sinks.reshape(-1)
    for entry in range(query.shape[0]):
        allowed = mask[min(entry, mask.shape[0] - 1)] if mask is not None and mask.dtype == torch.bool else None
        added = mask[min(entry, mask.shape[0] - 1)] if mask is not None and mask.dtype != torch.bool else None
        if call.bias is not None:
            own = call.bias[min(entry, call.bias.shape[0] - 1)]
            added = own if added is None else own + added
        if call.causal:
            allowed = torch.ones(1, query.shape[2], key.shape[2], dtype=torch.bool, device=query.device).tril_()
        scores = masked_scores(query[entry], key[entry], call.scaling, allowed, added, call.softcap)
        weights = attention_weights(scores, sinks)
        weights = (weights if on_weights is None else on_weights(weights)).to(value.dtype)
        groups = query.shape[1] // value.shape[1]
        outputs.append(torch.matmul(weights, value[entry].repeat_interleave(groups, dim=0)))
    return torch.stack(outputs).transpose(1, 2).contiguous()


def _lost_causality(collector: Collector, call: AttentionCall) -> bool:
    """Say whether a causal mask was left out for a module that does not know that it is causal (PaliGemma)."""
    return call.query.shape[2] == call.key.shape[2] > 1 and collector.masks_left_out == {"causal"}


def _lean_mask(*args: Any, **options: Any) -> torch.Tensor | None:
    """Return the bool mask of "sdpa", which is left out where the kernel can do without; the collector is told which."""
    mask, collector = sdpa_mask(*args, **options), _collector.get()
    if mask is None and collector is not None:
        whole = sdpa_mask(*args, **{**options, "allow_is_causal_skip": False})
        collector.masks_left_out.add("bidirectional" if whole is None else "causal")
    return mask


def whole_mask(*args: Any, **options: Any) -> torch.Tensor:
    """Return the bool mask in full: "sdpa" leaves it out and trusts `module.is_causal`, which some families never set."""
    mask: Any = sdpa_mask(*args, **{**options, "allow_is_causal_skip": False, "allow_is_bidirectional_skip": False})
    return mask


def register_attention(name: str, attention: Callable[..., Any], mask: Callable[..., Any]) -> None:
    """Make an attention function and the masks that go with it known to transformers' models as an implementation."""
    AttentionInterface.register(name, attention)
    # Needed under the same name: without it transformers builds no mask at all, not even the causal one.
    AttentionMaskInterface.register(name, mask)


register_attention(IMPLEMENTATION, intercepted_attention, _lean_mask)
register_attention(MASKED_IMPLEMENTATION, intercepted_attention, whole_mask)


def current_collector() -> Collector | None:
    """Return what collects the attention of this context now; None where nothing does."""
    return _collector.get()


def interceptable(model: PreTrainedModel) -> bool:
    """Say whether every part of the model calls its attention through transformers' AttentionInterface."""
    return bool(lazy_implementations(model))


def lazy_implementations(model: PreTrainedModel) -> tuple[str, ...]:
    """Return the attention implementations under which this model may be captured lazily, the quicker one first."""
    parts = _parts(model)
    if not all(part._can_set_attn_implementation() for part in parts):
        return ()
    fused = all(part._supports_sdpa for part in parts)
    return (IMPLEMENTATION, MASKED_IMPLEMENTATION) if fused else (MASKED_IMPLEMENTATION,)


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
def collecting(
    model: PreTrainedModel,
    implementation: str,
    progress: Callable[[float], None] | None = None,
    batch: int = 1,
    watch: HeadWatch | None = None,
) -> Iterator[Collector]:
    """Collect attention and hidden states of what runs inside; hooks and settings are gone afterwards.

    With `batch` above 1 the collector is a BatchCollector, whose entries hold what was collected, and nobody watches.
    """
    parts = parts_of(model)
    collector = Collector(parts, progress, watch) if batch == 1 else BatchCollector(parts, batch, progress)
    handles = []
    token = _collector.set(collector)
    try:
        for list_name, blocks in collector.lists.items():
            for block in dict.fromkeys(blocks):
                handles += _hook(block, list_name, collector)
        with attention_implementation(model, implementation):
            collector.implementation = implementation
            yield collector
    finally:
        _collector.reset(token)
        for handle in handles:
            handle.remove()


def _hook(block: nn.Module, list_name: str, collector: Collector) -> list[Any]:
    # Another thread may run the same model meanwhile: a hook acts only in the context that it was made for.
    def before(_module: Any, args: Any, kwargs: Any) -> None:
        if _collector.get() is collector:
            collector.enter_block(list_name, args[0] if args else kwargs.get("hidden_states"))

    def after(_module: Any, _args: Any, output: Any) -> None:
        if _collector.get() is collector:
            collector.leave_block(list_name, output[0] if isinstance(output, tuple) else output)

    return [block.register_forward_pre_hook(before, with_kwargs=True), block.register_forward_hook(after)]


def _parts(model: PreTrainedModel) -> set[type[PreTrainedModel]]:
    return {type(part) for part in model.modules() if isinstance(part, PreTrainedModel)}


def _configs(model: PreTrainedModel) -> list[Any]:
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
