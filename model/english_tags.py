"""Parts of speech of English words: by an installed spaCy pipeline, or guessed from closed lists and endings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from model.english_words import (
    ADJECTIVES,
    ADVERBS,
    AUXILIARIES,
    CONJUNCTIONS,
    DEMONSTRATIVE,
    DETERMINERS,
    IRREGULAR_PASTS,
    NOUNS,
    POSSESSIVE_DETERMINERS,
    PREPOSITIONS,
    PRONOUNS,
    VERBS,
)
from model.tokens import word_spans

Span = tuple[int, int]
# From a text to the spans of its words and their universal part-of-speech tags (Petrov et al. 2012).
Tagger = Callable[[str], Sequence[tuple[Span, str]]]

SPACY_PIPELINE = "en_core_web_sm"
_CLITICS = frozenset(("s", "d", "ll", "re", "ve", "m"))
_SENTENCE_ENDS = frozenset('.!?:;“”"()[]*•|/><')
_ADJECTIVE_ENDINGS = ("ous", "ful", "ible", "less")
_CLOSED = (
    (PRONOUNS, "PRON"), (DETERMINERS, "DET"), (CONJUNCTIONS, "CCONJ"), (ADVERBS, "ADV"), (PREPOSITIONS, "ADP"),
    (AUXILIARIES, "AUX"), ({"to"}, "PART"),
)  # fmt: skip


@cache
def installed_tagger() -> Tagger | None:
    """Return spaCy's small English pipeline where it is installed, else None; nothing is downloaded."""
    try:
        import spacy

        if not spacy.util.is_package(SPACY_PIPELINE):
            return None
        return pipeline_tagger(spacy.load(SPACY_PIPELINE, exclude=["parser", "ner", "lemmatizer"]))
    except (ImportError, OSError, ValueError):
        # A pipeline that does not go with this spaCy is as good as none.
        return None


def pipeline_tagger(pipeline: Callable[..., Any]) -> Tagger:
    """Return the tagger of a spaCy pipeline, whose tokens have `idx`, `text` and `pos_`."""
    return lambda text: [((token.idx, token.idx + len(token.text)), token.pos_) for token in pipeline(text)]


def guessed_tags(text: str) -> list[tuple[Span, str]]:
    """Return a span and a universal tag for every word, guessed: enough to propose nouns and pronouns, no more.

    A word of no closed list is a NOUN where a noun may stand (after a determiner, adjective, preposition, noun, verb or
    conjunction), unless its ending or a list says otherwise; a capitalised one is PROPN, but not at the beginning of a
    sentence alone. The span of "animal's" is that of "animal".
    """
    spans = [_without_clitic(text, span) for span in word_spans(text)]
    words = [text[start:end] for start, end in spans]
    shouted = text.isupper()
    tags: list[str] = []
    for place, word in enumerate(words):
        before = words[place - 1] if place else "."
        following = words[place + 1] if place + 1 < len(words) else "."
        tags.append(_Word(word, before, following, tags[-1] if tags else "PUNCT", shouted).tag)
    return list(zip(spans, tags, strict=True))


@dataclass(frozen=True)
class _Word:
    """A word, its neighbours, and the tag of the one before it."""

    text: str
    before: str
    following: str
    previous: str
    shouted: bool

    @property
    def tag(self) -> str:
        lower = self.text.lower().replace("’", "'")
        if not any(character.isalnum() for character in lower):
            return "PUNCT"
        if any(character.isdigit() for character in lower):
            return "NUM"
        if self.text.isupper() and len(lower) > 1 and not self.shouted:
            return "PROPN"
        return self._closed_tag(lower) or self._name_tag() or self._open_tag(lower)

    def _closed_tag(self, lower: str) -> str:
        if lower in DEMONSTRATIVE:
            return "PRON" if self._stands_alone(lower) else "CCONJ" if lower == "that" else "DET"
        return next((tag for words, tag in _CLOSED if lower in words), "")

    def _stands_alone(self, lower: str) -> bool:
        """Say whether a demonstrative is a pronoun: "that" after a noun is relative, before one it is a determiner."""
        after = self.following.lower()
        if lower == "that" and not (self._begins or self.previous in ("ADP", "VERB", "CCONJ")):
            return False
        return after in AUXILIARIES or after in PREPOSITIONS or not after.isalnum()

    @property
    def _begins(self) -> bool:
        return self.before in _SENTENCE_ENDS

    def _name_tag(self) -> str:
        """Return PROPN for a capitalised word inside a sentence, or before another one or a verb at its beginning."""
        if not self.text[0].isupper() or self.shouted:
            return ""
        inner = any(character.isupper() for character in self.text[1:])
        after = self.following.lower()
        is_subject = after in AUXILIARIES or after in IRREGULAR_PASTS or after.endswith("ed")
        return "PROPN" if inner or not self._begins or self.following[:1].isupper() or is_subject else ""

    def _open_tag(self, lower: str) -> str:
        determined = self.previous in ("DET", "ADJ", "NUM") or self.before.lower() in POSSESSIVE_DETERMINERS
        if lower in ADJECTIVES or lower.endswith(_ADJECTIVE_ENDINGS):
            return "ADJ"
        if lower in IRREGULAR_PASTS or _is_verb_form(lower):
            return "NOUN" if determined or self.previous == "ADP" else "VERB"
        if lower in NOUNS:
            return "NOUN"
        if lower.endswith("ly"):
            return "ADV"
        if lower.endswith("ed"):
            return "ADJ" if determined else "VERB"
        if lower.endswith("ing"):
            return "NOUN" if determined else "VERB"
        if self.previous == "NOUN" and lower.endswith("s") and self.following.lower() in DETERMINERS | PRONOUNS:
            return "VERB"
        if determined:
            return "NOUN"
        return "VERB" if self.previous in ("PRON", "PART") else "ADJ" if self.previous in ("AUX", "ADV") else "NOUN"


def _is_verb_form(lower: str) -> bool:
    """Say whether a word is a verb of the list: its base, or with -s, -es or -ies."""
    forms = (lower, lower.removesuffix("s"), lower.removesuffix("es"), lower.removesuffix("ies") + "y")
    return any(form in VERBS for form in forms)


def _without_clitic(text: str, span: Span) -> Span:
    """Return the span of a word without 's and the like: "animal" of "animal's", "it" of "it's"."""
    start, end = span
    for mark in "'’":
        head, found, tail = text[start:end].rpartition(mark)
        if found and tail.lower() in _CLITICS and head.isalpha():
            return start, start + len(head)
    return span
