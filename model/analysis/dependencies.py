"""How well the strongest attention of a head finds the head, or the dependant, of each dependency relation.

Clark et al. 2019, section 4.2: attention to a split word is summed, from it averaged; special tokens are left out, and so
is what a word pays to itself. For every word that depends on another word, its head is guessed as

    dependant to head    argmax_v weight[dependant, v]     the word to which the dependant attends most
    head to dependant    argmax_v weight[v, dependant]     the word that attends to the dependant most

and a guess is right where v is the annotated head. The baseline guesses the word at one fixed distance from the dependant.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from model.analysis.score_sums import ScoreSums
from model.conllu import ParsedSentence
from model.tokens import Token

DIRECTIONS = ("dependant to head", "head to dependant")
# Every relation but that of punctuation marks, which the figures of parsers leave out too.
ALL_RELATIONS = "all relations"
PUNCTUATION = "punct"
# Where the head stands, in words from its dependant; the axis of `offset_sums`.
OFFSETS = (*range(-10, 0), *range(1, 11))


def relation_score_name(relation: str, direction: str) -> str:
    """Return the name of a score, such as "nsubj: dependant to head"."""
    return f"{relation}: {direction}"


def parse_relation_score(name: str) -> tuple[str, str] | None:
    """Return (relation, direction) of the name of a relation's score, None where it is the name of another."""
    relation, _, direction = name.rpartition(": ")
    return (relation, direction) if relation and direction in DIRECTIONS else None


def count_relations(sentences: Sequence[ParsedSentence]) -> dict[str, int]:
    """Return how many words stand in each relation to another word, the most frequent first, ALL_RELATIONS before them."""
    found = Counter(word.relation for sentence in sentences for word in sentence.words if word.head is not None)
    total = sum(count for relation, count in found.items() if relation != PUNCTUATION)
    return {ALL_RELATIONS: total, **dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0])))}


@dataclass(frozen=True, eq=False)
class RelationFacts:
    """What is known of several texts with equally many tokens before any head is looked at.

    `sums` is 1 where a token is of a word, `means` 1 / (tokens of the word). `hidden` is True where a word may not be
    guessed from another: the mask lets none of its tokens see it, a word has no token, or they are the same. `gold` is the
    word on which each word depends. `cases` is 1 where a word's relation counts for a score of either direction: those where
    the mask lets the right word be found, in a causal model the head before its dependant, or after it.
    """

    relations: tuple[str, ...]
    sums: Float32[Tensor, "text token word"]
    means: Float32[Tensor, "text word token"]
    hidden: Bool[Tensor, "text word word"]
    gold: Int64[Tensor, "text word"]
    cases: tuple[Float32[Tensor, "text word relation"], Float32[Tensor, "text word relation"]]

    @property
    def names(self) -> tuple[str, ...]:
        """The scores: every relation in the first direction, then in the second."""
        return tuple(
            relation_score_name(relation, direction) for direction in DIRECTIONS for relation in self.relations
        )

    @cached_property
    def counts(self) -> Float64[np.ndarray, "score text"]:
        """How many words count for each score."""
        counts = [cases.sum(dim=1).T for cases in self.cases]
        return torch.cat(counts).double().cpu().numpy()


def relation_facts(
    sentences: Sequence[ParsedSentence],
    tokens: Sequence[Sequence[Token]],
    relations: Sequence[str],
    *,
    allowed: Bool[Tensor, "one_or_text token token"] | None = None,
    device: torch.device | str = "cpu",
) -> RelationFacts:
    """Return the facts of texts from their annotations and their tokens, as many in every text.

    A token belongs to the first word that it has a character of; a word without a token (hidden in another's token) is left
    out, as dependant and as head. `relations` are labels as annotated, and ALL_RELATIONS; `allowed` is True where a query
    may attend to a key (None: everywhere). Raises ValueError where texts and tokens do not fit together.
    """
    lengths = {len(sequence) for sequence in tokens}
    if len(sentences) != len(tokens) or len(lengths) != 1:
        raise ValueError("Give one sequence of tokens for every sentence, each of the same length.")
    size = max(len(sentence.words) for sentence in sentences)
    owners = np.stack([token_owners(sentence, own) for sentence, own in zip(sentences, tokens, strict=True)])
    sums = torch.from_numpy(owners[..., None] == np.arange(size)).float()
    hidden = ~_visible(sums, allowed) | torch.eye(size, dtype=torch.bool)
    gold, members = _annotations(sentences, relations, size)
    places = torch.arange(size)
    texts = torch.arange(len(sentences))[:, None]
    cases = (members * ~hidden[texts, places, gold][..., None], members * ~hidden[texts, gold, places][..., None])
    means = (sums / sums.sum(dim=1, keepdim=True).clamp(min=1)).transpose(1, 2).contiguous()
    return RelationFacts(
        tuple(relations), sums.to(device), means.to(device), hidden.to(device), gold.to(device),
        (cases[0].to(device), cases[1].to(device)),
    )  # fmt: skip


