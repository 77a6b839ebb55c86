"""What every set is read into: a text, a mention, its candidate antecedents and which of them is right."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Span = tuple[int, int]
_PLACES_NAMED = 3

# English third-person pronouns, and what their form says of gender.
GENDER_OF = (
    dict.fromkeys(("she", "her", "hers", "herself"), "feminine")
    | dict.fromkeys(("he", "him", "his", "himself"), "masculine")
    | dict.fromkeys(("they", "them", "their", "theirs", "themself", "themselves"), "neutral")
)


@dataclass(frozen=True)
class CoreferenceExample:
    """One mention with its candidates, `answer` being the index of the right one.

    Spans are half-open character ranges in `text`. Examples of one `cluster` were written from the same template or page
    and are not independent. `groups` may hold "gender" (feminine, masculine, neutral), "stereotype" (pro, anti), "type"
    (1, 2) and "participant" (named, someone).
    """

    identifier: str
    text: str
    mention: Span
    candidates: tuple[Span, ...]
    answer: int
    cluster: str
    groups: Mapping[str, str]


@dataclass(frozen=True)
class CoreferenceSet:
    """The examples of a set in the order of its files, and the number of rows left out for each reason."""

    name: str
    examples: tuple[CoreferenceExample, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)


class LeftOut(Exception):
    """Raised inside a reader for a row that cannot be used; its text is the reason."""


class BrokenRow(LeftOut):
    """A row that does not keep to the format."""

    def __init__(self) -> None:
        super().__init__("broken row")


class Collected:
    """Examples and reasons, gathered while a reader goes through its rows."""

    def __init__(self, name: str):
        self.name = name
        self.examples: list[CoreferenceExample] = []
        self.places: dict[str, list[str]] = {}

    def add(self, place: str, make: Callable[..., CoreferenceExample], *arguments: Any) -> None:
        """Keep what `make(*arguments)` returns, or count the reason for which it raises LeftOut; `place` is file and line."""
        try:
            self.examples.append(make(*arguments))
        except LeftOut as reason:
            name = str(reason)
            self.places.setdefault(name, []).append(place if isinstance(reason, BrokenRow) else "")

    def finished(self) -> CoreferenceSet:
        return CoreferenceSet(
            self.name, tuple(self.examples), {_named(*entry): len(entry[1]) for entry in self.places.items()}
        )


def _named(reason: str, places: Sequence[str]) -> str:
    named = [place for place in places[:_PLACES_NAMED] if place]
    more = ", …" if len(places) > _PLACES_NAMED else ""
    return f"{reason} ({', '.join(named)}{more})" if named else reason
