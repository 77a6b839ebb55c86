"""Weights that look wrong: not in the files, without a place in the model, or nothing but one number.

A model whose class does not match its files still runs and still draws patterns; they are only those of random numbers.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

_ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)
_NUMBERED = re.compile(r"(.*?)\.\d+\.")
# Masks and tables that older versions of transformers stored beside the weights, and that are computed today.
_COMPUTED = re.compile(r"(masked_bias|attn\.bias|attention\.bias|inv_freq|position_ids|token_type_ids)$")
_NAMED_AT_MOST = 3


def weight_warnings(model: PreTrainedModel, found: Mapping[str, Collection[Any]]) -> tuple[str, ...]:
    """Return one sentence for each way in which the weights look wrong; none where they look right.

    `found` is what `from_pretrained(..., output_loading_info=True)` returns: missing, unexpected and mismatched keys.
    Two things are benign and not named: the missing pooler of a base encoder, which comes after the last layer, so that
    no attention and no hidden state passes through it; and stored heads that this class leaves out. Attention weights
    that are offloaded to the CPU or to disk are not looked into.
    """
    missing = set(found["missing_keys"]) | {key for key, *_shapes in found["mismatched_keys"]}
    parts = [part for part in _parts(model, missing) if not _is_loose_pooler(model, part)]
    sentences = _random(model, parts)
    unplaced = sorted(key for key in found["unexpected_keys"] if _belongs_to_blocks(model, key))
    if unplaced:
        sentences.append(
            f"The files also hold {_listed(_modules(unplaced))}, for which {type(model).__name__} has no place: the model "
            "may have been saved by another class, and then its attention is not the one shown."
        )
    return (*sentences, *_broken_attention(model))


def unusable(model: PreTrainedModel, found: Mapping[str, Collection[Any]]) -> str | None:
    """Return the first weight below the head whose shape is not the stored one, in words, or None."""
    for key, stored, expected in sorted(found["mismatched_keys"]):
        if not _is_head(model, key):
            return f"`{key}` is {list(stored)} in the files and {list(expected)} in the model"
    return None


def _random(model: PreTrainedModel, parts: list[str]) -> list[str]:
    if parts == [""]:
        return [
            f"None of the weights of {type(model).__name__} were in the files: all it shows comes from random numbers."
        ]
    heads = [part for part in parts if _is_head(model, part)]
    rest = [part for part in parts if part not in heads]
    sentences = []
    for kind, names in (("head", heads), ("part", rest)):
        if len(names) == 1:
            sentences.append(f"The {kind} {_listed(names)} was not in the files and holds random numbers.")
        elif names:
            sentences.append(f"The {kind}s {_listed(names)} were not in the files and hold random numbers.")
    return sentences


def _parts(model: nn.Module, missing: Collection[str]) -> list[str]:
    """Return the outermost modules of which every weight is missing, and the names of single weights; "" is the model."""
    # A weight tied to another one, as an output layer to the embeddings, says nothing about the module it is in.
    tied = getattr(model, "all_tied_weights_keys", None) or {}
    present = [key for key in model.state_dict() if key not in missing and key not in tied]
    parts = []
    for key in sorted(missing):
        names = key.split(".")
        outer = (".".join(names[:length]) for length in range(len(names)))
        part = next((name for name in outer if not any(_inside(other, name) for other in present)), key)
        if part not in parts:
            parts.append(part)
    return parts


def _inside(key: str, module: str) -> bool:
    return not module or key == module or key.startswith(f"{module}.")


def _is_head(model: PreTrainedModel, key: str) -> bool:
    """Say whether a weight lies outside the base model: the head that a task put on top of it."""
    base = getattr(model, model.base_model_prefix, None) if model.base_model_prefix else None
    return base is not None and base is not model and not _inside(key, model.base_model_prefix)


def _is_loose_pooler(model: PreTrainedModel, key: str) -> bool:
    return model.base_model is model and key.split(".")[0] == "pooler"


def _belongs_to_blocks(model: PreTrainedModel, key: str) -> bool:
    """Say whether a stored weight is of a numbered block of a list that the model has."""
    numbered = _NUMBERED.match(key)
    if numbered is None or _COMPUTED.search(key):
        return False
    lists = {name for name, module in model.named_modules() if isinstance(module, nn.ModuleList)}
    return any(name == numbered[1] or name.endswith(f".{numbered[1]}") for name in lists)


def _broken_attention(model: nn.Module) -> Iterable[str]:
    """Yield a sentence for the attention matrices that are zero, for those of one number, and for those not finite."""
    found: dict[str, list[str]] = {}
    for name, weight in model.named_parameters():
        if weight.ndim < 2 or weight.numel() < 2 or weight.is_meta or not weight.is_floating_point():
            continue
        wrong = _wrong(weight) if _ATTENTION.search(name) else None
        if wrong:
            found.setdefault(wrong, []).append(name)
    for wrong, names in found.items():
        modules = _modules(names)
        holds = "holds" if len(modules) == 1 else "hold"
        yield f"{_listed(modules)} {holds} {wrong}: these layers attend to nothing that was learned."


def _wrong(weight: torch.Tensor) -> str | None:
    smallest, largest = (float(bound) for bound in weight.detach().aminmax())
    if not (abs(smallest) < float("inf") and abs(largest) < float("inf")):
        return "numbers that are not finite"
    if smallest == largest:
        return "only zeros" if smallest == 0 else "one number everywhere"
    return None


def _modules(keys: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(key.rpartition(".")[0] or key for key in keys))


def _listed(names: list[str]) -> str:
    shown = [f"`{name}`" for name in names[:_NAMED_AT_MOST]]
    if len(names) > _NAMED_AT_MOST:
        return f"{', '.join(shown)} and {len(names) - _NAMED_AT_MOST} more"
    return " and ".join(shown)
