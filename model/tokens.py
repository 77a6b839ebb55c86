"""Tokens as people read them: display form, special tokens, and the words they belong to; strings only."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

SPACE_MARK = "▁"
_VISIBLE = {"\n": "⏎", "\t": "⇥", "\r": "␍", " ": SPACE_MARK, "\x7f": "␡"}
# Characters without a picture of their own that Unicode does not class as control or formatting characters.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
# A run of bytes as display forms write them.
_BYTES = re.compile("((?:<0x[0-9A-F]{2}>)+)")
# One character a word where a script writes no spaces; elsewhere a run of word characters, joined by an inner apostrophe.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ffff"


@dataclass(frozen=True)
class Token:
    """One token of a sequence: what the model sees, and where it stands in the text.

    `text` is the display form; `piece` the entry of the vocabulary; `word` counts words from 0 (None: no word, as for
    special tokens); `span` is the half-open character range in the text where it is known; `segment` says which of two
    texts it is from, 0 or 1 (None: a single text, or a special token), and words and spans are then those of that text.
    """

    text: str
    piece: str
    id: int | None = None
    special: bool = False
    word: int | None = None
    span: tuple[int, int] | None = None
    segment: int | None = None


def _byte_alphabet() -> dict[str, int]:
    """Return the characters that byte-level BPE writes for the 256 bytes (Radford et al. 2019)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    shifted = [byte for byte in range(256) if byte not in printable]
    alphabet = {chr(byte): byte for byte in printable}
    return alphabet | {chr(256 + index): byte for index, byte in enumerate(shifted)}


_BYTE_OF = _byte_alphabet()


def visible(text: str) -> str:
    """Return `text` with every space, control and formatting character made visible, so that no token hides or reorders.

    Zero-width joiners and variation selectors inside a visible string stay, since emoji are made with them.
    """
    shown = []
    for position, character in enumerate(text):
        category = unicodedata.category(character)
        joins = character in "\u200d\ufe0e\ufe0f" and position > 0
        if character in _VISIBLE:
            shown.append(_VISIBLE[character])
        elif ord(character) < 32:
            shown.append(chr(0x2400 + ord(character)))
        elif not joins and (category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs") or _UNSEEN.match(character)):
            shown.append(f"\\u{ord(character):04x}")
        else:
            shown.append(character)
    return "".join(shown) or "∅"


def display_text(piece: str, byte_level: bool = False) -> str:
    """Return the display form of a vocabulary entry.

    Byte-level pieces are decoded (bytes that are no whole character as <0xF0>); a leading space is shown as ▁ in every
    family; the ## of WordPiece is kept.
    """
    if byte_level and piece and all(character in _BYTE_OF for character in piece):
        raw = bytes(_BYTE_OF[character] for character in piece)
        try:
            piece = raw.decode("utf-8")
        except UnicodeDecodeError:
            return "".join(f"<0x{byte:02X}>" if byte > 127 else visible(chr(byte)) for byte in raw)
    return visible(piece)


def _word_pattern() -> re.Pattern[str]:
    """Return the pattern of a word; combining marks belong to the character before them, joined emoji are one word."""
    blocks = (*range(0x300, 0x1F000), *range(0xE0100, 0xE01F0))
    marks = "".join(chr(code) for code in blocks if unicodedata.category(chr(code)).startswith("M"))
    modifiers = rf"[{marks}\U0001f3fb-\U0001f3ff]*"
    letters = rf"(?:(?![{_UNSPACED}])[\w{marks}])+"
    flag = "[\U0001f1e6-\U0001f1ff]{2}"
    symbol = rf"[^\w\s]{modifiers}(?:\u200d[^\w\s]{modifiers})*"
    return re.compile(rf"[{_UNSPACED}][{marks}]*|{letters}(?:['’\u00ad\u200c\u200d]{letters})*|{flag}|{symbol}")


_WORD = _word_pattern()


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return the half-open character ranges of the words of `text`; each punctuation mark is a word."""
    return [match.span() for match in _WORD.finditer(text)]


def words_from_spans(text: str, spans: Sequence[tuple[int, int]], special: Sequence[bool]) -> tuple[int | None, ...]:
    """Return for each token the number of the word in which its first visible character stands."""
    starts = {position: word for word, (start, end) in enumerate(word_spans(text)) for position in range(start, end)}
    words = []
    for (start, end), is_special in zip(spans, special, strict=True):
        inside = (starts[position] for position in range(start, end) if position in starts)
        words.append(None if is_special else next(inside, None))
    return tuple(words)


def words_from_pieces(shown: Sequence[str], special: Sequence[bool]) -> tuple[int | None, ...]:
    """Return word numbers from the display forms alone, by the text that they make up; spaces belong to no word.

    Where spaces are marked, an unmarked piece goes on with the word before it; elsewhere only ## does.
    """
    spaced = any(text.startswith(SPACE_MARK) for text in shown)
    written, ends = bytearray(), []
    for text, is_special in zip(shown, special, strict=True):
        if is_special:
            written += b"\n"
        elif not spaced and not text.startswith(("##", "<0x")):
            written += b" "
        start = len(written)
        written += b"" if is_special else _written_bytes(text if spaced else text.removeprefix("##"))
        ends.append((start, len(written)))
    # Bytes that are no whole character stay one position each.
    text = written.decode("utf-8", "surrogateescape")
    places = [place for place, character in enumerate(text) for _ in character.encode("utf-8", "surrogateescape")]
    spans = [(places[start], places[end - 1] + 1) if start < end else (0, 0) for start, end in ends]
    return words_from_spans(text, spans, special)


def _written_bytes(shown: str) -> bytes:
    """Return the bytes that a display form stands for; a single bytes token has them in its name."""
    spaces = str.maketrans({mark: character for character, mark in _VISIBLE.items() if character.isspace()})
    parts = _BYTES.split(shown.translate(spaces))
    return b"".join(
        bytes.fromhex(part.replace("<0x", "").replace(">", ""))
        if _BYTES.fullmatch(part)
        else part.encode("utf-8", "replace")
        for part in parts
    )


def word_groups(tokens: Sequence[Token]) -> list[list[int]]:
    """Return the token positions of each word, in order; a token without a word is a group of its own."""
    groups: list[list[int]] = []
    previous: int | None = None
    for position, token in enumerate(tokens):
        if token.word is not None and token.word == previous:
            groups[-1].append(position)
        else:
            groups.append([position])
        previous = token.word
    return groups


def word_text(tokens: Sequence[Token]) -> str:
    """Return the display form of one word from its tokens, without the marks that join them; whole bytes are decoded."""
    if len(tokens) == 1:
        return tokens[0].text
    joined = "".join(token.text.removeprefix("##").removeprefix(SPACE_MARK) for token in tokens)
    return _BYTES.sub(_decoded, joined) or tokens[0].text


def _decoded(run: re.Match[str]) -> str:
    try:
        return visible(bytes.fromhex(run[0].replace("<0x", "").replace(">", "")).decode("utf-8"))
    except UnicodeDecodeError:
        return run[0]


def position_tokens(count: int) -> tuple[Token, ...]:
    """Return tokens that are named by their position, for inputs without text (pixels, embeddings)."""
    return tuple(Token(text=str(position), piece=str(position)) for position in range(count))
