"""Text files to train and to measure on: plain or gzip, UTF-8, one sentence a line where they are parallel."""

import gzip
import os
import struct
import zlib
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from model.errors import HeadscopeError

LARGEST_TEXT = 2**30


def existing_path(path: str | PathLike[str]) -> Path:
    """Return the path of a file or folder that is there, with ~ as one's home; raises HeadscopeError where there is none."""
    # Of a name that no file can have, or of a home that is nobody's, a Path raises instead of saying so.
    given = os.path.expanduser(path)
    if not os.path.exists(given):
        raise HeadscopeError(f"There is no file or folder “{Path(path).name[:200]}”. Check the path.")
    return Path(given)


def read_text(path: str | PathLike[str]) -> str:
    """Return the text of a plain or gzip file, of at most a gigabyte unpacked; raises HeadscopeError where it is no UTF-8."""
    try:
        path = existing_path(path)
        if not path.is_file():
            raise FileNotFoundError(path.name)
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            # No more is read or unpacked than counts, whatever the file grows to.
            content = (gzip.GzipFile(fileobj=file) if packed else file).read(LARGEST_TEXT + 1)
        if len(content) > LARGEST_TEXT:
            raise HeadscopeError(
                f"“{path.name}” holds more than {LARGEST_TEXT / 1e9:.1f} GB of text. Split it into several files."
            )
        return content.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, MemoryError, struct.error) as error:
        raise HeadscopeError(
            f"“{Path(path).name[:200]}” cannot be read as UTF-8 text, plain or gzip. Check the path and the file."
        ) from error


def read_lines(path: str | PathLike[str]) -> list[str]:
    """Return the lines of a plain or gzip file, without the white space around them; raises HeadscopeError."""
    # Only a line feed ends a line: other separators of Unicode may stand inside a sentence, and both sides must agree.
    lines = read_text(path).split("\n")
    return [line.strip() for line in (lines[:-1] if lines[-1] == "" else lines)]


def read_parallel(source: str | PathLike[str], target: str | PathLike[str]) -> list[tuple[str, str]]:
    """Return the pairs of two files, one sentence a line, without those that are empty on a side; raises HeadscopeError."""
    sides = read_lines(source), read_lines(target)
    check_parallel(*sides)
    return [pair for pair in zip(*sides, strict=True) if all(pair)]


def check_parallel(source: Sequence[str], target: Sequence[str]) -> None:
    """Raise HeadscopeError where two lists of sentences are not the same length, or are empty."""
    if len(source) != len(target) or not source:
        raise HeadscopeError(
            f"Line i of one file translates line i of the other, but they have {len(source)} and {len(target)} lines. "
            "Give two files of the same length."
        )
