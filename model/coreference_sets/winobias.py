"""WinoBias (Zhao et al. 2018): two occupations and a pronoun, in which only the right occupation is marked.

"1 [The developer] argued with the designer because [she] did not like the design." The other candidate is found among the
occupations that the files mark. Both candidates are cut by one rule, the occupation's first place in the sentence without
its determiner: a determiner inside one span alone would tell the right one from the other.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from model.coreference_sets.example import GENDER_OF, Collected, CoreferenceExample, CoreferenceSet, LeftOut, Span
from model.coreference_sets.files import read_lines
from model.errors import HeadscopeError

_NUMBER = re.compile(r"^\s*\d+\s+")
_MARK = re.compile(r"\[([^\[\]]*)\]")
_DETERMINER = re.compile(r"^(?:the|an?)\s+", re.IGNORECASE)


def read_winobias(paths: Sequence[Path]) -> CoreferenceSet:
    """Read WinoBias files; stereotype and type are taken from their names ("pro_stereotyped_type1.txt").

    The mention is the first marked pronoun. A cluster is a pair of occupations: its sentences share their template.
    """
    named = [path for path in paths if "stereotyped" in path.name]
    rows = [
        (path, number, *unmark(_NUMBER.sub("", line)))
        for path in named or paths
        for number, line in enumerate(read_lines(path), start=1)
        if line.strip()
    ]
    if not any(marks for _, _, _, marks in rows):
        raise HeadscopeError("No line marks an occupation and a pronoun by [..]. Check that these are WinoBias files.")
    partners = _occupations_of_pairs(rows)
    occupations = {occupation for found in partners.values() for occupation in found}
    words = re.compile(rf"(?<!\w)(?:{'|'.join(_longest_first(occupations)) or '(?!)'})(?!\w)", re.IGNORECASE)
    collected = Collected("winobias")
    for path, number, text, marks in rows:
        partner = partners[path, _pair(number)]
        place = f"{path.name}:{number}"
        collected.add(place, _example, place, text, marks, words, partner, _groups_of_name(path.name))
    return collected.finished()


def unmark(line: str) -> tuple[str, tuple[Span, ...]]:
    """Return the line without [..] and the spans of what was inside, in which no blank stands at the ends.

    A determiner that stands before the mark and again inside it is written once.
    """
    text, spans, end = "", [], 0
    for mark in _MARK.finditer(line.strip()):
        text += line.strip()[end : mark.start()]
        inside = mark[1].strip()
        determiner = _DETERMINER.match(inside)
        if determiner and re.search(rf"(?<!\w){determiner[0].strip()}\s+$", text, re.IGNORECASE):
            inside = inside[determiner.end() :]
        spans.append((len(text), len(text) + len(inside)))
        text, end = text + inside, mark.end()
    return text + line.strip()[end:], tuple(spans)


def _example(
    identifier: str,
    text: str,
    marks: Sequence[Span],
    words: re.Pattern[str],
    partner: set[str],
    groups: dict[str, str],
) -> CoreferenceExample:
    pronoun, marked = _pronoun_and_occupation(text, marks)
    answer = _without_determiner(text, marked)
    places: dict[str, Span] = {}
    for found in words.finditer(text):
        places.setdefault(found[0].lower(), found.span())
    name = text[slice(*answer)].lower()
    if places.get(name) != answer:
        raise LeftOut("the marked occupation stands in another place first")
    others = [occupation for occupation in places if occupation != name]
    if len(others) > 1:
        others = [occupation for occupation in others if occupation in partner]
    if len(others) != 1:
        raise LeftOut("the other occupation was not found" if not others else "there are several other occupations")
    candidates = tuple(sorted((answer, places[others[0]])))
    gender = GENDER_OF[text[slice(*pronoun)].lower()]
    cluster = " and ".join(sorted((name, others[0])))
    return CoreferenceExample(
        identifier, text, pronoun, candidates, candidates.index(answer), cluster, {"gender": gender} | groups
    )


def _pronoun_and_occupation(text: str, marks: Sequence[Span]) -> tuple[Span, Span]:
    pronouns = [mark for mark in marks if text[slice(*mark)].lower() in GENDER_OF]
    others = [mark for mark in marks if mark not in pronouns]
    if not pronouns:
        raise LeftOut("no pronoun is marked")
    if len(others) != 1:
        raise LeftOut("no occupation is marked" if not others else "several occupations are marked")
    return pronouns[0], others[0]


def _without_determiner(text: str, span: Span) -> Span:
    determiner = _DETERMINER.match(text[slice(*span)])
    return (span[0] + determiner.end(), span[1]) if determiner else span


def _occupations_of_pairs(rows: Sequence[tuple[Path, int, str, Sequence[Span]]]) -> dict[tuple[Path, int], set[str]]:
    """Return the occupations marked in each pair of lines: lines 2k - 1 and 2k are about the same two."""
    found: dict[tuple[Path, int], set[str]] = {}
    for path, number, text, marks in rows:
        occupations = found.setdefault((path, _pair(number)), set())
        for mark in marks:
            occupation = text[slice(*_without_determiner(text, mark))].lower()
            if occupation and occupation not in GENDER_OF:
                occupations.add(occupation)
    return found


def _pair(number: int) -> int:
    return (number + 1) // 2


def _longest_first(words: set[str]) -> list[str]:
    return [re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word))]


def _groups_of_name(name: str) -> dict[str, str]:
    stereotype = re.search(r"(pro|anti)[-_]?stereotyped", name.lower())
    kind = re.search(r"type[-_]?([12])", name.lower())
    return ({"stereotype": stereotype[1]} if stereotype else {}) | ({"type": kind[1]} if kind else {})
