"""Traces of attention that was computed elsewhere: arrays, NPZ files, transformers outputs, TransformerLens caches."""

import json
import re
from collections.abc import Iterable, Mapping
from io import IOBase
from os import PathLike
from typing import Any

import numpy as np
import torch

from model.errors import ImportedDataError
from model.imported_trace import checked_stack, imported_provenance, imported_trace, stack_of, tokens_of_ids
from model.imported_weights import Numbered, as_weights, imported_layers, without_batch
from model.layers import SEQUENCES, DenseLayer
from model.npz_file import ONE_GIGABYTE, read_arrays
from model.tokens import Token
from model.trace import Trace

_FIELDS = {
    "attentions": None,
    "encoder_attentions": "encoder",
    "decoder_attentions": "decoder",
    "cross_attentions": "cross",
}
_WANTED = re.compile(r"weights|mask|tokens|query_tokens|key_tokens|provenance|layer_(?:0|[1-9]\d{0,5})")
_PATTERN = re.compile(r"blocks\.(0|[1-9]\d{0,5})\.attn\.hook_pattern")


def trace_from_arrays(
    weights: Any,
    tokens: Iterable[str | Token],
    key_tokens: Iterable[str | Token] | None = None,
    *,
    stack: str | None = None,
    name: str = "imported",
    sinks: bool = False,
) -> Trace:
    """Return a Trace of weights [layer, head, query, key] and the tokens of their rows (and columns, in cross-attention).

    `stack` is "encoder", "decoder" or "cross"; left out, it is cross with other `key_tokens`, decoder where no query looks
    ahead, else encoder. `sinks` allows rows that sum to less than one. Raises ImportedDataError for what is no attention.
    """
    try:
        # A list of tensors stands for its layers; a tensor or an array is cut along its first axis.
        maps = list(weights)
    except TypeError as error:
        raise ImportedDataError("The weights are no array. Give [layer, head, query, key].") from error
    shape = getattr(weights, "shape", None)
    if not maps or (shape is not None and len(shape) != 4):
        raise ImportedDataError(f"The weights have the shape {tuple(shape or ())}. Give [layer, head, query, key].")
    numbered = [(index, f"Layer {index}", as_weights(f"Layer {index}", layer)) for index, layer in enumerate(maps)]
    return imported_trace(numbered, tokens, key_tokens, stack, (name, "arrays"), sinks=sinks)


def read_npz(
    file: str | PathLike[str] | IOBase,
    *,
    stack: str | None = None,
    name: str | None = None,
    sinks: bool = False,
    limit: int = ONE_GIGABYTE,
) -> Trace:
    """Return the Trace of an NPZ file: `weights` [layer, head, query, key], and `tokens` or `query_tokens` and `key_tokens`.

    What Headscope exports is read too: `layer_0`, `layer_1`, ... [head, query, key], and `weights` [query, key] of one
    head with its `mask`. `limit` is in bytes, unpacked, and is compared before anything is unpacked; nothing is unpickled.
    Raises ImportedDataError where the file is broken, too large, or no attention.
    """
    arrays = read_arrays(file, _WANTED, limit)
    numbered = _npz_layers(arrays)
    queries, keys = _npz_tokens(arrays, "query_tokens") or (), _npz_tokens(arrays, "key_tokens")
    origin = _npz_origin(arrays)
    provenance = (name or origin.get("model") or "imported", "an NPZ file")
    mask = arrays.get("mask")
    fits = mask is not None and mask.dtype == bool and mask.shape == tuple(numbered[0][2].shape[1:])
    allowed = torch.from_numpy(np.ascontiguousarray(mask)) if fits else None
    return imported_trace(
        numbered, queries, keys, stack or origin.get("stack"), provenance, sinks=sinks, allowed=allowed
    )


def trace_from_transformers(
    outputs: Any,
    tokenizer: Any = None,
    input_ids: Any = None,
    decoder_input_ids: Any = None,
    *,
    stack: str | None = None,
    name: str = "imported",
    sinks: bool = False,
) -> Trace:
    """Return the Trace of a transformers output with output_attentions=True, or of a dict with the same fields.

    Read are `attentions`, `encoder_attentions`, `decoder_attentions` and `cross_attentions`, tuples of
    [1, head, query, key]. Tokens are those of the ids, named by position without ids. `stack` says what plain `attentions`
    are where the maps shall not decide. Raises ImportedDataError where there is no such attention.
    """
    layers: tuple[DenseLayer, ...] = ()
    lengths: dict[str, int] = {}
    for field, known in _FIELDS.items():
        numbered = _output_layers(outputs, field)
        if numbered:
            side = known or stack or stack_of(numbered)
            added = imported_layers(checked_stack(side), numbered, sinks=sinks)
            layers += added
            for sequence, length in zip(SEQUENCES[side], added[0].shape[1:], strict=True):
                if lengths.setdefault(sequence, length) != length:
                    raise ImportedDataError(
                        f"{field} has {length} tokens in the {sequence} and another field {lengths[sequence]}. Give the "
                        "output of one forward pass."
                    )
    if not layers:
        raise ImportedDataError(
            'There are no attentions in this output. Load the model with attn_implementation="eager" and run it with '
            "output_attentions=True."
        )
    alone = set(lengths) == {"decoder"}
    given = {"encoder": input_ids, "decoder": input_ids if alone and decoder_input_ids is None else decoder_input_ids}
    tokens = {side: tokens_of_ids(tokenizer, given[side], side, length) for side, length in lengths.items()}
    return Trace(layers, tokens, {}, imported_provenance(name, "a transformers output", layers))


