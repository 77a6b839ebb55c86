"""One training loop for every task: steps, a log of JSON lines, checkpoints, and going on where it was interrupted."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from safetensors.torch import save_model
from torch import nn

from model.errors import HeadscopeError
from model.file_writing import append_line, whole_file
from model.training.checkpoint import Progressed, load_checkpoint, save_checkpoint

PRECISIONS = ("float32", "bfloat16")
Progress = Callable[[float, str], None]


@runtime_checkable
class Task(Protocol):
    """What is learned: batches that follow from the epoch alone, their loss, and how good the model is by now."""

    def batches(self, epoch: int) -> list[Any]:
        """Return what `loss` takes, one entry a step; the same for the same epoch."""

    def loss(self, model: Any, batch: Any) -> tuple[torch.Tensor, int]:
        """Return the mean loss over the tokens of a batch, and how many they are."""

    def measure(self, model: Any, epoch: int) -> dict[str, float]:
        """Return figures of the model after an epoch, by name."""


@dataclass(frozen=True)
class Recipe:
    """How long and in what way to train; raises HeadscopeError where a value makes no sense.

    `rate` is the learning rate of a step, from 1; `checkpoint_steps` (0: at every epoch's end) and `keep` say how often the
    whole state is written and how many epochs' weights stay on disk; `clip` is the largest gradient norm (0: any).
    """

    epochs: int
    rate: Callable[[int], float]
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float | int = 0.0
    clip: float | int = 0.0
    precision: str = "float32"
    seed: int = 0
    checkpoint_steps: int = 0
    keep: int = 10
    log_steps: int = 50

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise HeadscopeError(f"The precision is {' or '.join(PRECISIONS)}, not “{self.precision}”.")
        if self.epochs < 1 or self.keep < 1 or self.checkpoint_steps < 0 or self.log_steps < 1:
            raise HeadscopeError("Give epochs, keep and log_steps from 1, and checkpoint_steps from 0.")


def train(model: nn.Module, task: Task, recipe: Recipe, folder: Path, progress: Progress | None = None) -> nn.Module:
    """Train the model in place and return it; goes on from the checkpoint in `folder` where there is one.

    Adam (Kingma & Ba 2015), with the decoupled decay of Loshchilov & Hutter 2019 where there is any. `folder` gets
    checkpoint.safetensors, the weights of the last epochs and log.jsonl. Interrupted and resumed training gives, on one
    machine, the weights of uninterrupted training, bit for bit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=recipe.rate(1),
        betas=recipe.betas,
        eps=1e-9,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    checkpoint = folder / "checkpoint.safetensors"
    torch.manual_seed(recipe.seed)
    progressed = load_checkpoint(checkpoint, model, optimizer) if checkpoint.exists() else Progressed()
    while progressed.epoch < recipe.epochs:
        for _ in _epoch(model, task, recipe, optimizer, progressed, folder, progress):
            save_checkpoint(checkpoint, model, optimizer, progressed)
        progressed.epoch, progressed.batches = progressed.epoch + 1, 0
        _keep_weights(model, recipe, folder, progressed.epoch)
        save_checkpoint(checkpoint, model, optimizer, progressed)
        figures = _measured(model, task, progressed.epoch)
        _log(folder, {"epoch": progressed.epoch, "step": progressed.step, "seconds": progressed.seconds, **figures})
    return model.eval()


def _epoch(
    model: nn.Module,
    task: Task,
    recipe: Recipe,
    optimizer: torch.optim.Optimizer,
    progressed: Progressed,
    folder: Path,
    progress: Progress | None,
) -> Iterator[None]:
    """Do the rest of an epoch; yields where a checkpoint is due."""
    model.train()
    batches = task.batches(progressed.epoch)
    losses, counts, began = [], [], time.perf_counter()
    for number in range(progressed.batches, len(batches)):
        loss, count = _step(model, task, recipe, optimizer, batches[number], progressed.step + 1)
        progressed.step, progressed.batches = progressed.step + 1, number + 1
        losses.append(loss)
        counts.append(count)
        if progressed.step % recipe.log_steps == 0 or progressed.batches == len(batches):
            seconds, began = time.perf_counter() - began, time.perf_counter()
            progressed.seconds += seconds
            line = _line(progressed, torch.stack(losses), counts, seconds, recipe)
            _log(folder, line)
            losses, counts = [], []
            if progress is not None:
                share = (progressed.epoch + progressed.batches / len(batches)) / recipe.epochs
                progress(share, f"Epoch {progressed.epoch + 1}, loss {line['loss']:.3f}")
        if recipe.checkpoint_steps and progressed.step % recipe.checkpoint_steps == 0:
            yield


def _step(
    model: nn.Module, task: Task, recipe: Recipe, optimizer: torch.optim.Optimizer, batch: Any, step: int
) -> tuple[torch.Tensor, int]:
    for group in optimizer.param_groups:
        group["lr"] = recipe.rate(step)
    with precise(model, recipe.precision):
        loss, count = task.loss(model, batch)
    loss.backward()
    if recipe.clip:
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.detach(), count


def precise(model: nn.Module, precision: str) -> AbstractContextManager[Any]:
    """Return the context in which a forward runs in this precision (Micikevicius et al. 2018); weights stay float32."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(next(model.parameters()).device.type, dtype=torch.bfloat16)


def _line(
    progressed: Progressed, losses: torch.Tensor, counts: list[int], seconds: float, recipe: Recipe
) -> dict[str, Any]:
    weights = torch.tensor(counts, dtype=losses.dtype, device=losses.device)
    return {
        "epoch": progressed.epoch,
        "step": progressed.step,
        "loss": round(float((losses * weights).sum() / weights.sum()), 5),
        "rate": recipe.rate(progressed.step),
        "tokens_per_second": round(sum(counts) / seconds),
    }


@torch.no_grad()
def _measured(model: nn.Module, task: Task, epoch: int) -> dict[str, float]:
    """Return the task's figures; the random numbers of training go on as if nothing had been measured."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        model.eval()
        return task.measure(model, epoch)


def _keep_weights(model: nn.Module, recipe: Recipe, folder: Path, epoch: int) -> None:
    with whole_file(folder / f"epoch-{epoch:04}.safetensors") as temporary:
        save_model(model, str(temporary))
    for old in sorted(folder.glob("epoch-*.safetensors"))[: -recipe.keep]:
        old.unlink()


def _log(folder: Path, line: dict[str, Any]) -> None:
    append_line(folder / "log.jsonl", json.dumps(line))
