"""Traces on disk: one safetensors file, tensors that layers share stored once, everything else as JSON metadata."""

import dataclasses
import json
import os
import threading
from os import PathLike
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from model.errors import TraceFileError
from model.layers import AttentionLayer, DenseLayer, LazyLayer
from model.tokens import Token
from model.trace import Provenance, Trace

FORMAT = "headscope-trace-1"
_KINDS = {"lazy": LazyLayer, "dense": DenseLayer}


def save_trace(trace: Trace, path: str | PathLike) -> None:
    """Write `trace` to `path`: first to a temporary name, then renamed, so that no half-written file is left.

    Raises TraceFileError where that fails; a file that was there before is then as it was.
    """
    tensors: dict[str, torch.Tensor] = {}
    names: dict[tuple, str] = {}

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
    temporary = Path(f"{os.fspath(path)}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        save_file(tensors, temporary, metadata={"headscope": json.dumps(description)})
        temporary.replace(path)
    except (SafetensorError, OSError) as error:
        raise TraceFileError(
            f"“{Path(path).name}” could not be written ({error}). Check that the folder is there and has room."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def load_trace(path: str | PathLike) -> Trace:
    """Read a trace; raises TraceFileError with one sentence where the file is missing, broken or something else."""
    if not Path(path).is_file():
        raise TraceFileError(f"There is no file “{Path(path).name}”. Choose a trace that Headscope saved.")
    try:
        with safe_open(path, framework="pt") as file:
            description = json.loads((file.metadata() or {})["headscope"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        if description["format"] != FORMAT:
            raise KeyError("format")
        return _rebuild(description, tensors)
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, OSError, RecursionError) as error:
        raise TraceFileError(
            f"“{Path(path).name}” is not a trace that this version can read. Choose a file that Headscope saved."
        ) from error


def _describe(layer: AttentionLayer, position: int, stored) -> dict:
    fields = {entry.name: getattr(layer, entry.name) for entry in dataclasses.fields(layer)}
    tensors = {
        name: stored(f"layers.{position}.{name}", value)
        for name, value in fields.items()
        if isinstance(value, torch.Tensor)
    }
    plain = {name: value for name, value in fields.items() if not isinstance(value, torch.Tensor)}
    return {"plain": plain, "tensors": tensors}


def _rebuild(description: dict, tensors: dict[str, torch.Tensor]) -> Trace:
    layers = []
    for entry in description["layers"]:
        plain = dict(entry["plain"])
        kind = _KINDS[plain.pop("source")]
        if "replaced_heads" in plain:
            # JSON knows no tuples; files written before there were interventions name no such heads.
            plain["replaced_heads"] = tuple(plain["replaced_heads"])
        layers.append(kind(**plain, **{name: tensors[key] for name, key in entry["tensors"].items()}))
    if not layers:
        raise ValueError("a trace has at least one attention layer")
    tokens = {side: tuple(_token(entry) for entry in entries) for side, entries in description["tokens"].items()}
    states = {side: tuple(_state(tensors[key]) for key in keys) for side, keys in description["states"].items()}
    return Trace(tuple(layers), tokens, states, _provenance(description["provenance"]))


def _token(entry: dict) -> Token:
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


def _provenance(entry: dict) -> Provenance:
    optional = ("text", "text_pair", "interventions")
    texts = [value for name, value in entry.items() if name not in ("versions", *optional)] + list(
        entry["versions"].values()
    )
    given = [entry.get(name) for name in optional]
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(text, str | None) for text in given):
        raise TypeError("the provenance is text")
    return Provenance(**entry)
