"""Traces on disk: one safetensors file, tensors that layers share stored once, everything else as JSON metadata."""

import dataclasses
import json
import os
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from model.bounded_json import parse_json
from model.errors import TraceFileError, is_out_of_memory, is_panic
from model.file_writing import whole_file
from model.layers import SEQUENCES, AttentionLayer, DenseLayer, LazyLayer
from model.tokens import Token
from model.trace import Provenance, Trace

FORMAT = "headscope-trace-1"
_KINDS = {"lazy": LazyLayer, "dense": DenseLayer}
_SIDES = {side for sides in SEQUENCES.values() for side in sides}
# Names, numbers and texts of some hundred thousand tokens on both sides.
_MOST_VALUES = 10_000_000
# Eight-bit numbers cannot be computed with, and nothing is captured in them.
_NUMBERS = (torch.bool, torch.float16, torch.bfloat16, torch.float32, torch.float64)
_UNREADABLE = (
    SafetensorError, KeyError, TypeError, ValueError, AttributeError, OSError, RecursionError, OverflowError, MemoryError,
    RuntimeError,
)  # fmt: skip


def save_trace(trace: Trace, path: str | PathLike[str]) -> None:
    """Write `trace` to `path`: first to a temporary name, then renamed, so that no half-written file is left.

    Raises TraceFileError where that fails; a file that was there before is then as it was.
    """
    tensors: dict[str, torch.Tensor] = {}
    names: dict[tuple[Any, ...], str] = {}

    def stored(name: str, tensor: torch.Tensor) -> str:
        # Layers that share a mask or a bias may each hold a view of their own of the same memory.
        key = (tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if key not in names:
            names[key] = name
            tensors[name] = tensor.detach().cpu().contiguous().clone()
        return names[key]

    description = {
        "format": FORMAT,
        "provenance": dataclasses.asdict(trace.provenance),
        "tokens": {side: [dataclasses.asdict(token) for token in tokens] for side, tokens in trace.tokens.items()},
        "layers": [_describe(layer, index, stored) for index, layer in enumerate(trace.layers)],
        "states": {
            side: [stored(f"states.{side}.{index}", state) for index, state in enumerate(states)]
            for side, states in trace.states.items()
        },
    }
    try:
        with whole_file(Path(path)) as temporary:
            save_file(tensors, temporary, metadata={"headscope": json.dumps(description)})
    except (SafetensorError, OSError) as error:
        raise TraceFileError(
            f"“{Path(path).name}” could not be written ({error}). Check that the folder is there and has room."
        ) from error


def load_trace(path: str | PathLike[str]) -> Trace:
    """Read a trace; raises TraceFileError with one sentence where the file is missing, broken or something else."""
    # Of a name that no file can have, a path raises instead.
    if not os.path.isfile(path):
        raise TraceFileError(f"There is no file “{Path(path).name}”. Choose a trace that Headscope saved.")
    try:
        with safe_open(path, framework="pt") as file:
            description = parse_json((file.metadata() or {})["headscope"], _MOST_VALUES)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        if description["format"] != FORMAT:
            raise KeyError("format")
        if not all(tensor.dtype in _NUMBERS for tensor in tensors.values()):
            raise TypeError("the tensors of a trace are weights or masks")
        return _rebuild(description, tensors)
    except BaseException as error:
        if not (isinstance(error, _UNREADABLE) or is_panic(error)):
            raise
        if is_out_of_memory(error):
            raise TraceFileError(
                f"There is not enough memory to read “{Path(path).name}”. Free memory, or open a smaller file."
            ) from error
        raise TraceFileError(
            f"“{Path(path).name}” is not a trace that this version can read. Choose a file that Headscope saved."
        ) from error


def _describe(layer: AttentionLayer, position: int, stored: Any) -> dict[str, Any]:
    fields = {entry.name: getattr(layer, entry.name) for entry in dataclasses.fields(layer)}
    tensors = {
        name: stored(f"layers.{position}.{name}", value)
        for name, value in fields.items()
        if isinstance(value, torch.Tensor)
    }
    plain = {name: value for name, value in fields.items() if not isinstance(value, torch.Tensor)}
    return {"plain": plain, "tensors": tensors}


def _rebuild(description: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Trace:
    layers = []
    for entry in description["layers"]:
        plain = dict(entry["plain"])
        kind = _KINDS[plain.pop("source")]
        if "replaced_heads" in plain:
            # JSON knows no tuples; files written before there were interventions name no such heads.
            plain["replaced_heads"] = tuple(plain["replaced_heads"])
        layers.append(kind(**plain, **{name: tensors[key] for name, key in entry["tensors"].items()}))
    if not layers or len({(layer.stack, layer.index) for layer in layers}) < len(layers):
        raise ValueError("a trace has at least one attention layer, and no two with one number")
    if not {*description["tokens"], *description["states"]} <= _SIDES:
        raise ValueError("tokens and states are of the encoder or of the decoder")
    tokens = {side: tuple(_token(entry) for entry in entries) for side, entries in description["tokens"].items()}
    states = {side: tuple(_state(tensors[key]) for key in keys) for side, keys in description["states"].items()}
    return Trace(tuple(layers), tokens, states, _provenance(description["provenance"]))


def _token(entry: dict[str, Any]) -> Token:
    span = None if entry["span"] is None else tuple(entry["span"])
    # Files written before there were pairs of texts name no segment.
    numbers = [entry["id"], entry["word"], entry.get("segment"), *(span or ())]
    if not (isinstance(entry["text"], str) and isinstance(entry["piece"], str) and isinstance(entry["special"], bool)):
        raise TypeError("the text and piece of a token are strings, and it is special or not")
    if not all(number is None or isinstance(number, int) for number in numbers) or len(span or (0, 0)) != 2:
        raise TypeError("the id, word, segment and span of a token are whole numbers")
    return Token(**{**entry, "span": span})


def _state(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.ndim != 2 or not tensor.is_floating_point():
        raise ValueError("hidden states have two dimensions")
    return tensor


def _provenance(entry: dict[str, Any]) -> Provenance:
    optional = ("text", "text_pair", "interventions")
    texts = [value for name, value in entry.items() if name not in ("versions", *optional)] + list(
        entry["versions"].values()
    )
    given = [entry.get(name) for name in optional]
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(text, str | None) for text in given):
        raise TypeError("the provenance is text")
    return Provenance(**entry)
