"""Which examples every head and every baseline gets right, and the accuracies and intervals that this makes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from model.analysis.coreference import correctness, margins
from model.analysis.intervals import ClusterBootstrap, cluster_numbers, percentile_interval
from model.coreference_records import Accuracy, Difference, Interval, Measured
from model.coreference_sets import CoreferenceExample

BASELINES = ("nearest", "first", "longest", "random")
AGREEMENTS = ("nearest", "first")


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What came out, example by example.

    `correct` and `margin` are float32 [example, layer, head] (see `correctness`, `margins`), NaN where a layer has fewer
    heads; `baseline` float32 [example, baseline] in the order of BASELINES; `same` float32 [example, agreement, layer, head]
    is 1 where a head chooses what a baseline of AGREEMENTS does; `unseen` bool [example] is True where no head attends to
    the answer at all.
    """

    examples: tuple[CoreferenceExample, ...]
    layers: tuple[int, ...]
    correct: np.ndarray
    margin: np.ndarray
    baseline: np.ndarray
    same: np.ndarray
    unseen: np.ndarray

    def of(self, chosen: np.ndarray) -> "Outcomes":
        """Return the outcomes of the examples chosen, bool [example]."""
        examples = tuple(example for example, keep in zip(self.examples, chosen, strict=True) if keep)
        arrays = (values[chosen] for values in (self.correct, self.margin, self.baseline, self.same, self.unseen))
        return Outcomes(examples, self.layers, *arrays)

    @cached_property
    def bootstrap(self) -> ClusterBootstrap:
        """The bootstrap over the clusters of these examples."""
        return ClusterBootstrap(cluster_numbers([example.cluster for example in self.examples]))

    @cached_property
    def heads(self) -> list[tuple[int, int]]:
        """The (row, head) of every head there is."""
        present = ~np.isnan(self.correct).any(axis=0)
        return [(int(row), int(head)) for row, head in np.argwhere(present)]

    def groups(self) -> dict[str, dict[str, np.ndarray]]:
        """Return group -> value -> bool [example], both in alphabetical order."""
        names = sorted({name for example in self.examples for name in example.groups})
        found = {name: np.array([example.groups.get(name, "") for example in self.examples]) for name in names}
        return {
            name: {str(value): values == value for value in sorted(set(values) - {""})}
            for name, values in found.items()
        }

    def measured_heads(self, places: Sequence[tuple[int, int]] | None = None) -> list[Measured]:
        """Return what was measured of each head, or of those at `places`."""
        rows, columns = np.transpose(self.heads if places is None else places)
        return self._measured(self.correct[:, rows, columns])

    def measured_baselines(self) -> dict[str, Measured]:
        """Return what was measured of each baseline; "random" is its expected value."""
        return dict(zip(BASELINES, self._measured(self.baseline), strict=True))

    def ahead_of_baselines(self, column: int) -> dict[str, tuple[float, Interval]]:
        """Return accuracy(head) - accuracy(baseline) with its interval, for the head in place `column` of `heads`."""
        row, head = self.heads[column]
        values, draws = self.bootstrap.means(self.correct[:, row, head, None] - self.baseline)
        return dict(zip(BASELINES, _with_intervals(values, draws), strict=True))

    def agreement(self) -> dict[str, np.ndarray]:
        """Return for each of AGREEMENTS the share of examples in which a head chooses the same, [layer, head]."""
        return dict(zip(AGREEMENTS, self.same.mean(axis=0, dtype=np.float64), strict=True))

    def _measured(self, values: np.ndarray) -> list[Measured]:
        """Return accuracy, groups and gap of each column of `values` [example, column], all from the same draws."""
        found = self._accuracies(values, None)
        by_group = {
            group: {value: self._accuracies(values, chosen) for value, chosen in members.items()}
            for group, members in self.groups().items()
            if len(members) > 1
        }
        gaps = self._gaps(values)
        return [
            Measured(
                **vars(accuracy),
                by_group={
                    group: {value: columns[column] for value, columns in members.items()}
                    for group, members in by_group.items()
                },
                gap=gaps[column] if gaps else None,
            )
            for column, accuracy in enumerate(found)
        ]

    def _accuracies(self, values: np.ndarray, chosen: np.ndarray | None) -> list[Accuracy]:
        count = len(values) if chosen is None else int(chosen.sum())
        return [Accuracy(count, *found) for found in _with_intervals(*self.bootstrap.means(values, chosen))]

    def _gaps(self, values: np.ndarray) -> list[Difference]:
        """Return accuracy(pro) - accuracy(anti) of each column; nothing where only one of the two was given."""
        stereotypes = self.groups().get("stereotype", {})
        if set(stereotypes) != {"pro", "anti"}:
            return []
        (pro, pro_draws), (anti, anti_draws) = (
            self.bootstrap.means(values, stereotypes[name]) for name in ("pro", "anti")
        )
        return [Difference(*found) for found in _with_intervals(pro - anti, pro_draws - anti_draws)]


def outcomes_of(
    examples: Sequence[CoreferenceExample], scores: Sequence[np.ndarray], layers: Sequence[int]
) -> Outcomes:
    """Return the outcomes of examples from their scores, each float32 [layer, head, candidate]."""
    pairs = list(zip(examples, scores, strict=True))
    correct, margin, same, baseline = [], [], [], []
    for example, found in pairs:
        positions = baseline_scores(example)
        correct.append(correctness(found, example.answer))
        margin.append(margins(found, example.answer))
        same.append([correctness(found, int(positions[name].argmax())) for name in AGREEMENTS])
        baseline.append([correctness(positions[name], example.answer) for name in BASELINES])
    arrays = [np.array(values, dtype=np.float32) for values in (correct, margin, baseline, same)]
    unseen = np.array([not np.nan_to_num(found[..., example.answer]).any() for example, found in pairs])
    return Outcomes(tuple(examples), tuple(layers), arrays[0], arrays[1], arrays[2], arrays[3], unseen)


def baseline_scores(example: CoreferenceExample) -> dict[str, np.ndarray]:
    """Return for each of BASELINES its scores float32 [candidate]; a tie counts 1 / n, so that "random" is at chance.

    nearest: minus the characters between candidate and mention; first: minus the place of its beginning; longest: its length.
    """
    start, end = example.mention
    nearest = [-max(span[0] - end, start - span[1]) for span in example.candidates]
    first = [-span[0] for span in example.candidates]
    longest = [span[1] - span[0] for span in example.candidates]
    scores = (nearest, first, longest, [0] * len(example.candidates))
    return {name: np.array(values, dtype=np.float32) for name, values in zip(BASELINES, scores, strict=True)}


def _with_intervals(values: np.ndarray, draws: np.ndarray) -> list[tuple[float, Interval]]:
    low, high = percentile_interval(draws)
    return [(float(value), (float(lower), float(upper))) for value, lower, upper in zip(values, low, high, strict=True)]
