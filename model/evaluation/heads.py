"""Which heads of a causal model look at the token before, and which complete a pattern that they have seen."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from model.analysis.repeated_tokens import RepeatedTokens, random_scores, repeated_traces
from model.analysis.score_sums import ScoreSums
from model.analysis.trace_scores import trace_scores
from model.errors import HeadscopeError
from model.loading import LoadedModel


@dataclass(frozen=True, eq=False)
class PatternScores:
    """Mean attention of every head, float32 [layer, head], to the token before and to the token that came next last time."""

    previous_token: Float[np.ndarray, "layer head"]
    induction: Float[np.ndarray, "layer head"]


def pattern_scores(loaded: LoadedModel, *, period: int = 50, sequences: int = 8, seed: int = 0) -> PatternScores:
    """Return the scores of a causal model's heads on random tokens that are repeated once (see `repeated_tokens`).

    Raises HeadscopeError where the model takes fewer tokens or does not attend in one causal stack.
    """
    plan = RepeatedTokens(period, repeats=2, sequences=sequences, seed=seed)
    previous, induction = [], []
    for trace in repeated_traces(loaded, plan):
        if trace.stacks != ("decoder",):
            raise HeadscopeError(f"{loaded.name} is no causal language model. Choose a decoder.")
        previous.append([_mean(sums, "previous token") for sums in trace_scores(trace, "decoder").values()])
        induction.append([_mean(sums, "induction") for sums in random_scores(trace, "decoder", plan).values()])
    return PatternScores(
        np.stack(previous).mean(axis=0, dtype=np.float32), np.stack(induction).mean(axis=0, dtype=np.float32)
    )


def _mean(sums: ScoreSums, name: str) -> Float[np.ndarray, " head"]:
    """Return a score of every head over the rows of one text."""
    place = sums.names.index(name)
    return sums.values[place, 0] / sums.counts[place, 0]
