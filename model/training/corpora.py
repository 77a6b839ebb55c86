"""Text files to train and to measure on: plain or gzip, UTF-8, one sentence a line where they are parallel."""

import gzip
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from model.errors import HeadscopeError


def read_text(path: str | PathLike) -> str:
    """Return the text of a plain or gzip file; raises HeadscopeError where it cannot be read as UTF-8."""
    try:
        content = Path(path).expanduser().read_bytes()
        content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        return content.decode("utf-8-sig")
    except (OSError, EOFError, gzip.zlib.error, UnicodeDecodeError) as error:
        raise HeadscopeError(
            f"“{Path(path).name}” cannot be read as UTF-8 text, plain or gzip. Check the path and the file."
        ) from error


def read_lines(path: str | PathLike) -> list[str]:
    """Return the lines of a plain or gzip file, without the white space around them; raises HeadscopeError."""
    # Only a line feed ends a line: other separators of Unicode may stand inside a sentence, and both sides must agree.
    lines = read_text(path).split("\n")
    return [line.strip() for line in (lines[:-1] if lines[-1] == "" else lines)]


def read_parallel(source: str | PathLike, target: str | PathLike) -> list[tuple[str, str]]:
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
