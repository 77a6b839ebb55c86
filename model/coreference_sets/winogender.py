"""Winogender schemas (Rudinger et al. 2018): an occupation, a participant and a pronoun of three genders.

Two files belong together: the templates, which hold the answer and the place of the pronoun, and the filled sentences, whose
"technician.customer.1.male.txt" names the occupation, the participant ("someone" in half of them), the answer and the gender.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from model.coreference_sets.example import BrokenRow, Collected, CoreferenceExample, CoreferenceSet, LeftOut
from model.coreference_sets.files import named_columns, read_table
from model.errors import HeadscopeError

_TEMPLATE_COLUMNS = ("occupation(0)", "other-participant(1)", "answer", "sentence")
_SENTENCE_COLUMNS = ("sentid", "sentence")
_SLOT = re.compile(r"\$(OCCUPATION|PARTICIPANT|(?:NOM|POSS|ACC)_PRONOUN)")
_GENDERS = {"male": "masculine", "female": "feminine", "neutral": "neutral"}
_PRONOUNS = {
    "NOM_PRONOUN": {"male": "he", "female": "she", "neutral": "they"},
    "POSS_PRONOUN": {"male": "his", "female": "her", "neutral": "their"},
    "ACC_PRONOUN": {"male": "him", "female": "her", "neutral": "them"},
}
SOMEONE = "someone"


def read_winogender(paths: Sequence[Path]) -> CoreferenceSet:
    """Read templates and filled sentences; candidates are the nouns without determiner, a cluster is an occupation.

    Raises HeadscopeError where either of the two kinds of file is missing.
    """
    tables = [(path, *read_table(path)) for path in paths]
    templates: dict[tuple[str, str], list[dict[str, str]]] = {}
    for _, header, rows in tables:
        if set(_TEMPLATE_COLUMNS) <= set(header):
            for _, row in rows:
                template = named_columns(row, header)
                key = (template.get("occupation(0)", ""), template.get("answer", ""))
                templates.setdefault(key, []).append(template)
    sentences = [(path, header, rows) for path, header, rows in tables if set(_SENTENCE_COLUMNS) <= set(header)]
    if not templates or not sentences:
        raise HeadscopeError(
            "Winogender needs two files: the templates (templates.tsv), which hold the answers, and the filled sentences "
            "(all_sentences.tsv). Name both, or their folder."
        )
    collected = Collected("winogender")
    for path, header, rows in sentences:
        for number, row in rows:
            collected.add(f"{path.name} line {number}", _example, named_columns(row, header), templates)
    return collected.finished()


def _example(
    row: Mapping[str, str], templates: Mapping[tuple[str, str], Sequence[Mapping[str, str]]]
) -> CoreferenceExample:
    identifier, text = row["sentid"], row.get("sentence", "")
    parts = identifier.removesuffix(".txt").split(".")
    if len(parts) != 4 or parts[2] not in ("0", "1") or parts[3] not in _GENDERS:
        raise BrokenRow
    occupation, participant, answer, gender = parts
    for template in templates.get((occupation, answer), ()):
        if participant not in (SOMEONE, template["other-participant(1)"]) or "sentence" not in template:
            continue
        filled = _filled(template["sentence"], occupation, participant, gender).fullmatch(text)
        if filled:
            # The answer counts the occupation as 0 and the participant as 1, whichever comes first.
            candidates = (filled.span("OCCUPATION"), filled.span("PARTICIPANT"))
            groups = {
                "gender": _GENDERS[gender],
                "participant": SOMEONE if participant == SOMEONE else "named",
            }
            return CoreferenceExample(
                identifier, text, filled.span("PRONOUN"), candidates, int(answer), occupation, groups
            )
    raise LeftOut("no template fits the sentence")


def _filled(template: str, occupation: str, participant: str, gender: str) -> re.Pattern[str]:
    """Return the pattern of the sentence that a template is filled to.

    "Someone" takes the place of the participant and its determiner; after "they", "was" is written "were".
    """
    pattern, end = "", 0
    for slot in _SLOT.finditer(template):
        before = template[end : slot.start()]
        if slot[1] == "PARTICIPANT" and participant == SOMEONE:
            before = re.sub(r"\b(?:the|an?) $", "", before, flags=re.IGNORECASE)
        pattern += _verbs(before, gender) + _group(slot[1], occupation, participant, gender)
        end = slot.end()
    return re.compile(pattern + _verbs(template[end:], gender))


def _group(slot: str, occupation: str, participant: str, gender: str) -> str:
    word = {"OCCUPATION": occupation, "PARTICIPANT": participant}.get(slot) or _PRONOUNS[slot][gender]
    name = slot.removeprefix("NOM_").removeprefix("POSS_").removeprefix("ACC_")
    return f"(?P<{name}>(?i:{re.escape(word)}))"


def _verbs(literal: str, gender: str) -> str:
    escaped = re.escape(literal)
    return re.sub(r"\bwas\b", "(?:was|were)", escaped) if gender == "neutral" else escaped
