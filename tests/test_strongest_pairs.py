"""The strongest pairs of a map, by hand and against a search of the whole map; diagonal and sinks left out on request."""

import numpy as np
import pytest

from model import HeadscopeError
from model.analysis.strongest_pairs import Pair, strongest_pairs
from tests.hand_views import hand_rows, hand_view, random_view

# Ten tokens; token 0 is special and the sink of most rows; token 4 draws every row from 4 on; a few weights stand out.
WEIGHTS = np.zeros((10, 10), dtype=np.float32)
WEIGHTS[:, 0] = 0.25
WEIGHTS[4:, 4] = 0.5
WEIGHTS[np.arange(1, 10), np.arange(9)] += 0.125
WEIGHTS[7, 2], WEIGHTS[9, 5], WEIGHTS[3, 1] = 0.0625, 0.09375, 0.09375
CAUSAL = np.tril(np.ones((10, 10), dtype=bool))
TOKENS = [*"abcdefghij"]


def found(view, *args, **options):
    pairs = strongest_pairs(hand_rows(view, rows=3), *args, **options)
    return [(pair.query, pair.key, pair.weight) for pair in pairs]


def test_by_hand():
    view = hand_view(WEIGHTS, TOKENS, mask=CAUSAL, special=(0,))
    # Of equal weights the row above comes first; zeros are nothing to jump to.
    assert found(view) == [(3, 1, 0.09375), (9, 5, 0.09375), (7, 2, 0.0625)]
    assert found(view, 1) == [(3, 1, 0.09375)]
    # Without the diagonal and its neighbours, but with the sinks: column 4 before column 0.
    assert found(view, 7, off_sink=False) == [
        *((row, 4, 0.5) for row in range(6, 10)),
        (2, 0, 0.25),
        (3, 0, 0.25),
        (4, 0, 0.25),
    ]
    assert found(view, 3, off_sink=False, off_diagonal=False) == [(5, 4, 0.625), (4, 4, 0.5), (6, 4, 0.5)]


def test_the_diagonal_is_one_of_one_sequence():
    view = hand_view(WEIGHTS[1:, 1:], mask=CAUSAL[1:, 1:])
    assert (0, 0) not in {pair[:2] for pair in found(view)}
    rows = hand_rows(hand_view(np.eye(9) / 2, TOKENS[:9]), same_sequence=False)
    # Across two sequences the diagonal is as good as anything else; only the first token's column counts as a sink, and
    # no other key has more than 1/18 on average.
    assert strongest_pairs(rows, 2) == [Pair(1, 1, 0.5), Pair(2, 2, 0.5)]


def test_few_rows_make_no_sink():
    weights = np.zeros((40, 40), dtype=np.float32)
    weights[35:, 33] = 0.9
    view = hand_view(weights, mask=np.tril(np.ones((40, 40))))
    # Seven rows may attend to key 33, and give it 5 * 0.9 / 7 on average: they are too few to tell.
    assert [pair[:2] for pair in found(view)] == [(row, 33) for row in range(35, 40)]
    weights[30:, 31] = 0.9
    assert 31 not in {key for _, key, _ in found(hand_view(weights, mask=np.tril(np.ones((40, 40)))))}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("off_diagonal", "off_sink"), [(True, True), (True, False), (False, True), (False, False)])
def test_as_a_search_of_the_whole_map(causal, off_diagonal, off_sink):
    view = random_view(57, 57, causal)
    # Weights of few different values, so that there are ties across blocks.
    view.weights[:] = np.rint(view.weights * 20) / 20
    view.weights[:, 11] = 0.75 * view.mask[:, 11]
    left = np.where(view.mask, view.weights, 0)
    if off_diagonal:
        query, key = np.indices(left.shape)
        left[abs(query - key) <= 1] = 0
    if off_sink:
        mean = (view.weights * view.mask).sum(axis=0) / view.mask.sum(axis=0)
        left[:, (mean > 0.3) & (view.mask.sum(axis=0) >= 8)] = 0
        left[:, 0] = 0
    order = np.argsort(-left, axis=None, kind="stable")[:30]
    expected = [(*map(int, divmod(place, 57)), float(left.flat[place])) for place in order if left.flat[place] > 0]
    rows = hand_rows(view)
    assert rows.axes.query_groups == rows.axes.key_groups
    pairs = strongest_pairs(hand_rows(view, rows=2), 30, off_diagonal=off_diagonal, off_sink=off_sink)
    assert [(pair.query, pair.key, pair.weight) for pair in pairs] == expected
    assert expected


def test_masked_and_broken_weights_are_left_out():
    weights = np.full((6, 6), 1 / 6, dtype=np.float32)
    weights[4, 1], weights[5, 2] = np.nan, 0.9
    mask = np.ones((6, 6))
    mask[5, 2] = 0
    assert all(weight == np.float32(1 / 6) for *_, weight in found(hand_view(weights, mask=mask), 99))
    assert found(hand_view(np.zeros((3, 3)))) == []


def test_a_count_of_none_is_refused():
    with pytest.raises(HeadscopeError, match="at least 1"):
        strongest_pairs(hand_rows(random_view(3, 3)), 0)
