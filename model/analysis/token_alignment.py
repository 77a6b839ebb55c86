"""Alignment of two token sequences: what two texts share, or what two tokenizers made of one text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from model.analysis.views import AttentionView
from model.errors import HeadscopeError
from model.tokens import SPACE_MARK, Token

Place = tuple[int, int, int]  # the text (0 or 1) and the half-open character range in it
Groups = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class TokenAlignment:
    """Which items (tokens or words) of two sequences belong together.

    `pairs` holds groups of places ((in the first), (in the second)), one of each where both have the same item, more where
    one divides what the other does not; both sides are in order, so that nothing crosses. `only_first` and `only_second` are
    the places without a partner.
    """

    pairs: tuple[Groups, ...]
    only_first: tuple[int, ...] = ()
    only_second: tuple[int, ...] = ()


@dataclass(frozen=True)
class AxisItems:
    """What stands along one axis: display text, whether it is special, and the characters it covers (None: not known)."""

    texts: tuple[str, ...]
    special: tuple[bool, ...]
    places: tuple[Place | None, ...]

    def __len__(self) -> int:
        return len(self.texts)


def axis_items(view: AttentionView, axis: str, tokens: Sequence[Token] = ()) -> AxisItems:
    """Return what stands along the "query" or "key" axis of a view; `tokens` is the sequence of that axis, for its characters.

    Raises HeadscopeError where the tokens are not those of the view.
    """
    texts, special, groups = (getattr(view, f"{axis}_{name}") for name in ("tokens", "special", "groups"))
    if tokens and max((group[-1] for group in groups), default=-1) >= len(tokens):
        raise HeadscopeError(f"These {len(tokens)} tokens are not those of the {axis} axis: pass the trace's own.")
    places = [_place([tokens[position] for position in group]) if tokens else None for group in groups]
    return AxisItems(texts, special, tuple(places))


def align_axes(first: AxisItems, second: AxisItems, *, same_text: bool = False) -> TokenAlignment:
    """Return the alignment of two axes by the best that is known of them.

    Equal axes are aligned place by place; two tokenizations of the `same_text` by the characters they cover; all else by
    common words. Special tokens are aligned by their role: see `common_words`.
    """
    if (first.texts, first.special) == (second.texts, second.special):
        return TokenAlignment(tuple(((place,), (place,)) for place in range(len(first))))
    if same_text and _known(first) and _known(second):
        return _with_special(first, second, _overlaps)
    return common_words(first, second)


def common_words(first: AxisItems, second: AxisItems) -> TokenAlignment:
    """Return the alignment by the longest common subsequence of the words, capitals and joining marks aside.

    Of several equally long ones it is the one that begins first. Special tokens are aligned by their role, whatever
    they are called: those before the first word from the front on, those after the last word from the back on; one between
    words (as between two texts) only with another of the same text.
    """
    return _with_special(first, second, _longest_common)


def bare_word(text: str) -> str:
    """Return the display form of a token without the marks that join it to others or part it from them."""
    return text.removeprefix("##").lstrip(SPACE_MARK) or text


def _with_special(
    first: AxisItems, second: AxisItems, align: Callable[[AxisItems, AxisItems, range, range], list[Groups]]
) -> TokenAlignment:
    """Return `align` of what stands between the outer special tokens, and those by their role."""
    inner = [_inner(axis) for axis in (first, second)]
    front = [((place,), (place,)) for place in range(min(inner[0].start, inner[1].start))]
    ends = min(len(first) - inner[0].stop, len(second) - inner[1].stop)
    back = [((len(first) - place,), (len(second) - place,)) for place in range(ends, 0, -1)]
    pairs = (*front, *align(first, second, *inner), *back)
    used = [{place for pair in pairs for place in pair[side]} for side in (0, 1)]
    left = (tuple(set(range(len(axis))) - used[side]) for side, axis in enumerate((first, second)))
    return TokenAlignment(pairs, *(tuple(sorted(places)) for places in left))


def _inner(axis: AxisItems) -> range:
    """Return the places from the first to the last item that is not special; where all are, they are a beginning."""
    words = [place for place, special in enumerate(axis.special) if not special]
    return range(words[0], words[-1] + 1) if words else range(len(axis), len(axis))


def _longest_common(first: AxisItems, second: AxisItems, places: range, others: range) -> list[Groups]:
    numbers: dict[str, int] = {}
    rows, columns = (
        np.array([numbers.setdefault(_word(axis, place), len(numbers)) for place in own], dtype=np.int64)
        for axis, own in ((first, places), (second, others))
    )
    path = _common_subsequence(rows[:, None] == columns[None, :])
    return [((places[row],), (others[column],)) for row, column in path]


def _common_subsequence(equal: Bool[np.ndarray, "first second"]) -> list[tuple[int, int]]:
    """Return the longest increasing path through the cells that are True; of several, the one that is first in both."""
    rows, columns = equal.shape
    longest = np.zeros((rows + 1, columns + 1), dtype=np.int32)  # of what is left from (row, column) on
    for row in range(rows - 1, -1, -1):
        best = np.maximum(longest[row + 1, :-1], longest[row + 1, 1:] + equal[row])
        longest[row, :-1] = np.maximum.accumulate(best[::-1])[::-1]
    path, row, column = [], 0, 0
    while row < rows and column < columns and longest[row, column]:
        if equal[row, column] and longest[row, column] == longest[row + 1, column + 1] + 1:
            path.append((row, column))
            row, column = row + 1, column + 1
        elif longest[row, column + 1] == longest[row, column]:
            column += 1
        else:
            row += 1
    return path


def _overlaps(first: AxisItems, second: AxisItems, places: range, others: range) -> list[Groups]:
    """Return the smallest groups of both that cover the same characters; a token of no characters has no partner."""
    items = sorted(
        (span, side, place)
        for side, axis, own in ((0, first, places), (1, second, others))
        for place in own
        if (span := axis.places[place]) is not None and span[1] < span[2]
    )
    groups: list[tuple[list[int], list[int]]] = []
    reach = (0, 0)
    for (text, start, end), side, place in items:
        if not groups or (text, start) >= reach:
            groups.append(([], []))
        groups[-1][side].append(place)
        reach = max(reach, (text, end))
    return [(tuple(one), tuple(other)) for one, other in groups if one and other]


def _word(axis: AxisItems, place: int) -> str:
    # A special token is never a word of the text that only looks like it.
    text = axis.texts[place]
    return f"\0{text}".casefold() if axis.special[place] else bare_word(text).casefold()


def _known(axis: AxisItems) -> bool:
    return all(place is not None for place, special in zip(axis.places, axis.special, strict=True) if not special)


def _place(tokens: Sequence[Token]) -> Place | None:
    spans = [token.span for token in tokens if token.span is not None and not token.special]
    if len(spans) < len(tokens):
        return None
    return tokens[0].segment or 0, min(start for start, _ in spans), max(end for _, end in spans)
