"""Files that are written whole or not at all: under a temporary name in the same folder, flushed to disk, then renamed."""

import hashlib
import os
import platform
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_PREFIX = ".headscope-"
_SUFFIX = ".part"
_ONE_DAY = 24 * 3600


def write_whole(path: Path, content: bytes) -> None:
    """Write a file; whoever reads it sees the one of before or this one, also after a kill. Raises OSError."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, which becomes `path` when the block ends well and is removed when it does not.

    What earlier writers of this file left when they were killed is removed first. Raises OSError.
    """
    # A link stays one: what it points to is replaced.
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file() and not path.is_dir():
        # A pipe or a device, such as /dev/stdout, is written to as it stands.
        yield path
        return
    remove_leftovers(path)
    temporary = _temporary(path)
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path, last: str) -> Iterator[Path]:
    """Yield a temporary folder to fill, whose files move into `folder` when the block ends well; others there stay.

    `last` is the file without which the folder counts for nothing (config.json of a model): an old one goes before the
    first file is moved, the new one comes after all others, so that no mixture of old and new is ever taken for whole.
    Raises OSError.
    """
    folder = Path(os.path.realpath(folder))
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    temporary = _temporary(folder)
    # A process of the same number may have left one, where numbers begin anew (in a container).
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        yield temporary
        files = sorted(temporary.iterdir(), key=lambda path: path.name == last)
        for file in files:
            _flush(file)
        folder.mkdir(exist_ok=True)
        (folder / last).unlink(missing_ok=True)
        for file in files:
            file.replace(folder / file.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def append_line(path: Path, line: str) -> None:
    """Add a line to a text file and flush it; a line that a kill cut short before it is ended first. Raises OSError."""
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            cut = file.read(1) != b"\n"
        else:
            cut = False
        file.write((b"\n" if cut else b"") + line.encode("utf-8") + b"\n")


def remove_leftovers(path: Path) -> None:
    """Remove the temporaries of `path` whose writer is gone: a process of this machine that ended, or any after a day."""
    for found in path.parent.glob(f"{_PREFIX}{_digest(path.name)}-*{_SUFFIX}"):
        with suppress(OSError):
            if _is_left(found):
                shutil.rmtree(found) if found.is_dir() and not found.is_symlink() else found.unlink()


def _is_left(temporary: Path) -> bool:
    machine, process, _ = f"{temporary.name.removesuffix(_SUFFIX)}---".removeprefix(_PREFIX).split("-")[1:4]
    ended = machine == _machine() and process.isdigit() and not psutil.pid_exists(int(process))
    return ended or time.time() - temporary.lstat().st_mtime > _ONE_DAY


def _temporary(path: Path) -> Path:
    # Digests, since the name itself may leave no room for more, and hidden, so that no pattern for results finds it.
    writer = f"{_digest(path.name)}-{_machine()}-{os.getpid()}-{threading.get_ident()}"
    return path.with_name(f"{_PREFIX}{writer}{_SUFFIX}")


def _machine() -> str:
    return _digest(platform.node())


def _digest(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:12]


def _flush(path: Path) -> None:
    """Wait until a file is on disk: a rename may otherwise be there before what it names, if the power fails."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
