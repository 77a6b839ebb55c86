"""What a run of python -m model train says of itself."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import HeadscopeError


@dataclass(frozen=True)
class RunRecord:
    """The command of a run (files by name alone), its seed, data and versions, and how far it came.

    `steps` and `seconds` are those of all its epochs; `batch_tokens` is the most that a batch may hold.
    """

    command: str
    seed: int
    data: tuple[str, ...]
    versions: str
    batch_tokens: int
    epochs: int
    steps: int
    seconds: float


def is_run(folder: Path) -> bool:
    """Say whether a folder is a run rather than a model."""
    return (folder / "run.json").is_file()


def read_run(folder: Path) -> RunRecord:
    """Read what a run says of itself; raises HeadscopeError where it is none, or has not finished an epoch."""
    try:
        about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        log = map(_log_line, (folder / "log.jsonl").read_text(encoding="utf-8").splitlines())
        last = [line for line in log if "seconds" in line][-1]
        # Without a text, shlex would wait for one to be typed.
        words = shlex.split(str(about["command"]))
        return RunRecord(
            str(about["command"]), int(about["seed"]), tuple(map(str, about["data"])), str(about["versions"]),
            int(words[words.index("--batch-tokens") + 1]), int(last["epoch"]), int(last["step"]), float(last["seconds"]),
        )  # fmt: skip
    except (
        OSError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        RecursionError,
        OverflowError,
    ) as error:
        raise HeadscopeError(f"“{folder.name}” is no run of python -m model train, or has no epoch yet.") from error


def _log_line(line: str) -> dict[str, Any]:
    """Return what a line of the log says; nothing where a kill cut it short."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
