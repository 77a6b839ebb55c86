"""Minimal pairs: two sentences that differ in a word, which decides what a pronoun refers to; plain data.

After the schemas of Winograd (1972) and Levesque, Davis and Morgenstern (2012), whom the second and third follow;
the first is from the blog post that made the Transformer known (Uszkoreit 2017). The others were written for Headscope.
"""

from dataclasses import dataclass

from model.errors import HeadscopeError
from model.tokens import word_spans

Span = tuple[int, int]


@dataclass(frozen=True)
class MinimalPair:
    """Two texts with the same mention and candidates, each one word; `answers` are the right candidates of the two."""

    name: str
    first: str
    second: str
    mention: str
    candidates: tuple[str, ...]
    answers: tuple[int, int]

    def spans(self, which: int) -> tuple[Span, tuple[Span, ...]]:
        """Return the character ranges of the mention and of the candidates in the first (0) or second (1) text.

        Raises HeadscopeError for a word that does not stand there exactly once.
        """
        text = (self.first, self.second)[which]
        return _only_span(text, self.mention), tuple(_only_span(text, word) for word in self.candidates)

    @property
    def changed(self) -> tuple[str, str]:
        """The words in which the texts differ: what is left between their common beginning and their common end."""
        first, second = ([text[start:end] for start, end in word_spans(text)] for text in (self.first, self.second))
        begin = _common(first, second)
        end = _common(first[begin:][::-1], second[begin:][::-1])
        return " ".join(first[begin : len(first) - end]), " ".join(second[begin : len(second) - end])

    @property
    def changes_before_mention(self) -> bool:
        """Whether the change stands before the mention: only then can a causal model attend differently from there."""
        end = self.spans(0)[0][1]
        return self.first[:end] != self.second[: self.spans(1)[0][1]]


def _common(first: list[str], second: list[str]) -> int:
    """Return how many words two lists begin with alike."""
    shorter = min(len(first), len(second))
    return next((place for place in range(shorter) if first[place] != second[place]), shorter)


def _only_span(text: str, word: str) -> Span:
    found = [span for span in word_spans(text) if text[slice(*span)] == word]
    if len(found) != 1:
        raise HeadscopeError(f"The word “{word}” stands {len(found)} times in “{text}”; it must stand there once.")
    return found[0]


def _pair(sentence: str, changes: tuple[str, str], mention: str, candidates: tuple[str, str]) -> MinimalPair:
    """Return the pair of a sentence with a gap; the first candidate is right in the first text, the second in the second."""
    first, second = (sentence.format(change) for change in changes)
    return MinimalPair(f"{candidates[0]}, {candidates[1]}", first, second, mention, candidates, (0, 1))


MINIMAL_PAIRS = (
    _pair("The animal didn't cross the street because it was too {}.", ("tired", "wide"), "it", ("animal", "street")),
    _pair(
        "The trophy doesn't fit in the suitcase because it is too {}.", ("big", "small"), "it", ("trophy", "suitcase")
    ),
    _pair(
        "The city councilmen refused the demonstrators a permit because they {} violence.",
        ("feared", "advocated"), "they", ("councilmen", "demonstrators"),
    ),
    _pair(
        "The nurse believed the lawyer because she was so {}.", ("gullible", "convincing"), "she", ("nurse", "lawyer")
    ),
    _pair("The hammer cracked the tile because it was so {}.", ("heavy", "thin"), "it", ("hammer", "tile")),
    _pair("The bridge could not carry the truck because it was too {}.", ("weak", "heavy"), "it", ("bridge", "truck")),
    _pair("The knife could not cut the bread because it was too {}.", ("blunt", "stale"), "it", ("knife", "bread")),
    _pair(
        "The piano could not be moved through the door because it was too {}.",
        ("large", "narrow"), "it", ("piano", "door"),
    ),
    _pair("The oil ran from the barrel into the tank until it was {}.", ("empty", "full"), "it", ("barrel", "tank")),
    _pair("The rain poured into the pool until it {}.", ("stopped", "overflowed"), "it", ("rain", "pool")),
    _pair("The rabbit hid from the fox because it was {}.", ("frightened", "hungry"), "it", ("rabbit", "fox")),
    _pair("The boxes were taken off the shelves because they were too {}.", ("heavy", "weak"), "they", ("boxes", "shelves")),
    _pair("The parents scolded the children because they were {}.", ("strict", "rude"), "they", ("parents", "children")),
    _pair("The doctors examined the patients again because they were {}.", ("careful", "ill"), "they", ("doctors", "patients")),
    _pair("The tourist spoke to the guide because she was {}.", ("lost", "helpful"), "she", ("tourist", "guide")),
    # In the last three the change stands before the mention, where a causal model can see it.
    _pair("The wolf {} the bear, so it ran away.", ("feared", "frightened"), "it", ("wolf", "bear")),
    _pair("The coach {} the champion, so he went home with the cup.", ("beat", "lost to"), "he", ("coach", "champion")),
    _pair("The guard {} the prisoner, so he walked behind.", ("followed", "led"), "he", ("guard", "prisoner")),
)  # fmt: skip
