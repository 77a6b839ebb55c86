"""Jensen-Shannon divergence between heads, by hand and against scipy."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from model.analysis import head_divergence
from model.analysis.head_divergence import divergence_sums


def rows_of(*heads) -> np.ndarray:
    """Return float32 [head, query, key] of lists."""
    return np.array(heads, dtype=np.float32)


@pytest.fixture
def random():
    """Weights [head, query, key] of five heads, some of them zero, every row summing to one."""
    scores = np.random.default_rng(3).exponential(size=(5, 7, 7)) ** 3
    scores[:, :, 5] = 0
    scores[2, :, 1:] = 0
    return (scores / scores.sum(axis=-1, keepdims=True)).astype(np.float32)


def test_the_same_is_zero_and_the_disjoint_one_bit():
    sums, rows = divergence_sums(rows_of([[1, 0, 0]], [[1, 0, 0]], [[0, 0.5, 0.5]]))
    assert rows == 1
    np.testing.assert_array_equal(sums, [[0, 0, 1], [0, 0, 1], [1, 1, 0]])


def test_half_shared_by_hand():
    # p = (1, 0), q = (1/2, 1/2): the mixture (3/4, 1/4) has 0.8113 bits, q one bit.
    mixture = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    sums, rows = divergence_sums(rows_of([[1, 0], [1, 0]], [[0.5, 0.5], [0, 1]]))
    assert rows == 2
    assert sums[0, 1] == pytest.approx((mixture - 0.5) + 1)


def test_every_pair_is_what_scipy_says(random):
    sums, rows = divergence_sums(random)
    assert rows == 7
    for first in range(5):
        for second in range(5):
            expected = sum(jensenshannon(random[first, row], random[second, row], base=2) ** 2 for row in range(7))
            assert sums[first, second] == pytest.approx(np.nan_to_num(expected), abs=1e-5)


def test_symmetric_with_exact_zeros_and_between_0_and_1(random):
    sums, rows = divergence_sums(np.concatenate([random, random]))
    assert np.array_equal(sums, sums.T)
    assert not np.diag(sums).any()
    np.testing.assert_allclose(np.diag(sums[:5, 5:]), 0, atol=1e-12)
    assert sums.min() >= 0
    assert sums.max() <= rows


def test_what_goes_to_a_sink_is_an_outcome():
    # One head leaves all to its sink, one nothing, one half: as if there were one key more.
    sums, rows = divergence_sums(rows_of([[0, 0]], [[1, 0]], [[0.5, 0]]))
    wider, _ = divergence_sums(rows_of([[0, 0, 1]], [[1, 0, 0]], [[0.5, 0, 0.5]]))
    assert rows == 1
    np.testing.assert_allclose(sums, wider, atol=1e-12)
    assert sums[0, 1] == 1


def test_rows_that_may_attend_to_nothing_do_not_count(random):
    padded = np.concatenate([np.zeros((5, 2, 7), dtype=np.float32), random], axis=1)
    sums, rows = divergence_sums(padded)
    expected, expected_rows = divergence_sums(random)
    assert rows == expected_rows
    np.testing.assert_allclose(sums, expected, atol=1e-12)


def test_blocks_of_rows_add_up(random, monkeypatch):
    whole, rows = divergence_sums(random)
    first, second = divergence_sums(random[:, :3]), divergence_sums(random[:, 3:])
    np.testing.assert_allclose(first[0] + second[0], whole, atol=1e-12)
    assert first[1] + second[1] == rows
    monkeypatch.setattr(head_divergence, "_BLOCK", 1)
    by_row, counted = divergence_sums(random)
    np.testing.assert_allclose(by_row, whole, atol=1e-12)
    assert counted == rows


def test_no_rows_at_all():
    sums, rows = divergence_sums(np.zeros((2, 3, 4), dtype=np.float32))
    assert (sums.tolist(), rows) == ([[0, 0], [0, 0]], 0)
