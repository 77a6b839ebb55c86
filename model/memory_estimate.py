"""How much memory a run will take, estimated from the model's config before it begins, and refused where it is not there."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from transformers import PreTrainedModel

from model.attention_interface import lazy_implementations
from model.collector import parts_of
from model.devices import free_memory, gigabytes
from model.errors import InputError
from model.loading import LoadedModel

# Of what is free: the estimate may be short of the truth, and other programs go on.
_USED_AT_MOST = 0.9
_FLOAT32 = 4
# Score-like tensors [head, query, key] of one layer that eager attention holds at one time: scores, with the mask, softmax.
_EAGER_COPIES = 3


_Found = TypeVar("_Found")


def _once_per_model(find: Callable[..., _Found]) -> Callable[..., _Found]:
    """Find what depends on a model, and not on a text, once: a walk through its modules takes as long as a short run."""
    known: WeakKeyDictionary[PreTrainedModel, dict[tuple[Any, ...], _Found]] = WeakKeyDictionary()

    @wraps(find)
    def found(loaded: LoadedModel, *about: Any) -> _Found:
        of_model = known.setdefault(loaded.model, {})
        if about not in of_model:
            of_model[about] = find(loaded, *about)
        return of_model[about]

    return found


@dataclass(frozen=True)
class RunMemory:
    """Bytes that a recorded run takes beside the weights: `kept` in the trace, `maps` over all pairs, `working` meanwhile."""

    kept: int
    maps: int
    working: int

    @property
    def total(self) -> int:
        """All of it, at one time."""
        return self.kept + self.maps + self.working


@dataclass(frozen=True)
class _Sizes:
    layers: int
    heads: int
    key_heads: int
    d_head: int
    d_model: int
    inner: int
    vocabulary: int


def run_memory(loaded: LoadedModel, tokens: int, target_tokens: int = 0, *, dense: bool | None = None) -> RunMemory:
    """Return the memory of one recorded run over `tokens` tokens (and a decoder's `target_tokens`).

    kept    = layers * n * (3 to 5 times heads * d_head + d_model) * bytes: queries, keys, values, states; what else is in
              the memory that they are parts of
    maps    = layers * heads * n^2 * bytes of weights that the model itself returns (`dense`; None: where it cannot be
              captured lazily); else those of one layer where there is a bias of positions, a softcap or a sink, and one
              n^2 where there are windows
    working = n * (4 * (inner layer + d_model), or the vocabulary where the model predicts words)

    Meant to be at most twice the truth, and not below it.
    """
    size = loaded.dtype.itemsize
    dense = not _is_lazy(loaded) if dense is None else dense
    sides = [tokens, target_tokens] if loaded.is_encoder_decoder else [tokens]
    kept = maps = working = 0
    for side, length in enumerate(sides):
        own = _sizes(loaded, side == 1)
        attended = length + (tokens if side == 1 else 0)
        kept += length * size * (own.layers * _kept_width(loaded, own) + (own.layers + 1) * own.d_model)
        kept += own.layers * tokens * size * 2 * own.key_heads * own.d_head * (side == 1)
        maps += _maps(loaded, own, length, attended, dense)
        working = max(working, length * size * 4 * (own.inner + own.d_model))
    if loaded.model.can_generate():
        working = max(working, sides[-1] * own.vocabulary * size)
    return RunMemory(kept, maps, working)


def check_run_memory(
    loaded: LoadedModel, tokens: int, target_tokens: int = 0, *, dense: bool | None = None, budget: int | None = None
) -> None:
    """Refuse a run that would not fit: of what is kept at most `budget` bytes count, where the rest goes to disk.

    Raises InputError with the numbers and what to do.
    """
    needed = run_memory(loaded, tokens, target_tokens, dense=dense)
    total = needed.total - max(0, needed.kept - (needed.kept if budget is None else budget))
    free = free_memory(loaded.device)
    if total <= _USED_AT_MOST * free:
        return
    fitting = _fitting(loaded, tokens, target_tokens, dense, free)
    lines = f"use at most about {fitting:,} tokens" if fitting else "free memory"
    maps = " Its maps from every token to every token take most of it." if needed.maps > total / 2 else ""
    raise InputError(
        f"{tokens + target_tokens:,} tokens need about {gigabytes(total)} beside the weights of {loaded.name} on "
        f"{loaded.device.type}, and {gigabytes(free)} are free.{maps} Shorten the text ({lines}), or choose a smaller model."
    )


def _fitting(loaded: LoadedModel, tokens: int, target_tokens: int, dense: bool | None, free: int) -> int:
    """Return how many tokens would fit, rounded down to two digits."""
    fits, beyond = 0, tokens
    while beyond - fits > 1:
        middle = (fits + beyond) // 2
        fine = run_memory(loaded, middle, target_tokens, dense=dense).total <= _USED_AT_MOST * free
        fits, beyond = (middle, beyond) if fine else (fits, middle)
    digits = max(1, 10 ** (len(str(fits)) - 2))
    return fits // digits * digits


def _maps(loaded: LoadedModel, own: _Sizes, length: int, attended: int, dense: bool) -> int:
    one = own.heads * length * attended * loaded.dtype.itemsize
    if dense:
        return one * (own.layers + _EAGER_COPIES)
    config = loaded.model.config.get_text_config()
    if _setting(config, "attn_logit_softcapping") is not None or _has_sinks(loaded):
        # No fused kernel has a softcap or sinks: scores are written out, in float32.
        return own.heads * length * attended * _FLOAT32 * _EAGER_COPIES
    if _setting(config, "relative_attention_num_buckets") is not None:
        # A bias of positions (T5) is one for all layers, and is added to the mask once more.
        return 2 * one
    # A mask of windows is one for all heads; any other is left out where nothing is padded.
    return 2 * one // own.heads if _setting(config, "sliding_window") is not None else 0


@_once_per_model
def _is_lazy(loaded: LoadedModel) -> bool:
    return bool(lazy_implementations(loaded.model))


@_once_per_model
def _has_sinks(loaded: LoadedModel) -> bool:
    return any(name.endswith(".sinks") for name, _ in loaded.model.named_parameters())


@_once_per_model
def _kept_width(loaded: LoadedModel, own: _Sizes) -> int:
    """Return the numbers per token that stay because of queries, keys and values."""
    separate = (own.heads + 2 * own.key_heads) * own.d_head
    # Where one matrix makes all three and queries and keys are then turned, the values keep what it made alive as a whole.
    turned = _setting(loaded.model.config, "rope_parameters") is not None
    fused = turned and any(
        separate in weight.shape and own.d_model in weight.shape for _, weight in loaded.model.named_parameters()
    )
    return separate + (own.heads + own.key_heads) * own.d_head * fused


@_once_per_model
def _sizes(loaded: LoadedModel, decoder: bool) -> _Sizes:
    config = loaded.model.config.get_text_config()
    side = "decoder" if decoder else "encoder"
    d_model = _first(config, "hidden_size", "d_model", "dim", default=768)
    heads = _first(config, f"{side}_attention_heads", "num_attention_heads", "n_head", "heads", default=12)
    layers = _first(
        config, f"{side}_layers", f"num_{side}_layers", "num_hidden_layers", "n_layer", "num_layers", "layers",
        default=max((len(blocks) for blocks in parts_of(loaded.model).lists.values()), default=12),
    )  # fmt: skip
    inner = _first(
        config, f"{side}_ffn_dim", "intermediate_size", "ffn_dim", "d_ff", "n_inner", "hidden_dim", default=4 * d_model
    )
    return _Sizes(
        layers, heads, _first(config, "num_key_value_heads", default=heads),
        _first(config, "head_dim", "d_kv", default=max(1, d_model // heads)), d_model, inner,
        _first(config, "vocab_size", default=0),
    )  # fmt: skip


def _first(config: Any, *names: str, default: int) -> int:
    """Return the first of these settings that is a whole number; configs name the same thing differently."""
    found = (_setting(config, name) for name in names)
    return next((value for value in found if type(value) is int and value > 0), default)


def _setting(config: Any, name: str) -> Any:
    """Return a setting; the largest of all layers where they have one each (Gemma 4)."""
    try:
        return getattr(config, name, None)
    except RuntimeError:
        # transformers refuses to name one for all; the class of its error stands in no public module.
        values = [getattr(config.per_layer_config[layer], name, None) for layer in range(config.num_hidden_layers)]
        return max((value for value in values if type(value) is int), default=None)
