"""Where the words of a sentence stand in a figure: in one line where they fit, otherwise wrapped."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.figures.svg import clipped, columns
from model.tokens import visible

SIZE = 40.0
LEFT = 40.0
LONGEST_WORD = 28
_COLUMN = SIZE * 0.61
_ONE_LINE, _WRAPPED = 2200.0, 1600.0
_CLOSING, _OPENING = frozenset(".,;:!?)]}…”’%"), frozenset("([{“‘")


@dataclass(frozen=True)
class Place:
    """A word as it is written, its line, and where it begins and ends."""

    word: str
    line: int
    left: float
    right: float

    @property
    def middle(self) -> float:
        """Return the middle of the word."""
        return (self.left + self.right) / 2


def shown(word: str) -> str:
    """Return a word as the figure writes it: unseen characters made visible, a very long one cut."""
    return clipped(visible(word), LONGEST_WORD)


def place_words(words: Sequence[str], indent: float = 0.0) -> list[Place]:
    """Return the place of every word; lines begin `indent` further right than usual."""
    widths = [columns(shown(word)) * _COLUMN for word in words]
    whole = LEFT + indent + sum(widths) + _COLUMN * len(words)
    edge = _ONE_LINE if whole <= _ONE_LINE else _WRAPPED
    places: list[Place] = []
    x, line = LEFT + indent, 0
    for index, (word, width) in enumerate(zip(words, widths, strict=True)):
        if index and not _joined(words[index - 1], word):
            x += _COLUMN
        if index and x + width > edge - LEFT:
            x, line = LEFT + indent, line + 1
        places.append(Place(word, line, x, x + width))
        x += width
    return places


def _joined(before: str, word: str) -> bool:
    return (bool(word) and set(word) <= _CLOSING) or (bool(before) and set(before) <= _OPENING)
