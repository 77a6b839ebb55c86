"""What every head makes of a sentence in which words are marked; pure functions, no streamlit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.figures.sentence_arcs import Arc
from app.marked_text import MarkedText
from app.selection import Selection
from model.analysis.coreference import candidate_attention, margins, mean_of_heads, pair_change, ranked_heads
from model.errors import HeadscopeError
from model.trace import Trace


@dataclass(frozen=True, eq=False)
class Reading:
    """What every head makes of a marked text: scores [layer, head, candidate], margins [layer, head] of the right one.

    `word_scores` [layer, head, word] is the same for every word, NaN for the mention and where no token stands.
    """

    marked: MarkedText
    layers: tuple[int, ...]
    scores: np.ndarray
    margins: np.ndarray
    word_scores: np.ndarray


def read_coreference(trace: Trace, marked: MarkedText, selection: Selection, stack: str) -> Reading:
    """Return what every head makes of a marked text; raises HeadscopeError where a chosen word has no token."""
    asked = {"stack": stack, "direction": selection.direction, "hide_special": selection.hide_special}
    mention = marked.span(marked.mention)
    found = candidate_attention(
        trace, mention, [marked.span(group) for group in marked.candidates], head_word=selection.head_word, **asked
    )
    others = [word for word in range(len(marked.spans)) if word not in marked.mention]
    word_scores = np.full((*found.scores.shape[:2], len(marked.spans)), np.nan, dtype=np.float32)
    try:
        spans = [marked.spans[word] for word in others]
        word_scores[..., others] = candidate_attention(trace, mention, spans, **asked).scores
    except HeadscopeError:
        # A word that the tokenizer drops or joins to another has no weight of its own to show.
        pass
    return Reading(marked, found.layers, found.scores, margins(found.scores, marked.answer), word_scores)


def arcs(reading: Reading, heads: Sequence[tuple[int, int]]) -> list[Arc]:
    """Return an arc from the mention to each candidate, with the mean score over the heads (row, head)."""
    marked, scores = reading.marked, mean_of_heads(reading.scores, heads)
    return [
        Arc(marked.mention[0], group[-1], float(score), marked.known and place == marked.answer)
        for place, (group, score) in enumerate(zip(marked.candidates, scores, strict=True))
    ]


def word_weights(reading: Reading, heads: Sequence[tuple[int, int]]) -> list[float | None]:
    """Return the mean score of every word over the heads; None for the mention."""
    found = mean_of_heads(reading.word_scores, heads)
    return [None if np.isnan(score) else float(score) for score in found]


def best_heads(margin: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Return the (row, head) of the largest margins."""
    return ranked_heads(margin)[:count]


def change_between(first: Reading, second: Reading) -> np.ndarray:
    """Return how far every head's preference moves between two sentences, towards the right candidate of the first.

    The candidate it is compared with is the right one of the second sentence, or the next one where that is the same.
    """
    answer, other = first.marked.answer, second.marked.answer
    if other == answer:
        other = (answer + 1) % len(first.marked.candidates)
    return pair_change(first.scores, second.scores, answer, other)
