"""Attention between stretches of a text: which tokens stand there, and how much one stretch attends to another."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from model.analysis.aggregation import keep_tokens
from model.errors import HeadscopeError
from model.layers import AttentionLayer
from model.tokens import SPACE_MARK, Token

Span = tuple[int, int]
_SPACES = SPACE_MARK + "⏎⇥␍"


def span_positions(
    tokens: Sequence[Token], span: Span, segment: int | None = None, text: str | None = None
) -> tuple[int, ...]:
    """Return the positions of the tokens that hold a visible character of the half-open character range `span`.

    A leading space counts to no token. `segment` says which of two texts the span is of. Tokens that know no spans (of a
    tokenizer written in Python) are looked for in `text`, one after the other. Raises HeadscopeError for an empty
    span, one outside the text, and one where no token stands.
    """
    start, end = span
    if not 0 <= start < end or (text is not None and end > len(text)):
        length = "" if text is None else f" of {len(text)}"
        raise HeadscopeError(f"Characters {start} to {end} are no part of the text{length}: choose a word of it.")
    if segment is None and any(token.segment is not None for token in tokens):
        raise HeadscopeError("There are two texts here: say which one the words are in with segment=0 or segment=1.")
    places = [place for place, token in enumerate(tokens) if not token.special and token.segment == segment]
    spans = [_visible_span(tokens[place]) for place in places]
    if all(tokens[place].span is None for place in places):
        spans = _spans_in(text, [tokens[place].text for place in places])
    found = zip(places, spans, strict=True)
    positions = tuple(place for place, own in found if own and max(start, own[0]) < min(end, own[1]))
    if not positions:
        part = "" if text is None else f" (“{text[start:end]}”)"
        raise HeadscopeError(
            f"No token stands at characters {start} to {end}{part}: choose a word that the model reads, and no special token."
        )
    return positions


def last_word(tokens: Sequence[Token], positions: Sequence[int]) -> tuple[int, ...]:
    """Return those of the positions that are of the last word among them; punctuation is no word."""
    named = [place for place in positions if any(character.isalnum() for character in tokens[place].text)]
    last = next((tokens[place].word for place in reversed(named) if tokens[place].word is not None), None)
    return tuple(positions) if last is None else tuple(place for place in positions if tokens[place].word == last)


def span_masses(
    layer: AttentionLayer,
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    hidden: Sequence[int] = (),
) -> Float32[np.ndarray, "head source target"]:
    """Return how much an average token of each source attends to each target; both are groups of positions.

    mass[h, s, t] = mean_{q in s} sum_{k in t} weight[h, q, k]

    Rows are first renormalised over the keys that are not `hidden` (see `keep_tokens`), unless all are. Only the rows of
    the sources are computed.
    """
    rows = sorted({query for source in sources for query in source})
    weights = layer.weights(rows=rows).cpu().numpy()
    by_source = np.zeros((len(sources), len(rows)), dtype=np.float32)
    for index, source in enumerate(sources):
        by_source[index, np.searchsorted(rows, list(source))] = 1 / len(source)
    by_target = np.zeros((weights.shape[2], len(targets)), dtype=np.float32)
    for index, target in enumerate(targets):
        by_target[list(target), index] = 1
    kept = [key for key in range(weights.shape[2]) if key not in set(hidden)]
    if hidden and kept:
        weights, by_target = keep_tokens(weights, range(len(rows)), kept), by_target[kept]
    return by_source @ (weights @ by_target)


def _visible_span(token: Token) -> Span | None:
    """Return a token's span without the spaces that it begins with; None where it has none, or is only spaces."""
    if token.span is None:
        return None
    start, end = token.span
    shown = token.text.lstrip(_SPACES)
    # A tokenizer may count the space to the token or leave it out: what the letters do not fill is space.
    lead = min(len(token.text) - len(shown), max(0, end - start - len(shown)))
    return (start + lead, end) if shown and start + lead < end else None


def _spans_in(text: str | None, shown: Sequence[str]) -> list[Span | None]:
    """Return where tokens without spans stand in a text, letter for letter but for capitals, spaces between them."""
    spans: list[Span | None] = []
    place = 0
    for token in shown:
        letters = token.removeprefix("##").lstrip(_SPACES)
        while text and place < len(text) and text[place].isspace():
            place += 1
        end = place + len(letters)
        if text is None or text[place:end].casefold() != letters.casefold():
            raise HeadscopeError(
                "It is not known where these tokens stand in the text. Record a text, with the model's fast tokenizer."
            )
        spans.append((place, end) if letters else None)
        place = end
    return spans
