"""Two texts that a model reads together: which token is from which text, and where they must be cut to fit."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from model.tokenization import call_tokenizer, shown_pieces, tokens_from_ids
from model.tokens import Token, word_spans, words_from_pieces, words_from_spans


def tokenize_pair(tokenizer: Any, texts: tuple[str, str]) -> Any:
    """Return what the tokenizer makes of two texts that belong together."""
    return call_tokenizer(tokenizer, text=texts[0], text_pair=texts[1])


def segments_of(tokenizer: Any, texts: tuple[str, str], found: Any) -> list[int | None]:
    """Return for each token which of two texts it is from; None for special tokens."""
    if tokenizer.is_fast:
        return found.sequence_ids()
    left = len(tokenizer(texts[0], add_special_tokens=False, verbose=False)["input_ids"])
    segments: list[int | None] = []
    for is_special in found["special_tokens_mask"]:
        segments.append(None if is_special else 0 if left > 0 else 1)
        left -= not is_special
    return segments


def are_separated(tokenizer: Any, texts: tuple[str, str], found: Any) -> bool:
    """Say whether a special token stands between the tokens of two texts."""
    segments = segments_of(tokenizer, texts, found)
    if not {0, 1} <= set(segments):
        return False
    return None in segments[segments.index(0) : segments.index(1)]


def tokens_from_pair(tokenizer: Any, texts: tuple[str, str], found: Any) -> tuple[Token, ...]:
    """Return the tokens of two texts; no word goes across both, and every span counts in the token's own text."""
    segments = segments_of(tokenizer, texts, found)
    tokens = list(tokens_from_ids(tokenizer, torch.tensor([found["input_ids"]])))
    special = [segment is None for segment in segments]
    shown = shown_pieces(tokenizer, [token.piece for token in tokens], special)
    words = words_from_pieces(shown, special)
    spans: list[tuple[int, int] | None] = [None] * len(tokens)
    if "offset_mapping" in found:
        spans = [None if flag else tuple(span) for flag, span in zip(special, found["offset_mapping"], strict=True)]
        words = tuple(_pair_words(texts, segments, spans))
    return tuple(
        replace(token, text=text, special=segment is None, word=word, span=span, segment=segment)
        for token, text, word, span, segment in zip(tokens, shown, words, spans, segments, strict=True)
    )


def _pair_words(
    texts: tuple[str, str], segments: Sequence[int | None], spans: Sequence[tuple[int, int] | None]
) -> list[int | None]:
    """Return word numbers that go on counting in the second text."""
    words: list[int | None] = [None] * len(spans)
    begun = 0
    for segment, text in enumerate(texts):
        places = [place for place, found in enumerate(segments) if found == segment]
        own = words_from_spans(text, [spans[place] or (0, 0) for place in places], [False] * len(places))
        for place, word in zip(places, own, strict=True):
            words[place] = None if word is None else begun + word
        begun += len(word_spans(text))
    return words


def pair_cut_positions(tokenizer: Any, texts: tuple[str, str], found: Any, limit: int) -> tuple[int, int]:
    """Return how many characters of each text fit in `limit` tokens together, taking from the longer one first."""
    counts = segments_of(tokenizer, texts, found)
    places = [[place for place, segment in enumerate(counts) if segment == one] for one in (0, 1)]
    room = limit - counts.count(None)
    while room > 0:
        first = min(len(places[0]), max(room - len(places[1]), room // 2))
        cuts = (
            _segment_cut(texts[0], places[0], first, found),
            _segment_cut(texts[1], places[1], room - first, found),
        )
        count = len(tokenize_pair(tokenizer, (texts[0][: cuts[0]], texts[1][: cuts[1]]))["input_ids"])
        if count <= limit:
            return cuts
        # The tokens of a shorter text may be others and more.
        room -= count - limit
    return 0, 0


def _segment_cut(text: str, places: list[int], kept: int, found: Any) -> int:
    if kept >= len(places):
        return len(text)
    if "offset_mapping" not in found:
        return len(text) * max(0, kept) // len(places)
    return found["offset_mapping"][places[kept - 1]][1] if kept > 0 else 0
