"""Scores kept beside a result while they are being computed, so that a run that was stopped goes on where it was."""

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import HeadscopeError
from model.file_writing import write_whole
from model.loading import LoadedModel

_FORMAT = "headscope partial scores 2"
_VALUES_READ = 256


@dataclass(frozen=True, eq=False)
class KeptScores:
    """The scores float32 [layer, head, candidate] of one example, its layers, and the seconds it took."""

    layers: tuple[int, ...]
    scores: np.ndarray
    seconds: float


class PartialScores:
    """One line of JSON per example, written at once; a last line that a kill cut short is dropped when it is read.

    The file is named after `result` and the fingerprint of what is computed, so that scores of another model, other data or
    other options are never taken for these. A context manager: leaving it closes the file. Raises HeadscopeError where
    the folder cannot be written to.
    """

    def __init__(self, result: Path, fingerprint: str, *, restart: bool = False):
        self.path = partial_path(result, fingerprint)
        self._head = {"format": _FORMAT, "fingerprint": fingerprint}
        self.kept: dict[int, KeptScores] = {} if restart else self._read()
        self._file: BufferedWriter | None = None

    def __enter__(self) -> "PartialScores":
        try:
            # Rewritten whole: what is appended must not join a line that was cut short.
            write_whole(self.path, b"".join(map(_line, [self._head, *map(_plain, self.kept.items())])))
            self._file = self.path.open("ab")
        except OSError as error:
            raise HeadscopeError(
                f"“{self.path.parent}” cannot be written to ({error.strerror}). Name a file in a folder that is there and yours."
            ) from error
        return self

    def __exit__(self, *_: Any) -> None:
        if self._file is not None:
            self._file.close()

    def keep(self, example: int, scores: KeptScores) -> None:
        """Keep the scores of an example; they are on disk when this returns."""
        if self._file is None:
            raise ValueError("scores are kept inside a with block")
        self._file.write(_line(_plain((example, scores))))
        self._file.flush()
        self.kept[example] = scores

    def remove(self) -> None:
        """Remove the file: the result is written."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> dict[int, KeptScores]:
        if not self.path.is_file():
            return {}
        try:
            head, *lines = self.path.read_bytes().split(b"\n")
            # What follows the last line end is empty, or was cut short.
            return dict(map(_entry, lines[:-1])) if json.loads(head) == self._head else {}
        except (ValueError, KeyError, TypeError, AttributeError, OSError, OverflowError, RecursionError, MemoryError):
            # A file that something else has written to holds nothing that is worth an error.
            return {}


def partial_path(result: Path, fingerprint: str) -> Path:
    """Return where a run that ends in the file `result` keeps what it has so far."""
    return result.with_name(f"{result.name}.{fingerprint[:12]}.partial")


def run_fingerprint(loaded: LoadedModel, described: Iterable[object]) -> str:
    """Return a SHA-256 over the model's name, revision, type and weights, and the text form of what else decides the scores.

    Of the weights the shape and some values of each are read: a folder that was trained further is another model.
    """
    digest = hashlib.sha256(_FORMAT.encode())
    for part in (loaded.name, loaded.revision, str(loaded.dtype), *map(repr, described)):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    for name, weight in loaded.model.named_parameters():
        digest.update(f"{name} {tuple(weight.shape)}".encode())
        if not weight.is_meta:
            flat = weight.detach().reshape(-1)
            step = max(1, flat.numel() // _VALUES_READ)
            digest.update(flat[::step][:_VALUES_READ].float().cpu().numpy().tobytes())
    return digest.hexdigest()


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def _plain(entry: tuple[int, KeptScores]) -> dict[str, Any]:
    example, kept = entry
    values = np.ascontiguousarray(kept.scores, dtype="<f4")
    return {
        "example": example,
        "layers": kept.layers,
        "shape": values.shape,
        "seconds": round(kept.seconds, 6),
        "scores": base64.b64encode(values.tobytes()).decode(),
        "sum": zlib.crc32(values.tobytes()),
    }


def _entry(line: bytes) -> tuple[int, KeptScores]:
    entry = json.loads(line)
    content = base64.b64decode(entry["scores"])
    if zlib.crc32(content) != entry["sum"]:
        raise ValueError("the scores are others than were written")
    scores = np.frombuffer(content, dtype="<f4").reshape(entry["shape"])
    return int(entry["example"]), KeptScores(tuple(entry["layers"]), scores.copy(), float(entry["seconds"]))
