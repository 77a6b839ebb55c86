"""The coreference benchmark: accuracies, baselines, held-out heads and gaps against numbers made by hand."""

import dataclasses

import numpy as np
import pytest

from model.coreference_benchmark import results_by_type
from model.coreference_outcomes import BASELINES, baseline_scores
from model.coreference_records import CoreferenceResults, Run
from model.coreference_scores import ScoredSet
from model.coreference_sets import CoreferenceExample

TEXT = "cats animal it street"
CATS, ANIMAL, IT, STREET = (0, 4), (5, 11), (12, 14), (15, 21)
NAN = float("nan")


def example(number: int, answer: int, cluster: int, candidates=(CATS, ANIMAL), **groups) -> CoreferenceExample:
    return CoreferenceExample(f"e{number}", TEXT, IT, candidates, answer, f"c{cluster}", groups)


def scored(rows) -> ScoredSet:
    """Return examples with the scores of four heads, one of which is not there, from (example, choices of the three)."""
    scores = []
    for _, choices in rows:
        found = np.full((2, 2, 2), NAN, dtype=np.float32)
        for place, choice in zip(((0, 0), (0, 1), (1, 0)), choices, strict=True):
            # 0 or 1: that candidate gets more; None: a tie.
            found[place] = 0.25 if choice is None else np.where(np.arange(2) == choice, 0.5, 0.125)
        scores.append(found)
    return ScoredSet(tuple(one for one, _ in rows), tuple(scores), (3, 5), {"too short": 2}, 1.5)


