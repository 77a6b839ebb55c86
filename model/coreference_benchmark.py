"""The coreference benchmark: how often each head attends most to the right antecedent, against positions and chance.

A head's choice is the candidate with its largest score. The best of many heads on the examples that it was chosen on is partly
luck, so one head is chosen on the first half of the clusters and measured on the second. Whether a head follows the reference
or the stereotype shows only where both were given: it is chosen on pro- and anti-stereotyped sentences together, and its gap,
accuracy(pro) - accuracy(anti), stands beside its accuracy.
"""

import time
from collections.abc import Iterator

from model.analysis.coreference import held_out_head
from model.analysis.intervals import FEW_CLUSTERS
from model.coreference_outcomes import Outcomes, outcomes_of
from model.coreference_records import (
    Accuracy,
    CoreferenceResults,
    Difference,
    HeadGap,
    HeadResult,
    HeldOut,
    Measured,
    Run,
    SetResult,
)
from model.coreference_scores import Progress, ScoredSet, score_set
from model.coreference_sets import CoreferenceSet
from model.loading import LoadedModel
from model.partial_scores import PartialScores
from model.recorded_trace import versions

LARGEST_GAPS = 5
# From here on a position alone is called out: chance is 0.5.
TELLING_POSITION = 0.6


def benchmark_coreference(
    loaded: LoadedModel,
    data: CoreferenceSet,
    *,
    direction: str = "from mention",
    partial: PartialScores | None = None,
    progress: Progress | None = None,
    command: str = "",
) -> CoreferenceResults:
    """Return the accuracy of every head on a set, and where its examples are of several types on each type alone.

    See `score_set` for `partial`, `progress` and what it raises; `command` is written into the results.
    """
    scored = score_set(loaded, data, direction=direction, partial=partial, progress=progress)
    started = time.perf_counter()
    sets = results_by_type(data.name, scored)
    run = Run(
        set=data.name,
        command=command,
        seconds=scored.seconds + time.perf_counter() - started,
        device=str(loaded.device),
        dtype=str(loaded.dtype).removeprefix("torch."),
        versions=versions(),
    )
    return CoreferenceResults(loaded.name, loaded.revision, direction, (run,), sets)


def results_by_type(name: str, scored: ScoredSet) -> dict[str, SetResult]:
    """Return the result of the whole set by its name, and "name type 1" and so on where there are several types."""
    outcomes = outcomes_of(scored.examples, scored.scores, scored.layers)
    results = {name: set_result(outcomes, scored.left_out)}
    kinds = outcomes.groups().get("type", {})
    if len(kinds) > 1:
        results |= {f"{name} type {kind}": set_result(outcomes.of(chosen), {}) for kind, chosen in kinds.items()}
    return results


def set_result(outcomes: Outcomes, left_out: dict[str, int]) -> SetResult:
    """Return what every head and baseline gives on these examples."""
    heads = tuple(
        HeadResult(
            layer=outcomes.layers[row],
            head=head,
            agreement={name: float(shares[row, head]) for name, shares in outcomes.agreement().items()},
            **vars(measured),
        )
        for (row, head), measured in zip(outcomes.heads, outcomes.measured_heads(), strict=True)
    )
    held_out = _held_out(outcomes)
    baselines = outcomes.measured_baselines()
    gaps = sorted(
        (HeadGap(head.layer, head.head, head.gap) for head in heads if head.gap is not None),
        key=lambda head: -abs(head.gap.value),
    )
    return SetResult(
        n=len(outcomes.examples),
        clusters=outcomes.bootstrap.clusters,
        left_out=left_out,
        warnings=tuple(_warnings(outcomes, baselines)),
        baselines=baselines,
        held_out=held_out,
        largest_gaps=tuple(gaps[:LARGEST_GAPS]),
        heads=heads,
    )


def _held_out(outcomes: Outcomes) -> HeldOut | None:
    """Choose on the first half of the clusters, by first appearance, and measure on the second; None of one cluster."""
    numbers = outcomes.bootstrap.numbers
    first = numbers < (outcomes.bootstrap.clusters + 1) // 2
    if first.all():
        return None
    choosing, testing = outcomes.of(first), outcomes.of(~first)
    place = held_out_head(choosing.correct, choosing.margin)
    column = outcomes.heads.index(place)
    measured = testing.measured_heads([place])[0]
    on_first = choosing.measured_heads([place])[0]
    return HeldOut(
        layer=outcomes.layers[place[0]],
        head=place[1],
        chosen_on=Accuracy(on_first.n, on_first.accuracy, on_first.interval),
        baselines=testing.measured_baselines(),
        ahead={name: Difference(*found) for name, found in testing.ahead_of_baselines(column).items()},
        **vars(measured),
    )


def _warnings(outcomes: Outcomes, baselines: dict[str, Measured]) -> Iterator[str]:
    """Yield sentences about what the figures may not show."""
    given = set(outcomes.groups().get("stereotype", {}))
    if len(given) == 1:
        other = ({"pro", "anti"} - given).pop()
        yield (
            f"Only {given.pop()}-stereotyped sentences were given: a head chosen on them may follow the stereotype and not "
            f"the reference. Give the {other}-stereotyped files too."
        )
    for name in ("nearest", "first", "longest"):
        accuracy = baselines[name].accuracy
        if max(accuracy, 1 - accuracy) >= TELLING_POSITION:
            right = f"right in {100 * accuracy:.0f} % of these examples"
            yield f"The {name} candidate is {right}: a head that goes by this alone is not at chance here."
    if outcomes.bootstrap.clusters < 2 * FEW_CLUSTERS:
        yield (
            f"The examples come from {outcomes.bootstrap.clusters} templates or pages only, too few for intervals to be "
            "trusted."
        )
    unseen = int(outcomes.unseen.sum())
    if unseen:
        yield (
            f"In {unseen} examples no head attends to the right candidate at all, as where it stands after the mention in a "
            "model that reads from left to right."
        )
