"""Mentions: the pronouns of an English text, and the nouns that they may refer to."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from model.english_tags import Span, Tagger, guessed_tags, installed_tagger
from model.english_words import DEMONSTRATIVE, IRREGULAR_PLURALS, PRONOUNS, SINGULARS_IN_S

NEAREST = 4
_PLURAL = frozenset(("they", "them", "their", "theirs", "themselves"))
_NEUTER = frozenset(("it", "its", "itself"))
_THIRD_PERSON = (
    _PLURAL | _NEUTER | frozenset(("he", "him", "his", "himself", "she", "her", "hers", "herself", "themself"))
)
# What may stand between two words of one name or of a hyphenated noun.
_JOINED = re.compile(r"[ \t]{1,3}|[-‐‑]")
_ABBREVIATED = re.compile(r"[A-Z]|Mr|Mrs|Ms|Dr|St|Jr|Sr|Prof|Sen|Gen|Rev|Capt|Lt|Gov")


@dataclass(frozen=True)
class Mention:
    """A pronoun or a noun: its half-open character range, its letters, and its kind, "pronoun" or "noun"."""

    span: Span
    text: str
    kind: str


def propose_mentions(text: str, tagger: Tagger | None = None) -> list[Mention]:
    """Return the pronouns and nouns of an English text, in order.

    A noun is the last word of its noun phrase, without determiner, adjectives and the nouns before it ("worker" of "the
    construction worker"), with what a hyphen joins to it; a name of several words is whole. `tagger` says which words are
    nouns; without it spaCy's, where it is installed, else a guess from closed lists and endings.
    """
    tags = (tagger or installed_tagger() or guessed_tags)(text)
    spans = [(span, "pronoun") for span, tag in tags if _is_pronoun(text[slice(*span)].lower(), tag)]
    spans += [(span, "noun") for span in _nouns(text, tags)]
    return [Mention(span, text[slice(*span)], kind) for span, kind in sorted(spans)]


def proposal(text: str, tagger: Tagger | None = None) -> tuple[int | None, tuple[int, ...]]:
    """Return which of `propose_mentions` to look at first: the index of a pronoun, and those of its candidate nouns.

    The pronoun is the last of the third person with two nouns before it, else the first one, else None. The candidates are
    the four nearest nouns before it that agree with it (they: plural; it: singular and no name; others: singular),
    or of all nouns before it where fewer than two agree, or the first of the text where fewer than two stand before it.
    A noun that comes again is one candidate, where it stands last.
    """
    mentions = propose_mentions(text, tagger)
    nouns = [index for index, mention in enumerate(mentions) if mention.kind == "noun"]
    pronouns = [index for index, mention in enumerate(mentions) if mention.kind == "pronoun"]
    referring = [index for index in pronouns if mentions[index].text.lower() in _THIRD_PERSON]
    chosen = [index for index in referring if sum(noun < index for noun in nouns) >= 2][-1:] or pronouns[:1]
    if not chosen:
        return None, tuple(nouns[:NEAREST])
    before = _distinct(mentions, [noun for noun in nouns if noun < chosen[0]])
    if len(before) < 2:
        return chosen[0], tuple(_distinct(mentions, nouns)[:NEAREST])
    agreeing = [noun for noun in before if _agrees(mentions[chosen[0]].text.lower(), mentions[noun].text)]
    return chosen[0], tuple((agreeing if len(agreeing) >= 2 else before)[-NEAREST:])


def _distinct(mentions: Sequence[Mention], nouns: Sequence[int]) -> list[int]:
    return sorted({mentions[noun].text: noun for noun in nouns}.values())


def _is_pronoun(lower: str, tag: str) -> bool:
    return (lower in PRONOUNS and tag not in ("NOUN", "PROPN")) or (lower in DEMONSTRATIVE and tag == "PRON")


def _nouns(text: str, tags: Sequence[tuple[Span, str]]) -> list[Span]:
    """Return the last word of every run of nouns, or the whole name where it ends in one."""
    runs: list[list[tuple[Span, str]]] = []
    for span, tag in tags:
        if tag not in ("NOUN", "PROPN"):
            continue
        last = runs[-1][-1][0] if runs else None
        if last is not None and _are_joined(text, last, span):
            runs[-1].append((span, tag))
        else:
            runs.append([(span, tag)])
    return [_head(text, run) for run in runs]


def _are_joined(text: str, first: Span, second: Span) -> bool:
    between = text[first[1] : second[0]]
    if between in (".", ". "):
        return _ABBREVIATED.fullmatch(text[slice(*first)]) is not None
    return _JOINED.fullmatch(between) is not None


def _head(text: str, run: Sequence[tuple[Span, str]]) -> Span:
    start, end = run[-1][0]
    for (before, tag), (after, _) in zip(reversed(run[:-1]), reversed(run[1:]), strict=True):
        is_name = tag == run[-1][1] == "PROPN"
        if not is_name and text[before[1] : after[0]].isspace():
            break
        start = before[0]
    return start, end


def _agrees(pronoun: str, noun: str) -> bool:
    """Say whether a noun may agree in number with a pronoun, as far as its letters tell."""
    last = re.split(r"[\s-]", noun)[-1].lower()
    plural = last in IRREGULAR_PLURALS or last.endswith(("men", "people"))
    plural = plural or (last.endswith("s") and not last.endswith(("ss", "us", "is")) and last not in SINGULARS_IN_S)
    is_name = noun[0].isupper()
    if pronoun in _PLURAL:
        return plural and not is_name
    return (is_name or not plural) and not (is_name and pronoun in _NEUTER)
