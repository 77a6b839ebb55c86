"""Roles of heads, each with the evidence that it rests on: from the scores of a study, by rules from the literature."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from model.analysis.dependencies import ALL_RELATIONS, DIRECTIONS, parse_relation_score
from model.analysis.positional_heads import POSITIONAL_SHARE, positional_share
from model.analysis.score_names import offset_name
from model.errors import HeadscopeError

# Fewer rows or words than this are no evidence.
LEAST_CASES = 50
# How much larger the share of words is that a head finds than that of the best fixed distance (Voita et al. 2019: 10 %).
LEAST_GAIN = 0.1
_CLARK, _VOITA = "Clark et al. 2019", "Voita et al. 2019"
_OLSSON = "Olsson et al. 2022"


@dataclass(frozen=True)
class RoleLabel:
    """A role of a head and its evidence: `value` of `score` with its 95 % interval, over `count` rows or words.

    `baseline` is what uniform attention, or the best fixed distance, scores on the same. `texts` counts those that the score
    is defined in; where `rule` says that the role was chosen on one half of them, the numbers are of the other.
    """

    name: str
    stack: str
    layer: int
    head: int
    score: str
    value: float
    low: float
    high: float
    baseline: float
    count: int
    texts: int
    rule: str
    paper: str


@dataclass(frozen=True)
class _ShareRule:
    """A role that is a share of attention with a lower bound of at least `least`, and above uniform attention."""

    name: str
    score: str
    least: float
    paper: str

    @property
    def text(self) -> str:
        return f"at least {self.least:g} of the attention, with the whole interval, and more than uniform attention"


_SHARE_RULES = (
    _ShareRule("previous token", "previous token", 0.5, _CLARK),
    _ShareRule("next token", "next token", 0.5, _CLARK),
    _ShareRule("same token", "same token", 0.5, _CLARK),
    _ShareRule("induction", "prefix matching (random)", 0.4, _OLSSON),
    _ShareRule("duplicate tokens", "duplicate tokens", 0.5, "Wang et al. 2022"),
    _ShareRule("rare words", "rarest token", 0.5, _VOITA),
    _ShareRule("separators", "separators", 0.5, _CLARK),
    _ShareRule("punctuation", "punctuation", 0.5, _CLARK),
    _ShareRule("first token", "first token", 0.5, "Xiao et al. 2023"),
    _ShareRule("sink", "sink", 0.5, "Gu et al. 2025"),
)
_POSITIONAL_RULE = (
    f"the maximum at this offset in at least {POSITIONAL_SHARE:g} of the rows, with the whole interval; the offset chosen on "
    "the texts with an even number, measured on the others"
)
_RELATION_RULE = (
    f"at least {LEAST_GAIN:g} above the best fixed distance on the texts with an even number, and again on the others, where "
    "it is measured; there the whole interval is above that distance"
)
_COLUMNS = (
    "stack", "layer", "head", "score", "value", "low", "high", "baseline", "count", "texts", "first", "first_baseline",
    "first_count", "second", "second_low", "second_high", "second_baseline", "second_count",
)  # fmt: skip


def role_labels(frame: pd.DataFrame) -> list[RoleLabel]:
    """Return the roles that the frame of a study gives evidence of, by stack, layer and head; most heads have none.

    positional: the maximum of a row lies at one offset (Voita et al. 2019). A share of attention on previous, next, ... tokens:
    the lower bound of its interval reaches the threshold and is above the baseline. A relation ("nsubj → head": from the
    subject to its head; "head → nsubj": the other way), those of a head that is furthest above its baseline first: held-out
    accuracy above that of the best fixed distance.

    A sink that is the first token or a separator is not named a second time.

    No label without a finite interval, a baseline and LEAST_CASES cases: a study of one text gives none. Raises HeadscopeError
    where the frame is not that of a study.
    """
    missing = [column for column in _COLUMNS if column not in frame.columns]
    if missing:
        raise HeadscopeError(
            f"These are not the scores of a study: {', '.join(missing)} missing. Open a study of heads."
        )
    found = [*_positional(frame), *_without_named_sinks(list(_shares(frame))), *_relations(frame)]
    order = {stack: place for place, stack in enumerate(frame["stack"].unique())}
    return sorted(found, key=lambda label: (order[label.stack], label.layer, label.head))


def _shares(frame: pd.DataFrame) -> Iterator[RoleLabel]:
    for rule in _SHARE_RULES:
        rows = _with_evidence(frame[frame["score"] == rule.score], "")
        enough = (rows["low"] >= rule.least) & (rows["low"] > rows["baseline"])
        yield from _labels(rows[enough], "", lambda _row, rule=rule: rule.name, rule.text, rule.paper)


def _without_named_sinks(labels: list[RoleLabel]) -> list[RoleLabel]:
    named = {_place(label) for label in labels if label.name in ("first token", "separators")}
    return [label for label in labels if label.name != "sink" or _place(label) not in named]


def _place(label: RoleLabel) -> tuple[str, int, int]:
    return label.stack, label.layer, label.head


def _positional(frame: pd.DataFrame) -> Iterator[RoleLabel]:
    # Strings of pandas cannot be mapped to numbers where no row is left.
    rows = positional_share(frame.astype({"score": object}), by="first")
    rows = _with_evidence(rows.assign(score=[offset_name(offset) for offset in rows["offset"]]), "second_")
    enough = (rows["second_low"] >= POSITIONAL_SHARE) & (rows["second_low"] > rows["second_baseline"])
    yield from _labels(rows[enough], "second_", lambda row: f"positional ({row.score})", _POSITIONAL_RULE, _VOITA)


def _relations(frame: pd.DataFrame) -> Iterator[RoleLabel]:
    parsed = {score: parse_relation_score(score) for score in frame["score"].unique()}
    names = {score: name for score, name in parsed.items() if name is not None and name[0] != ALL_RELATIONS}
    rows = _with_evidence(frame[frame["score"].isin(list(names))], "second_")
    gain = rows["second"] - rows["second_baseline"]
    chosen_on_first = (rows["first"] - rows["first_baseline"] >= LEAST_GAIN) & (rows["first_count"] >= LEAST_CASES)
    holds = (gain >= LEAST_GAIN) & (rows["second_low"] > rows["second_baseline"])
    rows = rows.assign(gain=gain)[chosen_on_first & holds].sort_values("gain", ascending=False, kind="stable")
    paper = f"{_CLARK}; {_VOITA}"
    yield from _labels(rows, "second_", lambda row: _relation_role(*names[row.score]), _RELATION_RULE, paper)


def _relation_role(relation: str, direction: str) -> str:
    """Return a role with its arrow from the word that attends to the one attended to."""
    return f"{relation} → head" if direction == DIRECTIONS[0] else f"head → {relation}"


def _with_evidence(rows: pd.DataFrame, half: str) -> pd.DataFrame:
    """Return the rows whose value, interval, baseline and numbers are all known, with enough cases in two texts or more."""
    numbers = rows[[_value(half), *(f"{half}{name}" for name in ("low", "high", "baseline", "count")), "texts"]]
    known = np.isfinite(numbers.to_numpy(dtype=np.float64, na_value=np.nan)).all(axis=1)
    return rows[known & (rows[f"{half}count"] >= LEAST_CASES) & (rows["texts"] >= 2)]


def _labels(rows: pd.DataFrame, half: str, name_of: Callable[..., str], rule: str, paper: str) -> Iterator[RoleLabel]:
    for row in rows.itertuples(index=False):
        value, low, high, baseline = (
            float(getattr(row, column))
            for column in (_value(half), *(f"{half}{name}" for name in ("low", "high", "baseline")))
        )
        count = int(getattr(row, f"{half}count"))
        yield RoleLabel(
            name_of(row), row.stack, int(row.layer), int(row.head), row.score, value, low, high, baseline, count,
            int(row.texts), rule, paper,
        )  # fmt: skip


def _value(half: str) -> str:
    return half.removesuffix("_") or "value"
