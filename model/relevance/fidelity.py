"""Fidelity: how well each map's order of the tokens agrees with what happens when they are blanked out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from model.encoding import Encoding
from model.errors import HeadscopeError
from model.lazy_capture import Progress
from model.loading import LoadedModel
from model.relevance.blanking import BlankOut, blank_out
from model.relevance.outputs import ChosenOutput, usual_output
from model.relevance.relevance_run import part_of
from model.relevance.token_relevances import TokenRelevances, token_relevances

# With fewer tokens a rank correlation takes a handful of values only.
FEWEST_TOKENS = 5
_BLANKED = 0.4


@dataclass(frozen=True)
class MethodFidelity:
    """Spearman's correlation of one map with blank-out; NaN where a map tells no token from another."""

    method: str
    layer: int | None
    spearman: float


@dataclass(frozen=True, eq=False)
class TextFidelity:
    """The fidelity of every method and layer on one text, with the relevances and the blank-out that it compares."""

    output: ChosenOutput
    blank_out: BlankOut
    relevances: TokenRelevances
    rows: tuple[MethodFidelity, ...]

    @property
    def refused(self) -> Mapping[str, str]:
        """The methods that this model or text does not allow, with the sentence that says why."""
        return self.relevances.refused


def text_fidelity(
    loaded: LoadedModel,
    encoding: Encoding,
    output: ChosenOutput | None = None,
    *,
    methods: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> TextFidelity:
    """Return how well each method's relevance of the tokens agrees with blank-out on one text (Abnar & Zuidema 2020, section 4).

    fidelity = Spearman(relevance, change of the output when a token is blanked out), over the tokens that are not special

    `output` is `usual_output` where it is left out. It says which map to trust for this text and output, and no more: blank-out
    takes tokens one at a time and leaves a text that the model was not trained on. `progress` is called with the done share and
    may raise to cancel. Raises HeadscopeError for fewer than 5 tokens.
    """
    count = sum(not token.special for token in encoding.tokens)
    if count < FEWEST_TOKENS:
        raise HeadscopeError(
            f"Ranks need at least {FEWEST_TOKENS} tokens that are not special, and this text has {count}."
        )
    output = usual_output(loaded, encoding) if output is None else output
    blanked = blank_out(loaded, encoding, output, progress=part_of(progress, 0.0, _BLANKED))
    relevances = token_relevances(loaded, encoding, output, methods=methods, progress=part_of(progress, _BLANKED, 1.0))
    kept = np.isfinite(blanked.changes)
    rows = [
        MethodFidelity(found.method, found.layer, spearman(found.values[kept], blanked.changes[kept]))
        for found in relevances.found
    ]
    return TextFidelity(output, blanked, relevances, tuple(rows))


def spearman(one: Float[np.ndarray, " item"], other: Float[np.ndarray, " item"]) -> float:
    """Return Spearman's rank correlation, from -1 to 1: Pearson's of the ranks, equal values sharing the mean of theirs.

    NaN where one of the two is the same everywhere.
    """
    first, second = (rankdata(values) - (len(values) + 1) / 2 for values in (one, other))
    size = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / size if size > 0 else float("nan")
