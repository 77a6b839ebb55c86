"""One sentence, or the two of a minimal pair, run and read with one choice of heads; no streamlit."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from app import engine
from app.coreference_pictures import ChosenHeads, chosen_heads
from app.coreference_reading import Reading, read_coreference
from app.held_out import PairScores
from app.marked_text import MarkedText, other_text
from app.selection import Selection
from model.loading import LoadedModel
from model.trace import Trace


@dataclass(frozen=True, eq=False)
class Comparison:
    """Traces and readings of one sentence or two, and the heads that are shown of both.

    `scores` says how the heads do on other pairs, where the model can read them.
    """

    stack: str
    traces: tuple[Trace, ...]
    readings: tuple[Reading, ...]
    chosen: ChosenHeads
    scores: PairScores | None

    @property
    def unmoved(self) -> bool:
        """Whether two sentences give the same scores: in a decoder whose mention stands before the word that changes."""
        return len(self.readings) == 2 and np.allclose(
            self.readings[0].scores, self.readings[1].scores, equal_nan=True, atol=1e-6
        )


def compare(
    selection: Selection, marked: MarkedText, loaded: LoadedModel, progress: Callable[[float], None], *, pair: bool
) -> Comparison:
    """Return the comparison of a marked text with the selection's second sentence (`pair`), or the text alone.

    Raises HeadscopeError where the model cannot read a sentence or a chosen word has no token.
    """
    scores = engine.known_pair_scores(selection, loaded, progress)
    marks = [marked, other_text(marked, selection.other)] if pair and selection.other else [marked]
    traces = tuple(engine.sentence_run(selection, one.text, loaded, progress).trace for one in marks)
    stack = selection.stack if selection.stack in traces[0].stacks else traces[0].stacks[0]
    readings = tuple(read_coreference(trace, one, selection, stack) for trace, one in zip(traces, marks, strict=True))
    # One choice for both sentences: what was chosen on the first must hold on the second.
    return Comparison(stack, traces, readings, chosen_heads(selection, readings[0], scores), scores)
