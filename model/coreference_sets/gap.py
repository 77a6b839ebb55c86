"""GAP (Webster et al. 2018): a paragraph of Wikipedia, an ambiguous pronoun and two names with character offsets."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from model.coreference_sets.example import (
    GENDER_OF,
    BrokenRow,
    Collected,
    CoreferenceExample,
    CoreferenceSet,
    LeftOut,
    Span,
)
from model.coreference_sets.files import named_columns, read_table
from model.errors import HeadscopeError

_COLUMNS = (
    "ID", "Text", "Pronoun", "Pronoun-offset", "A", "A-offset", "A-coref", "B", "B-offset", "B-coref", "URL",
)  # fmt: skip
_TRUTH = {"TRUE": True, "FALSE": False}


def read_gap(paths: Sequence[Path]) -> CoreferenceSet:
    """Read GAP files; rows in which neither name is right are left out. A cluster is a page of Wikipedia.

    Raises HeadscopeError where a file lacks one of GAP's columns.
    """
    collected = Collected("gap")
    for path in paths:
        header, rows = read_table(path)
        missing = [column for column in _COLUMNS if column not in header]
        if missing:
            raise HeadscopeError(f"“{path.name}” has no column {', '.join(missing)}. Check that it is a GAP file.")
        for number, row in rows:
            collected.add(f"{path.name} line {number}", _example, named_columns(row, header))
    return collected.finished()


def _example(row: Mapping[str, str]) -> CoreferenceExample:
    spans = tuple(_span(row, name) for name in ("Pronoun", "A", "B"))
    right = [_TRUTH.get(row.get(f"{name}-coref", "").upper()) for name in ("A", "B")]
    gender = GENDER_OF.get(row["Pronoun"].lower())
    if None in right or gender is None or len(set(spans)) < 3 or not row.get("URL"):
        raise BrokenRow
    if right.count(True) != 1:
        raise LeftOut("neither name is right" if not any(right) else "both names are right")
    return CoreferenceExample(
        row["ID"], row["Text"], spans[0], spans[1:], right.index(True), row["URL"], {"gender": gender}
    )


def _span(row: Mapping[str, str], name: str) -> Span:
    words, offset = row.get(name, ""), row.get(f"{name}-offset", "")
    start = int(offset) if offset.isascii() and offset.isdigit() else -1
    if not words or start < 0 or row.get("Text", "")[start : start + len(words)] != words:
        raise BrokenRow
    return start, start + len(words)