def trace_from_transformer_lens(
    cache: Any, tokens: Iterable[str | Token], *, stack: str | None = None, name: str = "imported", sinks: bool = False
) -> Trace:
    """Return the Trace of a TransformerLens ActivationCache, or of a mapping of the same names to arrays.

    Read is blocks.{layer}.attn.hook_pattern, [head, query, key] or [1, head, query, key]; `tokens` are what
    model.to_str_tokens returns. Raises ImportedDataError where there is no pattern, or it is no attention.
    """
    entries = getattr(cache, "cache_dict", cache)
    if not isinstance(entries, Mapping):
        raise ImportedDataError("The cache is no mapping of names to arrays. Give what model.run_with_cache returned.")
    found = {key: _PATTERN.fullmatch(key) for key in entries if isinstance(key, str)}
    numbered = [
        (int(match[1]), key, without_batch(key, as_weights(key, entries[key]))) for key, match in found.items() if match
    ]
    if not numbered:
        raise ImportedDataError(
            "There is no blocks.0.attn.hook_pattern in this cache. Run model.run_with_cache without a names_filter, or with "
            "one that keeps hook_pattern."
        )
    numbered.sort(key=lambda layer: layer[0])
    return imported_trace(numbered, tokens, None, stack, (name, "a TransformerLens cache"), sinks=sinks)


def _output_layers(outputs: Any, field: str) -> Numbered:
    """Return the maps of one field of a transformers output; a layer without attention is left out."""
    maps = outputs.get(field) if isinstance(outputs, Mapping) else getattr(outputs, field, None)
    if maps is None:
        return []
    if any(isinstance(entry, tuple | list) for entry in maps):
        raise ImportedDataError(
            f"{field} holds one tuple for each step, as generate returns it. Run the model once over the whole text instead."
        )
    named = [(index, f"{field}.{index}", entry) for index, entry in enumerate(maps) if entry is not None]
    return [(index, name, without_batch(name, as_weights(name, entry))) for index, name, entry in named]


def _npz_layers(arrays: Mapping[str, np.ndarray]) -> Numbered:
    names = sorted((name for name in arrays if name.startswith("layer_")), key=lambda name: int(name[6:]))
    if "weights" in arrays:
        weights = arrays["weights"]
        # One head, as Headscope exports it, is a layer of one head.
        weights = weights[None, None] if weights.ndim == 2 else weights
        if weights.ndim != 4:
            raise ImportedDataError(f"“weights” has the shape {weights.shape}. Save it as [layer, head, query, key].")
        maps = [(index, f"Layer {index}", layer) for index, layer in enumerate(weights)]
    else:
        maps = [(int(name[6:]), f"Layer {int(name[6:])}", arrays[name]) for name in names]
    if not maps:
        raise ImportedDataError(
            "There are no weights in this file. Save them as “weights” [layer, head, query, key], with “tokens”."
        )
    return [(index, name, as_weights(name, layer)) for index, name, layer in maps]


def _npz_tokens(arrays: Mapping[str, np.ndarray], field: str) -> list[str] | None:
    """Return the tokens of an axis; `tokens` are those of both. The keys may be left out."""
    found = arrays.get(field, arrays.get("tokens"))
    if found is None:
        if field == "key_tokens":
            return None
        raise ImportedDataError("There are no tokens in this file. Save them as “tokens”, one string for each query.")
    if found.ndim != 1 or found.dtype.kind != "U":
        raise ImportedDataError(f"“{field}” is no list of strings. Save it with numpy.array(tokens, dtype=str).")
    return found.tolist()


def _npz_origin(arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Return the model and the stack that a file exported by Headscope names; nothing for any other file."""
    found = arrays.get("provenance")
    try:
        described = json.loads(str(found)) if found is not None and found.dtype.kind == "U" else {}
        picture = described.get("picture", {})
        named = {"model": described.get("model"), "stack": picture.get("stack")}
    except (ValueError, AttributeError, RecursionError):
        return {}
    named = {name: value for name, value in named.items() if isinstance(value, str)}
    return named if named.get("stack") in (None, *SEQUENCES) else {}
