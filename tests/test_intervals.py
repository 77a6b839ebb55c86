"""Cluster bootstrap: hand-computed draws, and intervals that are as wide as dependent examples ask for."""

import numpy as np
import pytest

from model import HeadscopeError
from model.analysis.intervals import ClusterBootstrap, cluster_numbers, percentile_interval


def column(values) -> np.ndarray:
    return np.asarray(values, dtype=np.float32)[:, None]


def width(values, numbers) -> float:
    _, draws = ClusterBootstrap(np.asarray(numbers)).means(column(values))
    low, high = percentile_interval(draws)
    return float(high[0] - low[0])


def test_clusters_are_numbered_by_first_appearance():
    assert cluster_numbers(["b", "a", "b", "c", "a"]).tolist() == [0, 1, 0, 2, 1]


def test_every_draw_holds_as_many_clusters_as_there_are_and_is_repeatable():
    numbers = np.array([0, 0, 1, 2, 2, 2])
    counts = ClusterBootstrap(numbers).counts
    assert counts.shape == (2000, 3)
    assert (counts.sum(axis=1) == 3).all()
    assert abs(counts.mean(axis=0) - 1).max() < 0.1
    assert np.array_equal(counts, ClusterBootstrap(numbers).counts)
    assert not np.array_equal(counts, ClusterBootstrap(numbers, seed=1).counts)


def test_the_mean_of_a_draw_weighs_clusters_by_their_examples():
    # Cluster 0 holds 1, 1; cluster 1 holds 0. Drawn twice: 0, 0 -> 4/4; 0, 1 -> 2/3; 1, 1 -> 0/2.
    mean, draws = ClusterBootstrap(np.array([0, 0, 1])).means(column([1, 1, 0]))
    assert mean.tolist() == [pytest.approx(2 / 3)]
    assert sorted(set(draws[:, 0].round(6))) == [0, 0.666667, 1]
    share = {value: (draws[:, 0].round(6) == value).mean() for value in (0, 0.666667, 1)}
    assert share == {
        0: pytest.approx(0.25, abs=0.04),
        0.666667: pytest.approx(0.5, abs=0.04),
        1: pytest.approx(0.25, abs=0.04),
    }


def test_only_chosen_examples_count_and_draws_without_any_are_nan():
    bootstrap = ClusterBootstrap(np.array([0, 0, 1]))
    mean, draws = bootstrap.means(column([1, 0, 0]), np.array([True, False, False]))
    assert mean.tolist() == [1]
    # Cluster 0 is in no draw of (0, 2).
    assert np.array_equal(np.isnan(draws[:, 0]), bootstrap.counts[:, 0] == 0)
    assert percentile_interval(draws)[:, 0].tolist() == [1, 1]
    with pytest.raises(HeadscopeError, match="no example to take a mean of"):
        bootstrap.means(column([1, 0, 0]), np.zeros(3, dtype=bool))


def test_two_means_are_drawn_together():
    generator = np.random.default_rng(0)
    values = generator.random((30, 1)).astype(np.float32)
    bootstrap = ClusterBootstrap(np.arange(30) // 3)
    _, draws = bootstrap.means(np.hstack([values, values - 0.25]))
    assert draws[:, 0] - draws[:, 1] == pytest.approx(0.25, abs=1e-6)


def test_dependent_examples_have_a_wider_interval():
    # 20 sentences are right or wrong together, ten versions of each: there are 20 facts and not 200.
    values = np.repeat(np.arange(20) % 2, 10)
    dependent, independent = width(values, np.repeat(np.arange(20), 10)), width(values, np.arange(200))
    # Half a width is 1.96 * sqrt(p (1 - p) / facts).
    assert dependent == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 20), rel=0.12)
    assert independent == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 200), rel=0.12)


def test_a_pair_that_is_always_one_right_and_one_wrong_has_no_width():
    assert width([1, 0] * 20, np.arange(40) // 2) == 0
    assert width([1, 0] * 20, np.arange(40)) > 0.25


def test_the_interval_covers_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(1)
    covered = {"clusters": 0, "examples": 0}
    trials, clusters, size, truth = 200, 40, 6, 0.7
    for _ in range(trials):
        # All versions of a sentence come out alike.
        values = column(np.repeat(generator.random(clusters) < truth, size))
        for name, numbers in (
            ("clusters", np.arange(clusters * size) // size),
            ("examples", np.arange(clusters * size)),
        ):
            low, high = percentile_interval(ClusterBootstrap(numbers, draws=300).means(values)[1])[:, 0]
            covered[name] += low <= truth <= high
    assert covered["clusters"] / trials > 0.88
    assert covered["examples"] / trials < 0.7