def eight_rows():
    """Return four clusters of two: heads that follow the answer, the nearest candidate, and the answer where it is pro."""
    rows = []
    for number in range(8):
        answer, stereotype = number % 2, ("pro", "anti")[number // 2 % 2]
        gender = ("feminine", "masculine")[number % 2]
        choices = (answer if number != 7 else 1 - answer, 1, answer if stereotype == "pro" else None)
        rows.append((example(number, answer, number // 2, gender=gender, stereotype=stereotype), choices))
    return rows


def results_of(rows, name="winobias"):
    return results_by_type(name, scored(rows))


def test_accuracies_by_hand():
    found = results_of(eight_rows())["winobias"]
    assert (found.n, found.clusters, found.left_out) == (8, 4, {"too short": 2})
    assert [head.name for head in found.heads] == ["L3 H0", "L3 H1", "L5 H0"]
    follows, nearest, stereotyped = found.heads
    assert [head.accuracy for head in found.heads] == [7 / 8, 4 / 8, 6 / 8]
    assert [head.agreement["nearest"] for head in (follows, nearest)] == [3 / 8, 1]
    assert [head.agreement["first"] for head in (follows, nearest)] == [5 / 8, 0]
    # The only mistake is example 7: the second of the last cluster, masculine and anti.
    genders = follows.by_group["gender"]
    assert (genders["feminine"].accuracy, genders["masculine"].accuracy) == (1, 3 / 4)
    assert (genders["masculine"].n, follows.by_group["stereotype"]["anti"].accuracy) == (4, 3 / 4)
    assert follows.gap.value == 1 / 4
    # A tie counts one half.
    assert stereotyped.by_group["stereotype"]["anti"].accuracy == 1 / 2
    assert stereotyped.gap.value == 1 / 2
    # Two clusters are pro and two anti, each of them alike within: however drawn, the difference is the same.
    assert stereotyped.gap.interval == (0.5, 0.5)
    assert nearest.gap.value == 0
    assert [gap.name for gap in found.largest_gaps] == ["L5 H0", "L3 H0", "L3 H1"]
    # Every cluster of the nearest candidate's is one right and one wrong.
    assert nearest.interval == (0.5, 0.5)
    # The last cluster, half right, is k times among four drawn: 1 - k / 8, and P(k >= 3) = 13/256 but P(k = 4) = 1/256.
    assert follows.interval == (5 / 8, 1)


def test_baselines_by_hand():
    one = example(0, 0, 0, candidates=(CATS, STREET))
    scores = baseline_scores(one)
    # cats begins first and ends 8 characters before "it"; street is longer and begins 1 after it.
    assert {name: scores[name].tolist() for name in BASELINES} == {
        "nearest": [-8, -1], "first": [0, -15], "longest": [4, 6], "random": [0, 0],
    }  # fmt: skip
    three = dataclasses.replace(one, candidates=(CATS, ANIMAL, STREET))
    found = results_by_type("gap", ScoredSet((three,) * 4, (np.zeros((1, 1, 3), np.float32),) * 4, (0,), {}, 0.0))[
        "gap"
    ]
    assert {name: round(measured.accuracy, 6) for name, measured in found.baselines.items()} == {
        "nearest": 0, "first": 1, "longest": 0, "random": 0.333333,
    }  # fmt: skip
    assert found.heads[0].accuracy == pytest.approx(1 / 3)
    assert found.held_out is None


def test_the_head_is_chosen_on_the_first_half_alone():
    # Head L3 H0 is right in the first four clusters and wrong after; L5 H0 is right in all but one of the first.
    rows = []
    for number in range(16):
        answer, early = number % 2, number < 8
        choices = (answer if early else 1 - answer, 1, 1 - answer if number == 0 else answer)
        rows.append((example(number, answer, number // 2), choices))
    found = results_of(rows)["winobias"]
    held_out = found.held_out
    assert (held_out.name, held_out.accuracy, held_out.n) == ("L3 H0", 0, 8)
    assert (held_out.chosen_on.n, held_out.chosen_on.accuracy) == (8, 1)
    assert [head.name for head in found.best(1)] == ["L5 H0"]
    assert {name: measured.accuracy for name, measured in held_out.baselines.items()} == {
        "nearest": 0.5, "first": 0.5, "longest": 0.5, "random": 0.5,
    }  # fmt: skip
    assert (held_out.ahead["nearest"].value, held_out.ahead["nearest"].interval) == (-0.5, (-0.5, -0.5))


def test_examples_of_a_cluster_are_never_in_both_halves():
    # Clusters appear in turn; the first half is c0 and c1, wherever their examples stand.
    order = (0, 2, 1, 3, 0, 1, 2, 3)
    rows = [
        (example(number, number % 2, cluster), (number % 2 if cluster in (0, 2) else 1 - number % 2, 1, None))
        for number, cluster in enumerate(order)
    ]
    held_out = results_of(rows)["winobias"].held_out
    # c0 and c2 came first, and there L3 H0 is right; on c1 and c3 it never is.
    assert (held_out.name, held_out.chosen_on.accuracy, held_out.accuracy) == ("L3 H0", 1, 0)


def test_each_type_is_measured_alone_too():
    rows = [
        (example(number, answer, number // 2, type=kind), (answer if kind == "1" else 1 - answer, 1, None))
        for number, (answer, kind) in enumerate([(0, "1"), (1, "1"), (1, "2"), (1, "2")] * 2)
    ]
    found = results_of(rows)
    assert {name: (part.n, part.heads[0].accuracy) for name, part in found.items()} == {
        "winobias": (8, 0.5), "winobias type 1": (4, 1), "winobias type 2": (4, 0),
    }  # fmt: skip
    assert found["winobias type 2"].baselines["nearest"].accuracy == 1
    assert "nearest candidate is right in 100 %" in found["winobias type 2"].warnings[0]
    assert list(found["winobias"].heads[0].by_group) == ["type"]
    assert found["winobias type 1"].heads[0].by_group == {}


def test_warnings_say_what_the_figures_may_not_show():
    both = results_of(eight_rows())["winobias"].warnings
    assert any("too few for intervals" in warning for warning in both)
    assert not any("stereotyped" in warning for warning in both)
    pro = [row for row in eight_rows() if row[0].groups["stereotype"] == "pro"]
    found = results_of(pro)["winobias"]
    assert "Give the anti-stereotyped files too" in found.warnings[0]
    assert found.heads[0].gap is None
    assert found.largest_gaps == ()
    blind = scored(eight_rows())
    for scores, one in zip(blind.scores, blind.examples, strict=True):
        scores[..., one.answer] = np.where(np.isnan(scores[..., one.answer]), NAN, 0)
    assert any("In 8 examples no head attends" in warning for warning in results_by_type("a", blind)["a"].warnings)


def complete(rows=None, name="winobias", seconds=1.25) -> CoreferenceResults:
    run = Run(name, "python -m model", seconds, "cpu", "float32", {"headscope": "0"})
    return CoreferenceResults("tiny", "local", "from mention", (run,), results_of(rows or eight_rows(), name))
