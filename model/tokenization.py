"""What a tokenizer makes of a text: ids, the tokens people read, and where a text must be cut to fit."""

import re
from collections.abc import Sequence
from typing import Any

import torch

from model.errors import InputError, is_panic
from model.tokens import Token, display_text, words_from_pieces, words_from_spans

# Strings that stand for special tokens in the vocabularies of the first families, where no tokenizer is at hand.
_SPECIAL = re.compile(r"\[(CLS|SEP|PAD|MASK|BOS|EOS)\]|</?s>|<(pad|mask|bos|eos|cls|sep)>|<\|[^|]+\|>")


def tokenize(tokenizer: Any, text: str, *, as_target: bool = False, as_chat: bool = False) -> Any:
    """Return what the tokenizer makes of a text: ids, a mask of special tokens, and spans where it knows them.

    With `as_chat` no special tokens are added, and those that a chat template wrote into the text count as special.
    """
    field = {"text_target": text} if as_target else {"text": text}
    found = call_tokenizer(tokenizer, **field, **({"add_special_tokens": False} if as_chat else {}))
    if as_chat:
        known = special_ids(tokenizer)
        found["special_tokens_mask"] = [number in known for number in found["input_ids"]]
    return found


def call_tokenizer(tokenizer: Any, **fields: Any) -> Any:
    """Return what the tokenizer makes of these fields: ids, a mask of special tokens, and spans where it knows them.

    Raises InputError where it breaks: a tokenizer that was read may still be made wrongly.
    """
    offsets = {"return_offsets_mapping": True} if tokenizer.is_fast else {}
    try:
        return tokenizer(**fields, return_special_tokens_mask=True, verbose=False, **offsets)
    except BaseException as error:
        if not (isinstance(error, Exception) or is_panic(error)):
            raise
        raise InputError(
            f"The tokenizer cannot take this text ({type(error).__name__}). Use another text, or save the tokenizer anew."
        ) from error


def special_ids(tokenizer: Any) -> set[int]:
    """Return the ids of all special tokens, those of chat templates too."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    return {*tokenizer.all_special_ids, *(number for number, token in added.items() if token.special)}


def cut_position(tokenizer: Any, found: Any, limit: int, text: str, **kind: Any) -> int:
    """Return how many characters of the text fit in `limit` tokens, special tokens included.

    Cuts between tokens, and earlier where the tokens of the shorter text are others and more (a character that is
    several tokens, a word that is split differently). `kind` says how the text is tokenized.
    """
    cut = _estimated_cut(found, limit, text)
    while cut > 0:
        shorter = tokenize(tokenizer, text[:cut], **kind)
        if len(shorter["input_ids"]) <= limit:
            break
        cut = min(cut - 1, _estimated_cut(shorter, limit, text[:cut]))
    return cut


def _estimated_cut(found: Any, limit: int, text: str) -> int:
    special = found["special_tokens_mask"]
    if "offset_mapping" not in found:
        room = max(0, limit - sum(special))
        return max(1, len(text) * room // max(1, len(special) - sum(special)))
    # Special tokens that a chat template wrote stand in the text and are cut with it; those that were added always stay.
    pairs = list(zip(found["offset_mapping"], special, strict=True))
    spans = [(start, end) for (start, end), is_special in pairs if not is_special or start < end]
    room = max(0, limit - (len(pairs) - len(spans)))
    return spans[room - 1][1] if room else 0


def tokens_from_text(tokenizer: Any, text: str, found: Any) -> tuple[Token, ...]:
    """Return the tokens of a text from what `tokenize` returned, with words and spans of that text."""
    ids, special = found["input_ids"], [bool(flag) for flag in found["special_tokens_mask"]]
    if "offset_mapping" not in found:
        return tokens_from_ids(tokenizer, torch.tensor([ids]))
    spans = [tuple(span) for span in found["offset_mapping"]]
    words = words_from_spans(text, spans, special)
    pieces = tokenizer.convert_ids_to_tokens(ids)
    shown = shown_pieces(tokenizer, pieces, special)
    return tuple(
        Token(text=text_, piece=piece, id=id_, special=is_special, word=word, span=None if is_special else span)
        for text_, piece, id_, is_special, word, span in zip(shown, pieces, ids, special, words, spans, strict=True)
    )


def tokens_from_ids(tokenizer: Any, ids: torch.Tensor | None) -> tuple[Token, ...]:
    """Return the tokens of ids [1, position] alone; named by number where there is no tokenizer."""
    if ids is None:
        return ()
    numbers = ids[0].tolist()
    if tokenizer is None:
        return tuple(Token(text=str(number), piece=str(number), id=number) for number in numbers)
    pieces = [str(piece) for piece in tokenizer.convert_ids_to_tokens(numbers)]
    known = special_ids(tokenizer)
    special = [number in known for number in numbers]
    shown = shown_pieces(tokenizer, pieces, special)
    words = words_from_pieces(shown, special)
    return tuple(
        Token(text=text, piece=piece, id=number, special=is_special, word=word)
        for text, piece, number, is_special, word in zip(shown, pieces, numbers, special, words, strict=True)
    )


def shown_pieces(tokenizer: Any, pieces: list[str], special: list[bool]) -> list[str]:
    """Return the display forms of vocabulary entries; special tokens stay as they are written."""
    byte_level = _is_byte_level(tokenizer)
    return [display_text(piece, byte_level and not flag) for piece, flag in zip(pieces, special, strict=True)]


def _is_byte_level(tokenizer: Any) -> bool:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return backend is not None and "ByteLevel" in repr(backend.decoder)


def tokens_from_strings(strings: Sequence[str]) -> tuple[Token, ...]:
    """Return tokens from vocabulary entries or token texts alone: special where written like one, words from the pieces."""
    # Byte-level vocabularies write a space as Ġ; nothing else begins with that letter often enough to matter.
    byte_level = any(string.startswith("Ġ") for string in strings)
    special = [_SPECIAL.fullmatch(string) is not None for string in strings]
    shown = [display_text(string, byte_level and not flag) for string, flag in zip(strings, special, strict=True)]
    words = words_from_pieces(shown, special)
    return tuple(
        Token(text=text, piece=piece, special=is_special, word=word)
        for text, piece, is_special, word in zip(shown, strings, special, words, strict=True)
    )
