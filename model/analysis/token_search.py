"""Where a string stands in a sequence of tokens, however these cut it."""

import re
from collections.abc import Iterator, Sequence

import numpy as np

from model.tokens import SPACE_MARK, Token

_Spans = Sequence[tuple[int, int] | None]


def find_tokens(tokens: Sequence[Token], text: str | None, wanted: str) -> tuple[range, ...]:
    """Return the positions of the tokens that each occurrence of a string covers, in order; none for an empty string.

    Capitals matter only where `wanted` has some; spaces around it do not count. Where the tokens know their place in `text`
    it is searched, elsewhere the text that their display forms make up. A token whose display form is `wanted`, such as
    [SEP] or ▁the, is found too. Tokens that share a character, or hold several occurrences, are returned once.
    """
    if not wanted.strip():
        return ()
    exact = [range(place, place + 1) for place, token in enumerate(tokens) if token.text == wanted.strip()]
    spans: _Spans = [token.span for token in tokens]
    if text is None or not any(spans):
        text, spans = _written(tokens)
    found = {*exact, *_covering(spans, _occurrences(text, wanted.strip()))}
    return tuple(sorted(found, key=lambda places: (places.start, places.stop)))


def _occurrences(text: str, wanted: str) -> Iterator[tuple[int, int]]:
    flags = re.NOFLAG if any(character.isupper() for character in wanted) else re.IGNORECASE
    return (match.span() for match in re.finditer(re.escape(wanted), text, flags))


def _covering(spans: _Spans, occurrences: Iterator[tuple[int, int]]) -> Iterator[range]:
    """Yield the positions from the first to the last token that shares a character with each occurrence."""
    places = [place for place, span in enumerate(spans) if span and span[0] < span[1]]
    if not places:
        return
    starts, ends = np.array([spans[place] for place in places]).T
    # Tokens are in order, but the pieces of one character may share it.
    starts, ends = np.minimum.accumulate(starts[::-1])[::-1], np.maximum.accumulate(ends)
    for start, end in occurrences:
        first, last = np.searchsorted(ends, start, side="right"), np.searchsorted(starts, end, side="left")
        if first < last:
            yield range(places[first], places[last - 1] + 1)


def _written(tokens: Sequence[Token]) -> tuple[str, _Spans]:
    """Return the text that display forms make up, and where each token stands in it."""
    spaced = any(token.text.startswith(SPACE_MARK) for token in tokens)
    parts, spans, length = [], [], 0
    for token in tokens:
        joined = spaced or token.text.startswith(("##", "<0x"))
        shown = token.text if spaced else token.text.removeprefix("##")
        shown = shown.replace(SPACE_MARK, " ") if joined else f" {shown}"
        parts.append(shown)
        spans.append((length + len(shown) - len(shown.lstrip(" ")), length + len(shown)))
        length += len(shown)
    return "".join(parts), spans
