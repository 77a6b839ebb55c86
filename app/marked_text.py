"""The words of a sentence that are followed: a mention, its candidates and the right one; chosen, known or proposed."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from app.selection import Selection
from model.errors import HeadscopeError
from model.mentions import proposal, propose_mentions
from model.minimal_pairs import MINIMAL_PAIRS
from model.tokens import word_spans

MOST_WORDS = 300
Group = tuple[int, ...]


@dataclass(frozen=True)
class MarkedText:
    """A text with its words, the word indices of a mention and of its candidates, and which candidate is right.

    `known` says that the right candidate is known, because the sentence is one of the minimal pairs or the user said so.
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    mention: Group
    candidates: tuple[Group, ...]
    answer: int
    known: bool

    @property
    def words(self) -> list[str]:
        """The words as they stand in the text."""
        return [self.text[start:end] for start, end in self.spans]

    @property
    def gaps(self) -> list[bool]:
        """Whether there is space before each word."""
        ends = [0, *(end for _, end in self.spans)]
        return [start > end for end, (start, _) in zip(ends, self.spans, strict=False)]

    @property
    def complete(self) -> bool:
        """Whether there is a mention and a choice between candidates."""
        return bool(self.mention) and len(self.candidates) > 1

    def span(self, group: Group) -> tuple[int, int]:
        """Return the character range of adjacent words."""
        return self.spans[group[0]][0], self.spans[group[-1]][1]

    def name(self, group: Group) -> str:
        """Return the words of a group."""
        start, end = self.span(group)
        return self.text[start:end]

    def roles(self) -> dict[int, tuple[str, ...]]:
        """Return the roles of words: "mention", "candidate", and "answer" where it is known."""
        named = dict.fromkeys(self.mention, ("mention",))
        for place, group in enumerate(self.candidates):
            right = self.known and place == self.answer
            named |= dict.fromkeys(group, ("candidate", "answer") if right else ("candidate",))
        return named


def marked_text(selection: Selection) -> MarkedText:
    """Return the selected text with the chosen words, or with those that are known of it or proposed."""
    text = selection.text
    spans = tuple(word_spans(text))
    if len(spans) > MOST_WORDS:
        raise HeadscopeError(f"This page shows up to {MOST_WORDS} words; the text has {len(spans)}. Shorten it.")
    mention, candidates, answer = _known(text, spans) or (*_proposed(text, spans), -1)
    if selection.mention or selection.candidates:
        chosen = parse_groups(selection.mention, len(spans))
        mention = chosen[0] if chosen else mention
        if selection.candidates:
            found = parse_groups(selection.candidates, len(spans))
            answer = answer if found == candidates else -1
            candidates = found
        candidates = tuple(group for group in candidates if not set(group) & set(mention))
    if selection.answer >= 0:
        answer = selection.answer
    known = 0 <= answer < len(candidates)
    return MarkedText(text, spans, mention, candidates, answer if known else 0, known)


def other_text(marked: MarkedText, other: str) -> MarkedText:
    """Return the second sentence of a minimal pair with the same words marked; the right candidate is the next one.

    Raises HeadscopeError where a marked word is not in it.
    """
    spans = tuple(word_spans(other))
    words = [other[start:end].lower() for start, end in spans]
    matcher = difflib.SequenceMatcher(None, [word.lower() for word in marked.words], words, autojunk=False)
    place = {block.a + step: block.b + step for block in matcher.get_matching_blocks() for step in range(block.size)}
    groups = []
    for group in (marked.mention, *marked.candidates):
        if any(word not in place for word in group):
            raise HeadscopeError(
                f"“{marked.name(group)}” is not in the second sentence: a minimal pair has the same mention and candidates."
            )
        groups.append(tuple(place[word] for word in group))
    known = _known(other, spans)
    answer = known[2] if known and known[1] == tuple(groups[1:]) else (marked.answer + 1) % len(marked.candidates)
    return MarkedText(other, spans, groups[0], tuple(groups[1:]), answer, marked.known)


def parse_groups(text: str, words: int) -> tuple[Group, ...]:
    """Return the word groups that "1,5-6" names, in the order of the text; what is not among the words is left out."""
    groups = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        group = tuple(range(int(first), int(last or first) + 1))
        if group and group[-1] < words:
            groups.append(group)
    return tuple(sorted(groups))


def format_groups(groups: Sequence[Group]) -> str:
    """Return word groups as "1,5-6"; the inverse of `parse_groups`."""
    return ",".join(str(group[0]) if len(group) == 1 else f"{group[0]}-{group[-1]}" for group in groups)


def toggled(marked: MarkedText, word: int, role: str) -> dict[str, str | int]:
    """Return what changes in the selection when a word is made the mention, or a candidate or no longer one."""
    answer = marked.candidates[marked.answer] if marked.known else None
    if role == "mention":
        mention, candidates = (word,), tuple(group for group in marked.candidates if word not in group)
    else:
        mention = tuple(place for place in marked.mention if place != word)
        without = tuple(group for group in marked.candidates if word not in group)
        candidates = without if len(without) < len(marked.candidates) else tuple(sorted((*without, (word,))))
    return {
        "mention": format_groups([mention] if mention else []),
        "candidates": format_groups(candidates),
        "answer": candidates.index(answer) if answer in candidates else -1,
    }


def _known(text: str, spans) -> tuple[Group, tuple[Group, ...], int] | None:
    for pair in MINIMAL_PAIRS:
        for which, sentence in enumerate((pair.first, pair.second)):
            if sentence == text:
                mention, candidates = pair.spans(which)
                groups = [_words_in(spans, span) for span in candidates]
                order = sorted(groups)
                return _words_in(spans, mention), tuple(order), order.index(groups[pair.answers[which]])
    return None


def _proposed(text: str, spans) -> tuple[Group, tuple[Group, ...]]:
    mentions = propose_mentions(text)
    mention, candidates = proposal(text)
    groups = sorted(_words_in(spans, mentions[place].span) for place in candidates)
    return () if mention is None else _words_in(spans, mentions[mention].span), tuple(groups)


def _words_in(spans, span: tuple[int, int]) -> Group:
    return tuple(word for word, (start, end) in enumerate(spans) if start < span[1] and span[0] < end)
