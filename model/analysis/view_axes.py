"""What stands on the two axes of a view: which tokens each row and each column is of, and how they are called."""

from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

from model.tokens import Token, word_groups, word_text
from model.trace import Trace


@dataclass(frozen=True, eq=False)
class ViewAxes:
    """The rows and columns of a view.

    `query_groups` and `key_groups` hold the positions of the tokens that each row and column stands for: one, those of a
    word, or those of several where a view is pooled.
    """

    query_tokens: tuple[str, ...]
    key_tokens: tuple[str, ...]
    query_special: tuple[bool, ...]
    key_special: tuple[bool, ...]
    query_groups: tuple[tuple[int, ...], ...]
    key_groups: tuple[tuple[int, ...], ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return len(self.query_groups), len(self.key_groups)

    @property
    def query_positions(self) -> tuple[int, ...]:
        """Position of the first token of each row."""
        return tuple(group[0] for group in self.query_groups)

    @property
    def key_positions(self) -> tuple[int, ...]:
        """Position of the first token of each column."""
        return tuple(group[0] for group in self.key_groups)

    def place_of(self, token: str) -> str:
        """Return the row or column ("q1", "k1") that holds a token of the sequence ("q3", "k3"); "" where it is hidden."""
        if not token:
            return ""
        groups = self.query_groups if token[0] == "q" else self.key_groups
        found = (place for place, group in enumerate(groups) if int(token[1:]) in group)
        return next((f"{token[0]}{place}" for place in found), "")

    def token_at(self, place: str) -> str:
        """Return the token of the sequence with which a row or column begins; the inverse of `place_of`."""
        positions = self.query_positions if place[:1] == "q" else self.key_positions
        return f"{place[0]}{positions[int(place[1:])]}" if place and int(place[1:]) < len(positions) else ""


@dataclass(frozen=True, eq=False)
class AxisGroups:
    """The groups of tokens along one axis, adjacent and in order, and the numbers of those that are kept."""

    groups: list[list[int]]
    kept: list[int]

    @property
    def tokens(self) -> int:
        """Number of tokens that the groups hold together."""
        return self.groups[-1][-1] + 1

    def part(self, start: int, stop: int) -> tuple[slice, "AxisGroups"]:
        """Return the tokens of the kept groups from `start` to before `stop`, and these groups counted from the first.

        Groups that are not kept belong to the kept one before them (to the first, where there is none before).
        """
        first = self.kept[start] if start else 0
        end = self.kept[stop] if stop < len(self.kept) else len(self.groups)
        begin = self.groups[first][0]
        groups = [[position - begin for position in group] for group in self.groups[first:end]]
        kept = [index - first for index in self.kept[start:stop]]
        return slice(begin, self.groups[end - 1][-1] + 1), AxisGroups(groups, kept)

    def up_to(self, token: int) -> "AxisGroups":
        """Return the groups that begin before a token."""
        end = bisect_left(self.groups, token, key=lambda group: group[0])
        return AxisGroups(self.groups[:end], self.kept[: bisect_left(self.kept, end)])


def view_axes(
    trace: Trace, layer: int, *, stack: str | None = None, words: bool = False, hide_special: bool = False
) -> ViewAxes:
    """Return the rows and columns of a layer's views: tokens, or words, without the special ones where they are hidden.

    Raises HeadscopeError where there is no such layer or stack.
    """
    sides = [trace.sequence(layer, side, stack) for side in ("query", "key")]
    query, key = (_shown(tokens, axis_groups(tokens, words, hide_special)) for tokens in sides)
    return ViewAxes(query[0], key[0], query[1], key[1], query[2], key[2])


def axis_groups(tokens: tuple[Token, ...], words: bool, hide_special: bool) -> AxisGroups:
    """Return the groups of one axis: single tokens or words, of which special ones are not kept where they are hidden."""
    groups = word_groups(tokens) if words else [[position] for position in range(len(tokens))]
    kept = [index for index, group in enumerate(groups) if not (hide_special and tokens[group[0]].special)]
    # With nothing but special tokens there would be nothing to see: keep them.
    return AxisGroups(groups, kept or list(range(len(groups))))


def _shown(tokens: tuple[Token, ...], axis: AxisGroups) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
    """Return the names of what is kept of an axis, whether it is special, and its positions."""
    groups = [axis.groups[index] for index in axis.kept]
    names = tuple(word_text([tokens[position] for position in group]) for group in groups)
    return names, tuple(tokens[group[0]].special for group in groups), tuple(map(tuple, groups))
