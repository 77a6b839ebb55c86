"""Sentences with annotated dependencies, read from CoNLL-U (Universal Dependencies; de Marneffe et al. 2021)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from conllu.exceptions import ParseException
from conllu.parser import DEFAULT_FIELD_PARSERS, DEFAULT_FIELDS, parse_comment_line, parse_line

from model.corpora import read_text
from model.errors import HeadscopeError

Span = tuple[int, int]
_PARSERS = {name: DEFAULT_FIELD_PARSERS[name] for name in ("id", "head", "misc")}
_RELATION = re.compile(r"\S{1,64}")


class _Broken(ValueError):
    """A line that does not keep to the format: its number, and what is wrong with it."""

    def __init__(self, number: int, reason: str):
        super().__init__(f"line {number}: {reason}")


@dataclass(frozen=True)
class ParsedWord:
    """One syntactic word: `span` is its half-open character range in the text, `head` the index of the word it depends on.

    `head` counts from 0 and is None at the root; it is None and `relation` is "" where nothing is annotated.
    """

    form: str
    span: Span
    head: int | None
    relation: str


@dataclass(frozen=True)
class ParsedSentence:
    """A sentence, its words in order, and the name that its file gives it ("" where it gives none)."""

    text: str
    words: tuple[ParsedWord, ...]
    identifier: str = ""


@dataclass(frozen=True)
class _Unit:
    """What stands in the text as one piece: a word, or a multiword token with the words (from, up to) it is made of."""

    form: str
    words: tuple[int, int]
    space_after: bool


def read_conllu(path: str | PathLike[str]) -> tuple[ParsedSentence, ...]:
    """Return the sentences of a CoNLL-U file, plain or gzip; raises HeadscopeError with the line that is broken."""
    return parse_conllu(read_text(path), name=Path(path).name)


def parse_conllu(text: str, name: str = "The text") -> tuple[ParsedSentence, ...]:
    """Return the sentences of a text in CoNLL-U; `name` is what an error calls it.

    The text of a sentence is its comment `# text`, or its forms joined by spaces (SpaceAfter=No: by none) where that is
    missing or does not hold the forms in order. A multiword token (1-2, “don't”) is its words, each with its part of the
    range where their forms make it up, else each with the whole range (“du” for “de” and “le”). Empty nodes (8.1) stand for
    nothing in the text and are left out.

    Raises HeadscopeError, with the number of the line, for what is no CoNLL-U.
    """
    try:
        sentences = tuple(_sentence(lines) for lines in _blocks(text))
    except _Broken as broken:
        raise HeadscopeError(
            f"“{name}”, {broken}. A line of CoNLL-U has ten columns between tabs, and a sentence ends with an empty line."
        ) from broken
    if not sentences:
        raise HeadscopeError(f"“{name}” holds no sentence in CoNLL-U. Give a file of Universal Dependencies.")
    return sentences


def _blocks(text: str) -> Iterator[list[tuple[int, str]]]:
    """Yield the numbered lines of every sentence; comments alone are no sentence."""
    block: list[tuple[int, str]] = []
    # Only a line feed ends a line: other separators of Unicode may stand inside a form.
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        line = line.rstrip("\r")
        if line.strip():
            block.append((number, line))
            continue
        if any(not line.startswith("#") for _, line in block):
            yield block
        block = []


def _sentence(lines: Sequence[tuple[int, str]]) -> ParsedSentence:
    comments = {
        key: value for _, line in lines if line.startswith("#") for key, value in parse_comment_line(line) if value
    }
    rows = [(number, _row(number, line)) for number, line in lines if not line.startswith("#")]
    words = [(number, row) for number, row in rows if isinstance(row["id"], int)]
    for place, (number, row) in enumerate(words):
        _check(row["id"] == place + 1, number, f"word {place + 1} is expected here")
    units = _units(rows, len(words))
    text, spans = _written(comments.get("text", ""), units)
    places = [place for unit, span in zip(units, spans, strict=True) for place in _parts(unit, span, words)]
    parsed = [_word(number, row, place, len(words)) for (number, row), place in zip(words, places, strict=True)]
    return ParsedSentence(text, tuple(parsed), comments.get("sent_id", ""))


def _row(number: int, line: str) -> dict[str, Any]:
    _check(line.count("\t") == 9, number, f"it has {line.count(chr(9)) + 1} columns, not ten")
    try:
        # The parser takes two spaces for a tab.
        row = parse_line(re.sub(" {2,}", " ", line), DEFAULT_FIELDS, dict(_PARSERS))
    except (ParseException, ValueError) as error:
        raise _Broken(number, "its number, its head or its last column cannot be read") from error
    _check(row["id"] is not None, number, "it has no number")
    _check(bool(row["form"].strip()), number, "it has no form")
    return row


def _units(rows: Sequence[tuple[int, dict[str, Any]]], count: int) -> list[_Unit]:
    """Return what stands in the text, in order; each of the `count` words is in one unit."""
    units: list[_Unit] = []
    done = 0
    for number, row in rows:
        if isinstance(row["id"], int):
            first, end = row["id"] - 1, row["id"]
        elif row["id"][1] == "-":
            first, end = row["id"][0] - 1, row["id"][2]
            _check(first == done and end <= count, number, "its words do not follow it")
        else:
            continue
        if first == done:
            spaced = (row["misc"] or {}).get("SpaceAfter") != "No"
            units.append(_Unit(row["form"], (first, end), spaced))
            done = end
    return units


def _written(text: str, units: Sequence[_Unit]) -> tuple[str, list[Span]]:
    """Return the text of a sentence and the range of every unit in it."""
    spans = _found(text, units)
    if spans is not None:
        return text, spans
    joined = "".join(unit.form + " " * unit.space_after for unit in units).rstrip(" ")
    spans, start = [], 0
    for unit in units:
        spans.append((start, start + len(unit.form)))
        start += len(unit.form) + unit.space_after
    return joined, spans


def _found(text: str, units: Sequence[_Unit]) -> list[Span] | None:
    """Return the range of every unit in a text that holds them in order and, but for white space, nothing else."""
    spans, start = [], 0
    for unit in units:
        while text[start : start + 1].isspace():
            start += 1
        if not text.startswith(unit.form, start):
            return None
        spans.append((start, start + len(unit.form)))
        start += len(unit.form)
    return None if text[start:].strip() else spans


def _parts(unit: _Unit, span: Span, words: Sequence[tuple[int, dict[str, Any]]]) -> list[Span]:
    """Return the range of every word of a unit."""
    forms = [row["form"] for _, row in words[slice(*unit.words)]]
    if "".join(forms).casefold() != unit.form.casefold() or sum(map(len, forms)) != len(unit.form):
        return [span] * len(forms)
    ends = [span[0] + sum(len(form) for form in forms[: place + 1]) for place in range(len(forms))]
    return list(zip([span[0], *ends[:-1]], ends, strict=True))


def _word(number: int, row: dict[str, Any], span: Span, count: int) -> ParsedWord:
    head, relation = row["head"], row["deprel"]
    if head is None:
        return ParsedWord(row["form"], span, None, "")
    _check(0 <= head <= count, number, "its head is no word of the sentence")
    _check(head != row["id"], number, "it is its own head")
    _check(
        bool(_RELATION.fullmatch(relation)), number, "its relation is no name of at most 64 characters without spaces"
    )
    return ParsedWord(row["form"], span, head - 1 if head else None, relation)


def _check(true: bool, number: int, reason: str) -> None:
    if not true:
        raise _Broken(number, reason)
