"""Files of results as JSON that reads back checked, and the writing of any file of results."""

import json
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TypeVar

from model.bounded_json import parse_json
from model.errors import HeadscopeError
from model.file_writing import write_whole
from model.plain_records import from_plain, to_plain

Kind = TypeVar("Kind")


def write_file(path: str | PathLike[str], content: bytes) -> None:
    """Write a whole file at once; raises HeadscopeError where it cannot be written."""
    path = Path(path)
    try:
        write_whole(path, content)
    except OSError as error:
        raise HeadscopeError(
            f"“{path.name}” could not be written ({error.strerror}). Check that the folder is there and has room."
        ) from error


def write_record(path: str | PathLike[str], record: object, *, layout: str, first_field: str) -> None:
    """Write a dataclass as JSON under the name of its `layout`, one line for each entry that begins with `first_field`.

    Raises HeadscopeError where the file cannot be written.
    """
    plain = {"format": layout, **dict(to_plain(record))}
    text = json.dumps(plain, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    # A quotation mark inside a string is escaped, so this stands between two entries alone.
    begins = f'{{"{first_field}":'
    write_file(path, text.replace(f"}},{begins}", f"}},\n{begins}").encode() + b"\n")


def read_record(
    path: str | PathLike[str],
    kind: type[Kind],
    check: Callable[[Kind], Kind],
    *,
    layout: str,
    largest: int,
    called: str,
    command: str,
) -> Kind:
    """Read a file of `write_record` of at most `largest` bytes as the dataclass `kind`, and return what `check` makes of it.

    Raises HeadscopeError where the file is missing, broken or another, or `check` raises ValueError; it says what such a file is
    `called` and by which `command` it is made again.
    """
    path = Path(path)
    try:
        if path.stat().st_size > largest:
            raise ValueError("it is larger than such a file is")
        plain = parse_json(path.read_bytes())
        if not isinstance(plain, dict) or plain.pop("format", None) != layout:
            raise ValueError(f"its format is not “{layout}”")
        return check(from_plain(kind, plain))
    except FileNotFoundError as error:
        raise HeadscopeError(f"There is no file “{path.name}”. Choose a file of {called}.") from error
    except (OSError, ValueError, TypeError, OverflowError, MemoryError) as error:
        reason = str(error).split("\n")[0][:200]
        raise HeadscopeError(
            f"“{path.name}” holds no {called} that this version can read: {reason}. Make it again with {command}."
        ) from error
