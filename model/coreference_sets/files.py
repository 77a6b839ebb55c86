"""The files of a set: from a folder or a list of paths to rows of text."""

import csv
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from model.corpora import existing_path, read_text
from model.errors import HeadscopeError

# Longer than any field of the published sets; a file of something else should not fill the memory.
_LONGEST_FIELD = 1_000_000


def data_files(paths: str | PathLike[str] | Sequence[str | PathLike[str]], pattern: str) -> tuple[Path, ...]:
    """Return the files named, and of each folder those that match `pattern`, in order of their names.

    Raises HeadscopeError where a path is missing or a folder holds no such file.
    """
    given = [paths] if isinstance(paths, str | PathLike) else list(paths)
    if not given:
        raise HeadscopeError("No data was named. Give the folder of the set, or its files.")
    found: list[Path] = []
    for path in map(existing_path, given):
        inside = sorted(entry for entry in path.glob(pattern) if entry.is_file()) if path.is_dir() else [path]
        if not inside:
            raise HeadscopeError(
                f"The folder “{path}” holds no {pattern} file. Name the folder or the files of the set."
            )
        found += [entry for entry in inside if entry not in found]
    return tuple(found)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a UTF-8 file; raises HeadscopeError where it is no text."""
    return read_text(path).split("\n")


def read_table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header of a tab-separated file and its rows with their line numbers; quotes are characters like others."""
    csv.field_size_limit(max(_LONGEST_FIELD, csv.field_size_limit()))
    lines = [line.rstrip("\r") for line in read_lines(path)]
    try:
        rows = list(
            csv.reader((line.replace("\0", "\ufffd") for line in lines), delimiter="\t", quoting=csv.QUOTE_NONE)
        )
    except csv.Error as error:
        raise HeadscopeError(f"“{path.name}” is not a table of tab-separated columns ({error}).") from error
    header = rows[0] if rows else []
    return header, [(number, row) for number, row in enumerate(rows[1:], start=2) if row]


def named_columns(row: Sequence[str], header: Sequence[str]) -> dict[str, str]:
    """Return a row as column name -> text, as far as it goes."""
    return dict(zip(header, row, strict=False))
