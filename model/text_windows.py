"""A text that is longer than a model reads: which part of it is kept, by tokens, and what is left out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from model.chat import chat_text
from model.errors import HeadscopeError
from model.loading import LoadedModel
from model.text_input import readable_text
from model.tokenization import tokenize

PARTS = ("beginning", "end", "both ends", "window")
# What stands where the middle of a text is left out, so that model and reader see that something is missing.
GAP = " … "


@dataclass(frozen=True)
class KeptText:
    """The part of a text that a model reads: `spans` are the half-open character ranges that are kept of it, in order."""

    text: str
    spans: tuple[tuple[int, int], ...]
    whole: int

    @property
    def left_out(self) -> tuple[tuple[int, int], ...]:
        """The half-open character ranges that are left out, in order."""
        edges = [0, *(place for span in self.spans for place in span), self.whole]
        return tuple((start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end)


class TextWindows:
    """The parts of a text that fit a model with the special tokens that it adds.

    `count` is the number of tokens of the whole text with special ones, `limit` the model's (None: any number), `text` the
    text as it is read, with lone surrogates as U+FFFD. With `chat` the text is one message of the user, inside the model's
    chat template. Raises InputError where the model has no tokenizer or the text nothing to read.
    """

    def __init__(self, loaded: LoadedModel, text: str, *, chat: bool = False):
        self.text = readable_text(loaded, text)
        self.limit = loaded.position_limit
        self._loaded, self._chat = loaded, chat
        found = tokenize(loaded.tokenizer, self.text)
        self._spans = _token_spans(found, len(self.text))
        self.count = self._tokens(self.text) if chat else len(found["input_ids"])
        self._added = self.count - len(self._spans)

    @property
    def fits(self) -> bool:
        """Whether the model reads the whole text."""
        return self.limit is None or self.count <= self.limit

    @property
    def room(self) -> int:
        """Number of tokens of the text that the model reads at a time, without special ones."""
        return len(self._spans) if self.limit is None else max(0, min(len(self._spans), self.limit - self._added))

    @property
    def last_start(self) -> int:
        """The last token of the text, counted without special ones, from which a window is full."""
        return len(self._spans) - self.room

    def span(self, first_token: int) -> tuple[int, int]:
        """Return the characters (start, end) of the window that starts at a token, counted without special ones."""
        kept = self.kept("window", first_token)
        return kept.spans[0] if kept.spans else (0, 0)

    def kept(self, part: str, first_token: int = 0) -> KeptText:
        """Return the part of the text that is kept: a window from a token on, or what `PARTS` names; all of it where it fits.

        Parts end between tokens. Of "both ends" the middle is left out, with “ … ” in its place. The tokens of a part may
        be others than they were in the text: it is made shorter until it fits; no text is kept where not even that helps.
        Raises HeadscopeError for a part that is not there.
        """
        if part not in PARTS:
            raise HeadscopeError(f"There is no part “{part}”. Choose {', '.join(PARTS)}.")
        if self.fits:
            return self._joined((0, len(self.text)))
        count = len(self._spans)
        first = min(max(first_token, 0), count - 1)
        choices: dict[str, Callable[[int], KeptText]] = {
            "beginning": lambda room: self._joined(self._characters(0, room)),
            "end": lambda room: self._joined(self._characters(count - room, count)),
            "both ends": lambda room: self._joined(
                self._characters(0, room - room // 2), self._characters(count - room // 2, count)
            ),
            "window": lambda room: self._joined(self._characters(first, min(first + room, count))),
        }
        return self._fitting(choices[part])

    def _fitting(self, cut: Callable[[int], KeptText]) -> KeptText:
        room, limit = self.room, self.limit or 0
        while room > 0:
            kept = cut(room)
            excess = self._tokens(kept.text) - limit if kept.text.strip() else 0
            if excess <= 0:
                return kept
            room -= excess
        return self._joined()

    def _tokens(self, text: str) -> int:
        """Return how many tokens the model reads for a text, special ones included."""
        if self._chat:
            text = chat_text(self._loaded, [{"role": "user", "content": text}])
        return len(tokenize(self._loaded.tokenizer, text, as_chat=self._chat)["input_ids"])

    def _characters(self, first: int, end: int) -> tuple[int, int]:
        """Return the characters of the tokens from `first` to before `end`, with the space before them."""
        if first >= end:
            return 0, 0
        start = self._spans[first][0]
        before = self._spans[first - 1][1] if first else 0
        return before if before < start and not self.text[before:start].strip() else start, self._spans[end - 1][1]

    def _joined(self, *spans: tuple[int, int]) -> KeptText:
        spans = tuple(span for span in spans if span[0] < span[1])
        return KeptText(GAP.join(self.text[start:end] for start, end in spans), spans, len(self.text))


def _token_spans(found: Any, length: int) -> list[tuple[int, int]]:
    """Return the characters of every token that is not special; spread evenly where the tokenizer does not know them."""
    special = found["special_tokens_mask"]
    if "offset_mapping" in found:
        return [tuple(span) for span, flag in zip(found["offset_mapping"], special, strict=True) if not flag]
    count = len(special) - sum(special)
    return [(length * place // count, length * (place + 1) // count) for place in range(count)]
