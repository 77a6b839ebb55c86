"""What a coreference benchmark measured: accuracies, gaps and agreements of heads, by set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from model.errors import HeadscopeError

if TYPE_CHECKING:
    import pandas

Interval = tuple[float, float]


@dataclass(frozen=True)
class Accuracy:
    """Share of `n` examples that are right, in [0, 1], with a 95 % interval by cluster bootstrap."""

    n: int
    accuracy: float
    interval: Interval


@dataclass(frozen=True)
class Difference:
    """A difference of two accuracies of the same draws, in [-1, 1], with its 95 % interval."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class Measured(Accuracy):
    """An accuracy, also by group ("gender" -> "feminine" -> Accuracy) where there are several; `gap` is accuracy(pro) -
    accuracy(anti)."""

    by_group: Mapping[str, Mapping[str, Accuracy]] = field(default_factory=dict)
    gap: Difference | None = None


@dataclass(frozen=True)
class HeadPlace:
    """A head; layers and heads count from 0."""

    layer: int
    head: int

    @property
    def name(self) -> str:
        """As it is shown: L3 H1."""
        return f"L{self.layer} H{self.head}"


@dataclass(frozen=True)
class HeadResult(Measured, HeadPlace):
    """A head on all examples; `agreement` is the share of examples in which it chooses what a baseline chooses."""

    agreement: Mapping[str, float] = field(kw_only=True)


@dataclass(frozen=True)
class HeldOut(Measured, HeadPlace):
    """The head that was best on the first half of the clusters (`chosen_on`), measured on the second half.

    `baselines` are those of the second half; `ahead` is accuracy(head) - accuracy(baseline) for each of them.
    """

    chosen_on: Accuracy = field(kw_only=True)
    baselines: Mapping[str, Measured] = field(kw_only=True)
    ahead: Mapping[str, Difference] = field(kw_only=True)


@dataclass(frozen=True)
class HeadGap(HeadPlace):
    """A head and its stereotype gap."""

    gap: Difference


@dataclass(frozen=True)
class SetResult:
    """One set, or the examples of one type of it; `heads` are ordered by layer and head, `largest_gaps` by size."""

    n: int
    clusters: int
    left_out: Mapping[str, int]
    warnings: tuple[str, ...]
    baselines: Mapping[str, Measured]
    held_out: HeldOut | None
    largest_gaps: tuple[HeadGap, ...]
    heads: tuple[HeadResult, ...]

    def of_head(self, layer: int, head: int) -> HeadResult:
        """Return what a head gives on all examples; raises HeadscopeError where there is no such head."""
        for found in self.heads:
            if (found.layer, found.head) == (layer, head):
                return found
        raise HeadscopeError(f"There is no head L{layer} H{head} in these results.")

    def best(self, count: int = 10) -> list[HeadResult]:
        """Return the heads with the largest accuracy on all examples: chosen and measured on the same, so partly luck."""
        return sorted(self.heads, key=lambda head: -head.accuracy)[:count]


@dataclass(frozen=True)
class Run:
    """How the results of a set were made; `seconds` is the wall time, of all runs where one was gone on with."""

    set: str
    command: str
    seconds: float
    device: str
    dtype: str
    versions: Mapping[str, str]


@dataclass(frozen=True)
class CoreferenceResults:
    """What one model gives on one or more sets, by the name of the set."""

    model: str
    revision: str
    direction: str
    runs: tuple[Run, ...]
    sets: Mapping[str, SetResult]

    def frame(self) -> "pandas.DataFrame":
        """Return a pandas DataFrame with one row per set and head, intervals and groups in columns of their own."""
        import pandas

        rows = [self._row(name, found, head) for name, found in self.sets.items() for head in found.heads]
        return pandas.DataFrame(rows)

    def _row(self, name: str, found: SetResult, head: HeadResult) -> dict[str, object]:
        place = (head.layer, head.head)
        held_out = found.held_out is not None and (found.held_out.layer, found.held_out.head) == place
        row: dict[str, object] = {
            "model": self.model, "revision": self.revision, "direction": self.direction, "set": name,
            "layer": head.layer, "head": head.head, "name": head.name, "n": head.n, "accuracy": head.accuracy,
            "low": head.interval[0], "high": head.interval[1], "chosen_on_first_half": held_out,
        }  # fmt: skip
        if head.gap is not None:
            row |= {"gap": head.gap.value, "gap_low": head.gap.interval[0], "gap_high": head.gap.interval[1]}
        row |= {f"agreement_{baseline}": share for baseline, share in head.agreement.items()}
        for group, values in head.by_group.items():
            row |= {f"accuracy_{group}_{value}": measured.accuracy for value, measured in values.items()}
        return row
