"""Everything that training needs to go on as if it had never stopped, in one safetensors file; nothing is pickled."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from model.bounded_json import parse_json
from model.errors import HeadscopeError
from model.file_writing import whole_file
from model.plain_records import from_plain

_FORMAT = "headscope training 1"


@dataclass
class Progressed:
    """How far training is: the epoch under way, its batches that are done, and all steps so far."""

    epoch: int = 0
    batches: int = 0
    step: int = 0
    seconds: float = 0.0


def save_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, progressed: Progressed) -> None:
    """Write weights, optimizer, random states and progress; a reader sees the old file or the new one, never a part."""
    tensors: dict[str, Tensor] = {f"weight.{name}": weight for name, weight in _weights(model).items()}
    names = {id(weight): name for name, weight in _weights(model).items()}
    for weight, moments in optimizer.state.items():
        for kind, value in moments.items():
            tensors[f"{kind}.{names[id(weight)]}"] = torch.as_tensor(value)
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    metadata = {"format": _FORMAT, "progressed": json.dumps(vars(progressed))}
    with whole_file(path) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary, metadata)


def load_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progressed:
    """Put weights, optimizer and random states back and return the progress; raises HeadscopeError where they do not fit."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if metadata.get("format") != _FORMAT:
            raise ValueError("another format")
        progressed = from_plain(Progressed, parse_json(metadata["progressed"]))
        stored = _by_weight(tensors)
        _check(model, stored, tensors["random.cpu"])
        _restore(model, optimizer, stored, tensors)
        return progressed
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError) as error:
        raise HeadscopeError(
            f"“{path.name}” does not continue this training. Use the same command and sizes, or another folder."
        ) from error


def _check(model: nn.Module, stored: Mapping[str, Mapping[str, Tensor]], random_state: Tensor) -> None:
    """Raise ValueError or KeyError before anything is changed where a tensor is not that of this model."""
    for name, weight in _weights(model).items():
        if stored[name]["weight"].dtype != weight.dtype:
            raise ValueError("another type")
        for kind, tensor in stored[name].items():
            # A number of steps is one number; everything else is one for each of the weight's.
            if tensor.shape != (() if kind == "step" else weight.shape) or not tensor.is_floating_point():
                raise ValueError("another shape")
    if len({frozenset(stored[name]) for name in _weights(model)}) > 1:
        raise ValueError("some weights have less than others")
    if random_state.shape != torch.get_rng_state().shape:
        raise ValueError("no random state")


def _restore(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    stored: Mapping[str, Mapping[str, Tensor]],
    tensors: Mapping[str, Tensor],
) -> None:
    with torch.no_grad():
        for name, weight in _weights(model).items():
            weight.copy_(stored[name]["weight"])
            optimizer.state[weight] = {
                kind: moment.to(weight.device) for kind, moment in stored[name].items() if kind != "weight"
            }
    torch.set_rng_state(tensors["random.cpu"])
    if torch.cuda.is_available() and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"])


def _by_weight(tensors: Mapping[str, Tensor]) -> Mapping[str, Mapping[str, Tensor]]:
    """Return what is stored of every weight, by kind: the weight itself, and what the optimizer keeps of it."""
    found: dict[str, dict[str, Tensor]] = {}
    for entry, tensor in tensors.items():
        kind, _, name = entry.partition(".")
        found.setdefault(name, {})[kind] = tensor
    return found


def _weights(model: nn.Module) -> dict[str, nn.Parameter]:
    return dict(model.named_parameters())
