"""Tables of tokens and dimensions: orders and outliers of planted states."""

import numpy as np
import pytest

from model import HeadscopeError
from model.analysis import state_dimensions as measured
from model.analysis.state_dimensions import ORDERS, dimension_order, outlier_dimensions, state_table

HAND = np.array([[1.0, -9.0, 0.0, 5.0], [2.0, -9.0, 8.0, -5.0]])


def planted(blocks: int = 3, size: int = 8, positions: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Return states [position, dimension] whose dimensions follow one of some signals each, shuffled, and which one."""
    generator = np.random.default_rng(0)
    groups = generator.permutation(np.repeat(np.arange(blocks), size))
    signals = generator.standard_normal((positions, blocks))
    return signals[:, groups] + 0.1 * generator.standard_normal((positions, blocks * size)), groups


def test_orders_by_hand():
    # Variances 0.25, 0, 16, 25; mean magnitudes 1.5, 9, 4, 5.
    assert dimension_order(HAND).tolist() == [0, 1, 2, 3]
    assert dimension_order(HAND, "variance").tolist() == [3, 2, 0, 1]
    assert dimension_order(HAND, "mean magnitude").tolist() == [1, 3, 2, 0]


@pytest.mark.parametrize("best_ordered", [0, 512])
def test_the_clustered_order_puts_planted_blocks_together(monkeypatch, best_ordered):
    monkeypatch.setattr(measured, "MOST_BEST_ORDERED", best_ordered)
    states, groups = planted()
    ordered = groups[dimension_order(states, "clustered")]
    assert (groups[1:] != groups[:-1]).sum() > 2
    assert (ordered[1:] != ordered[:-1]).sum() == 2


def test_opposite_dimensions_are_not_neighbours():
    signal, other = np.random.default_rng(1).standard_normal((2, 30))
    order = dimension_order(np.stack([signal, other, -signal, 1.01 * signal], axis=1), "clustered").tolist()
    assert abs(order.index(0) - order.index(3)) == 1
    assert abs(order.index(0) - order.index(2)) > 1


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_holds_every_dimension_once(order):
    states, _ = planted()
    states[:, 5] = 1 / 3  # a dimension that never changes
    assert sorted(dimension_order(states, order).tolist()) == list(range(24))
    assert dimension_order(states[:, :1], order).tolist() == [0]


def test_a_table_holds_a_slice_of_the_order():
    table = state_table(HAND, "mean magnitude", first=1, count=2)
    assert table.dimensions.tolist() == [3, 2]
    assert table.names == ("3", "2")
    assert table.values.tolist() == [[5, 0], [-5, 8]]
    assert table.values.dtype == np.float32
    assert (table.first, table.total) == (1, 4)
    assert state_table(HAND, first=1).values.shape == (2, 3)


def test_wide_models_come_in_parts():
    wide = np.ones((2, 1500), dtype=np.float32)
    assert state_table(wide).values.shape == (2, 1024)
    assert state_table(wide, first=1024).values.shape == (2, 476)
    with pytest.raises(HeadscopeError, match="at most 1024 of the 1500"):
        state_table(wide, count=1200)
    with pytest.raises(HeadscopeError, match="begin at 0 to 1499"):
        state_table(wide, first=1500)
    with pytest.raises(HeadscopeError, match="choose 1 to 476"):
        state_table(wide, first=1024, count=0)


def test_outliers_that_are_planted_are_named():
    states = np.random.default_rng(2).standard_normal((20, 50)) * 0.1
    states[:, 7] -= 4  # away from the others in every token
    states[::2, 30] += 6
    states[1::2, 30] -= 6  # its mean is as good as 0, its deviation is not
    states[3, 11] = 40  # in one token alone
    found = outlier_dimensions(states, 2.5)
    assert {one.dimension for one in found} == {7, 30}
    assert outlier_dimensions(np.delete(states, 3, axis=0)[:, :20])[0].dimension == 7
    assert outlier_dimensions(states[:, :10]) == ()


def test_the_numbers_of_an_outlier_by_hand():
    states = np.zeros((4, 17))
    states[:, 2] = [8, 8, 8, -8]
    (found,) = outlier_dimensions(states)
    # m = 4 in one of 17: (4 - 4/17) / (4 * sqrt(16) / 17) = 16 / 4; s is 8 * sqrt(3) / 2 in one of 17, so the same.
    assert (found.dimension, found.mean, found.share) == (2, 4, 1)
    assert found.deviation == pytest.approx(4 * np.sqrt(3))
    assert (found.mean_sigmas, found.deviation_sigmas, found.sigmas) == pytest.approx((4, 4, 4))


def test_states_that_are_all_alike_have_no_outlier():
    assert outlier_dimensions(np.full((3, 20), 2.5)) == ()


def test_what_cannot_be_ordered_says_so(monkeypatch):
    with pytest.raises(HeadscopeError, match="no order “size”"):
        dimension_order(HAND, "size")
    with pytest.raises(HeadscopeError, match="1 tokens and 4 dimensions"):
        dimension_order(HAND[:1], "clustered")
    monkeypatch.setattr(measured, "MOST_CLUSTERED", 3)
    with pytest.raises(HeadscopeError, match="at most 3"):
        dimension_order(HAND, "clustered")
    with pytest.raises(HeadscopeError, match="above 0"):
        outlier_dimensions(HAND, 0)
    with pytest.raises(HeadscopeError, match="float32"):
        dimension_order(np.array([[np.nan, 1.0]]))
