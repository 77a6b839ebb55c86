"""Why a text is split as it is: what each token stands for, read from the tokenizer's own vocabulary."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from model.tokenization import special_ids
from model.tokens import SPACE_MARK, Token, word_groups, word_text

KINDS = ("special", "unknown", "byte", "space", "number", "punctuation", "whole word", "piece of a word")
_BYTE = re.compile("(<0x[0-9A-F]{2}>)+")
# How each family of tokenizers chooses the entries of a word that is no entry itself.
_CHOICES = {
    "WordPiece": "the longest entries that make it up, taken from the left, are",  # Schuster and Nakajima 2012
    "BPE": "joining its characters in the order of the merge table ends at",  # Sennrich et al. 2016
    "Unigram": "the most probable entries that make it up are",  # Kudo 2018
}


@dataclass(frozen=True)
class TokenExplanation:
    """One token: where it stands, what it is in the vocabulary, what kind it is, and why its word is split ("" if not)."""

    position: int
    display: str
    entry: str
    id: int | None
    word: int | None
    span: tuple[int, int] | None
    kind: str
    reason: str


def explain_tokens(
    tokenizer: Any, text: str | tuple[str, str] | None, tokens: Sequence[Token]
) -> tuple[TokenExplanation, ...]:
    """Return one TokenExplanation for each token of `text` (two texts for a pair, None where only the ids are known).

    `kind` is one of KINDS. A word of several tokens has one sentence, the same for all of them. `tokenizer` may be None:
    then nothing is said of its vocabulary.
    """
    vocabulary = {} if tokenizer is None else tokenizer.get_vocab()
    template = set() if tokenizer is None else special_ids(tokenizer)
    unknown = getattr(tokenizer, "unk_token_id", None)
    explained: list[TokenExplanation] = []
    for group in word_groups(tokens):
        members = [tokens[position] for position in group]
        word = _word(text, members)
        reason = _split_reason(tokenizer, vocabulary, word, members) if vocabulary else ""
        for position, token in zip(group, members, strict=True):
            kind = _kind(token, members, unknown, template)
            own = _own_reason(token, kind, text, len(vocabulary)) if vocabulary else ""
            explained.append(
                TokenExplanation(
                    position, token.text, token.piece, token.id, token.word, token.span, kind, own or reason
                )
            )
    return tuple(explained)


def _kind(token: Token, members: Sequence[Token], unknown: int | None, template: set[int]) -> str:
    """Return what a token is; `members` are all tokens of its word."""
    content = _content(token)
    if token.id is not None and token.id == unknown:
        return "unknown"
    if token.special or token.id in template:
        return "special"
    if _BYTE.search(content):
        return "byte"
    if not content or all(character in "⏎⇥␍" for character in content):
        return "space"
    if all(unicodedata.category(character).startswith("N") for character in content):
        return "number"
    if not any(unicodedata.category(character)[0] in "LNM" for character in content):
        return "punctuation"
    return "whole word" if len(_visible_members(members)) == 1 else "piece of a word"


def _content(token: Token) -> str:
    shown = token.text.removeprefix("##") if token.text != "##" else token.text
    return shown.replace(SPACE_MARK, "")


def _visible_members(members: Sequence[Token]) -> list[Token]:
    """Return the tokens of a word without a lone space before it."""
    return [token for token in members if _content(token)] or list(members)


def _word(text: str | tuple[str, str] | None, members: Sequence[Token]) -> str:
    """Return a word as it stands in the text, or as its tokens show it where there is no text."""
    spans = [token.span for token in members if token.span is not None]
    if text is None or len(spans) < len(members):
        return word_text(members).removeprefix(SPACE_MARK)
    own = text if isinstance(text, str) else text[members[0].segment or 0]
    return own[spans[0][0] : spans[-1][1]].strip()


def _split_reason(tokenizer: Any, vocabulary: dict[str, int], word: str, members: Sequence[Token]) -> str:
    """Return why a word is several tokens; "" where it is one."""
    visible = _visible_members(members)
    if len(visible) < 2:
        return ""
    size = len(vocabulary)
    listed = _listed([token.text for token in visible])
    pieces = "".join(token.piece.removeprefix("##") for token in visible)
    parts = _divided(tokenizer, word)
    if len(parts) > 1 or pieces in vocabulary:
        into = f" into {_listed(parts)}" if len(parts) > 1 else ""
        return f"The tokenizer divides “{word}”{into} before it looks for entries of the vocabulary; the tokens are {listed}."
    if all(_BYTE.fullmatch(_content(token)) for token in visible):
        return f"“{word}” is not one of the {size} entries of the vocabulary, so it is written as its bytes in UTF-8: {listed}."
    family = type(getattr(getattr(tokenizer, "backend_tokenizer", None), "model", None)).__name__
    choice = _CHOICES.get(family, "the entries that make it up are")
    return f"“{word}” is not one of the {size} entries of the vocabulary; {choice} {listed}."


def _divided(tokenizer: Any, word: str) -> list[str]:
    """Return the parts between which no entry may stand (at apostrophes, every three digits, ...), where that is known."""
    divide = getattr(getattr(tokenizer, "backend_tokenizer", None), "pre_tokenizer", None)
    if divide is None:
        return [word]
    return [word[start:end] for _, (start, end) in divide.pre_tokenize_str(word) if word[start:end].strip()]


def _own_reason(token: Token, kind: str, text: str | tuple[str, str] | None, size: int) -> str:
    """Return what is to be said of one token alone; "" where its word says it all."""
    if kind == "special" and not token.special:
        return f"“{token.text}” stands in the text, and the model reads it as its special token of that name."
    if kind == "special":
        return "A special token: the tokenizer or its template adds it, and it stands for no text."
    if kind == "unknown":
        named = "What stands here" if text is None or token.span is None else f"“{_word(text, [token])}”"
        return (
            f"{named} cannot be made up from the {size} entries of the vocabulary, so the model reads {token.piece} and "
            "cannot tell it from any other."
        )
    return ""


def _listed(names: Sequence[str]) -> str:
    quoted = [f"“{name}”" for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)
