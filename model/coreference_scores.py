"""Every head's scores for every example of a coreference set, computed once and kept if the run is stopped."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.analysis.coreference import candidate_attention
from model.batching import record_batches
from model.coreference_sets import CoreferenceExample, CoreferenceSet
from model.errors import HeadscopeError, InputError, TextTooLong
from model.loading import LoadedModel
from model.partial_scores import KeptScores, PartialScores, run_fingerprint

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class ScoredSet:
    """Examples of a set with the scores float32 [layer, head, candidate] of each; `seconds` is the time of all runs."""

    examples: tuple[CoreferenceExample, ...]
    scores: tuple[np.ndarray, ...]
    layers: tuple[int, ...]
    left_out: dict[str, int]
    seconds: float


def score_set(
    loaded: LoadedModel,
    data: CoreferenceSet,
    *,
    direction: str = "from mention",
    partial: PartialScores | None = None,
    progress: Progress | None = None,
) -> ScoredSet:
    """Return the attention between mention and candidates of every example (see `candidate_attention`).

    What is in `partial` (see `scores_beside`) is not computed again, and what is done is kept there. `progress` is called
    with the done share and may raise to cancel. Texts too long for the model are counted in `left_out`. Raises
    HeadscopeError where no example can be scored.
    """
    with nullcontext() if partial is None else partial:
        kept = {} if partial is None else dict(partial.kept)
        failed: dict[int, HeadscopeError] = {}
        waiting = [index for index in range(len(data.examples)) if index not in kept]
        for index, scores in _scored(loaded, data, waiting, direction, failed, progress):
            kept[index] = scores
            if partial is not None:
                partial.keep(index, scores)
    return _gathered(data, kept, failed)


def scores_beside(
    result: Path, loaded: LoadedModel, data: CoreferenceSet, *, direction: str = "from mention", restart: bool = False
) -> PartialScores:
    """Return what an earlier run over the same model, data and direction kept beside its result; nothing with `restart`."""
    fingerprint = run_fingerprint(loaded, (direction, *data.examples))
    return PartialScores(result, fingerprint, restart=restart)


def _scored(
    loaded: LoadedModel,
    data: CoreferenceSet,
    waiting: Sequence[int],
    direction: str,
    failed: dict[int, HeadscopeError],
    progress: Progress | None,
) -> Iterator[tuple[int, KeptScores]]:
    """Yield (index, KeptScores) of the examples in `waiting` that can be scored; the errors of others go to `failed`."""
    total, done = len(data.examples), len(data.examples) - len(waiting)

    def report(share: float) -> None:
        if progress is not None:
            progress((done + share * len(waiting)) / total)

    def leave_out(place: int, error: HeadscopeError) -> None:
        failed[waiting[place]] = error

    if not waiting:
        report(1.0)
        return
    texts = [data.examples[index].text for index in waiting]
    started = time.perf_counter()
    for place, trace in record_batches(loaded, texts, progress=report, on_error=leave_out):
        index = waiting[place]
        example = data.examples[index]
        try:
            found = candidate_attention(trace, example.mention, example.candidates, direction=direction)
        except HeadscopeError as error:
            failed[index] = error
            continue
        now = time.perf_counter()
        yield index, KeptScores(found.layers, found.scores, now - started)
        started = now


def _gathered(data: CoreferenceSet, kept: dict[int, KeptScores], failed: dict[int, HeadscopeError]) -> ScoredSet:
    if not kept:
        reason = next(iter(failed.values()), "The set is empty.")
        raise HeadscopeError(f"No example could be scored. {reason}")
    left_out = Counter(data.left_out) + Counter(_reason(error) for error in failed.values())
    places = sorted(kept)
    return ScoredSet(
        tuple(data.examples[place] for place in places),
        tuple(kept[place].scores for place in places),
        tuple(kept[places[0]].layers),
        dict(left_out),
        sum(scores.seconds for scores in kept.values()),
    )


def _reason(error: HeadscopeError) -> str:
    if isinstance(error, TextTooLong):
        return "too long for the model"
    return "not run by the model" if isinstance(error, InputError) else "mention or candidates not found in the tokens"
