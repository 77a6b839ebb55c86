"""What a study has added up so far, kept beside its result so that a run that was stopped goes on where it was."""

import hashlib
import json
from pathlib import Path

from model.bounded_json import parse_json
from model.errors import HeadscopeError
from model.file_writing import write_whole
from model.partial_scores import partial_path
from model.study.moments import StudyMoments, moments_from_bytes

_FORMAT = "headscope partial study 2"


class Checkpoint:
    """The moments of the first `chunks` chunks of a corpus and the seconds they took, in a file written whole or not at all.

    Chunks are added in their order, so that sums are the same to the last bit wherever a run was stopped. The file is named
    after `result` and the fingerprint of model, data and options; another run's is never taken for it. Without a `result`
    nothing is written. Raises HeadscopeError where the folder cannot be written to.
    """

    def __init__(self, result: Path | None, fingerprint: str, *, restart: bool = False):
        self.path = None if result is None else partial_path(result, fingerprint)
        self._fingerprint = fingerprint
        self.chunks, self.seconds, self.moments = 0, 0.0, StudyMoments()
        if not restart and self.path is not None and self.path.is_file():
            self._read()
        self._write()

    def add(self, chunk: int, moments: StudyMoments, seconds: float) -> None:
        """Add the next chunk; it is on disk when this returns. Raises ValueError for any other chunk than the next."""
        if chunk != self.chunks:
            raise ValueError(f"Chunk {chunk} was given where chunk {self.chunks} is the next.")
        self.moments, self.chunks, self.seconds = self.moments + moments, chunk + 1, self.seconds + seconds
        self._write()

    def remove(self) -> None:
        """Remove the file: the result is written."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        if self.path is None:
            return
        content = self.moments.to_bytes()
        head = {
            "format": _FORMAT,
            "digest": hashlib.sha256(content).hexdigest(),
            "fingerprint": self._fingerprint,
            "chunks": self.chunks,
            "seconds": self.seconds,
        }
        try:
            write_whole(self.path, json.dumps(head).encode() + b"\n" + content)
        except OSError as error:
            raise HeadscopeError(
                f"“{self.path.parent}” cannot be written to ({error.strerror}). Name a file in a folder that is there and yours."
            ) from error

    def _read(self) -> None:
        if self.path is None:
            return
        try:
            head, _, content = self.path.read_bytes().partition(b"\n")
            plain = parse_json(head)
            whole = hashlib.sha256(content).hexdigest()
            if (plain["format"], plain["fingerprint"], plain["digest"]) == (_FORMAT, self._fingerprint, whole):
                moments = moments_from_bytes(content)
                self.chunks, self.seconds, self.moments = int(plain["chunks"]), float(plain["seconds"]), moments
        except (ValueError, KeyError, TypeError, AttributeError, OSError, OverflowError, RecursionError, MemoryError):
            # A file that something else has written to holds nothing that is worth an error.
            return