def token_owners(sentence: ParsedSentence, tokens: Sequence[Token]) -> Int64[np.ndarray, " token"]:
    """Return the word of each token, by its characters; -1 for special tokens and those that stand in no word."""
    owner = [-1] * len(sentence.text)
    for place, word in reversed(list(enumerate(sentence.words))):
        start, end = word.span
        owner[start:end] = [place] * (end - start)
    found = [
        -1
        if token.span is None or token.special
        else next((place for place in owner[slice(*token.span)] if place >= 0), -1)
        for token in tokens
    ]
    return np.array(found, dtype=np.int64)


def _visible(sums: Tensor, allowed: Tensor | None) -> Tensor:
    """Return bool [text, word, word]: True where a token of the one may attend to a token of the other."""
    if allowed is None:
        there = sums.any(dim=1)
        return there[:, :, None] & there[:, None, :]
    return torch.matmul(torch.matmul(sums.transpose(1, 2), allowed.cpu().float()), sums) > 0


def _annotations(sentences: Sequence[ParsedSentence], relations: Sequence[str], size: int) -> tuple[Tensor, Tensor]:
    """Return the head of every word (0 where it has none), and float [text, word, relation]: 1 where it counts for one."""
    columns: Mapping[str, int] = {relation: column for column, relation in enumerate(relations)}
    gold = np.zeros((len(sentences), size), dtype=np.int64)
    members = np.zeros((len(sentences), size, len(relations)), dtype=np.float32)
    for text, place, relation, head in _dependants(sentences):
        gold[text, place] = head
        if relation in columns:
            members[text, place, columns[relation]] = 1
        if relation != PUNCTUATION and ALL_RELATIONS in columns:
            members[text, place, columns[ALL_RELATIONS]] = 1
    return torch.from_numpy(gold), torch.from_numpy(members)


def _dependants(sentences: Sequence[ParsedSentence]) -> Iterator[tuple[int, int, str, int]]:
    """Yield (text, word, relation, head) of every word that depends on a word."""
    for text, sentence in enumerate(sentences):
        for place, word in enumerate(sentence.words):
            if word.head is not None:
                yield text, place, word.relation, word.head


class RelationScores:
    """The accuracies of the heads of one layer on texts of equally many tokens, added up from blocks of rows.

    For each relation and direction, value = how many words' heads are guessed, count = how many words; in [0, 1] as a share.
    The guess must be larger than for every other word: a tie is no guess, so that uniform attention finds nothing.
    The baselines are NaN; `offset_sums` gives what fixed distances find in the same words.
    """

    def __init__(self, facts: RelationFacts):
        self._facts = facts
        self._merged: Tensor | None = None
        self._rows = 0

    def add(self, weights: Float32[Tensor, "text head row key"], start: int) -> None:
        """Take a block of consecutive query rows, from row `start` on."""
        texts, heads, rows, keys = weights.shape
        to_words = torch.bmm(weights.reshape(texts, heads * rows, keys), self._facts.sums)
        means = self._facts.means[:, None, :, start : start + rows]
        merged = torch.matmul(means, to_words.view(texts, heads, rows, -1))
        self._merged = merged if self._merged is None else self._merged.add_(merged)
        self._rows += rows

    def sums(self) -> ScoreSums:
        """Return the sums when all rows were added; raises ValueError before."""
        if self._merged is None or self._rows != self._facts.sums.shape[1]:
            raise ValueError(f"{self._rows} of {self._facts.sums.shape[1]} rows were added.")
        merged, gold = self._merged.masked_fill_(self._facts.hidden[:, None], -1), self._facts.gold[:, None, :]
        parts = []
        for axis, cases in zip((3, 2), self._facts.cases, strict=True):
            places = gold.unsqueeze(axis).expand(-1, merged.shape[1], *((-1, 1) if axis == 3 else (1, -1)))
            parts.append(torch.matmul(_strongest(merged, places, axis), cases).permute(2, 0, 1))
        values = torch.cat(parts).double().cpu().numpy()
        counts = self._facts.counts
        return ScoreSums(self._facts.names, values, np.full(counts.shape, np.nan), counts)


def _strongest(merged: Tensor, places: Tensor, axis: int) -> Tensor:
    """Return float [text, head, word]: 1 where the weight at `places` along an axis is larger than all others of it."""
    chosen = merged.gather(axis, places)
    # Taken out for a moment: comparing with the others costs a fifth of finding which is the largest.
    merged.scatter_(axis, places, -1.0)
    largest = merged.amax(dim=axis, keepdim=True)
    merged.scatter_(axis, places, chosen)
    return (chosen > largest).squeeze(axis).float()


def offset_sums(facts: RelationFacts, sentences: Sequence[ParsedSentence]) -> ScoreSums:
    """Return what guessing the word at each distance of OFFSETS finds, in the same words; the head axis is that of OFFSETS.

    value[score, text, o] = how many of the words that count have their head at distance OFFSETS[o] (Clark et al. 2019)
    """
    places = {offset: place for place, offset in enumerate(OFFSETS)}
    found = np.zeros((*facts.gold.shape, len(OFFSETS)))
    for text, word, _relation, head in _dependants(sentences):
        if head - word in places:
            found[text, word, places[head - word]] = 1
    values = [np.einsum("twr,two->rto", cases.cpu().numpy(), found) for cases in facts.cases]
    counts = facts.counts
    return ScoreSums(facts.names, np.concatenate(values).astype(np.float64), np.full(counts.shape, np.nan), counts)
