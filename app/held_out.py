"""Heads chosen on other sentences than the one that is shown; no streamlit."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from model.analysis.coreference import correctness, margins, ranked_heads
from model.coreference_scores import score_set
from model.coreference_sets import CoreferenceExample, CoreferenceSet
from model.loading import LoadedModel
from model.minimal_pairs import MINIMAL_PAIRS


@dataclass(frozen=True, eq=False)
class PairScores:
    """How every head does on the minimal pairs: correct and margin [sentence, layer, head]; `pairs` names each one's pair."""

    pairs: tuple[str, ...]
    correct: np.ndarray
    margin: np.ndarray

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, in bytes."""
        return self.correct.nbytes + self.margin.nbytes

    def kept(self, left_out: str) -> np.ndarray:
        """Return which sentences belong to another pair than the one named."""
        return np.array([pair != left_out for pair in self.pairs])

    def accuracy(self, left_out: str) -> np.ndarray:
        """Return the share of the other pairs' sentences that each head gets right, [layer, head]."""
        return self.correct[self.kept(left_out)].mean(axis=0)

    def ranked(self, left_out: str) -> list[tuple[int, int]]:
        """Return (row, head) from the head that is right most often on the other pairs; among equals the larger margin first."""
        # A margin lies in [-1, 1] and one sentence more or less counts 1 / 100 at the least.
        return ranked_heads(1000 * self.accuracy(left_out) + self.margin[self.kept(left_out)].mean(axis=0))


def pair_scores(loaded: LoadedModel, direction: str, progress: Callable[[float], None]) -> PairScores:
    """Return how every head of a model does on the minimal pairs; raises HeadscopeError where it can read none of them."""
    examples = tuple(example for pair in MINIMAL_PAIRS for example in _examples(pair))
    found = score_set(loaded, CoreferenceSet("minimal pairs", examples), direction=direction, progress=progress)
    answers = [example.answer for example in found.examples]
    return PairScores(
        tuple(example.cluster for example in found.examples),
        np.stack([correctness(scores, answer) for scores, answer in zip(found.scores, answers, strict=True)]),
        np.stack([margins(scores, answer) for scores, answer in zip(found.scores, answers, strict=True)]),
    )


def pair_of(text: str) -> str:
    """Return the name of the minimal pair that a sentence belongs to, "" where it belongs to none."""
    return next((pair.name for pair in MINIMAL_PAIRS if text in (pair.first, pair.second)), "")


def _examples(pair) -> list[CoreferenceExample]:
    examples = []
    for which, text in enumerate((pair.first, pair.second)):
        mention, candidates = pair.spans(which)
        identifier = f"{pair.name} {which + 1}"
        examples.append(
            CoreferenceExample(identifier, text, mention, tuple(candidates), pair.answers[which], pair.name, {})
        )
    return examples
