"""Merging, hiding and pooling on numbers small enough to work out by hand."""

import numpy as np
import pytest

from model.analysis.aggregation import keep_tokens, merge_mask, merge_words, pool_maximum

# Dyadic fractions, so that sums are exact.
WEIGHTS = np.array([[4, 2, 1, 1], [2, 2, 2, 2], [0, 4, 4, 0], [1, 1, 1, 5]], dtype=np.float32) / 8


@pytest.fixture
def attention():
    scores = np.random.default_rng(0).normal(size=(3, 6, 9))
    return (np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)).astype(np.float32)


def test_to_a_word_attention_is_summed_and_from_a_word_averaged():
    merged = merge_words(WEIGHTS, [[0], [1, 2], [3]], [[0, 1], [2], [3]])
    expected = np.array([[6, 1, 1], [(4 + 4) / 2, (2 + 4) / 2, (2 + 0) / 2], [2, 1, 5]]) / 8
    assert np.array_equal(merged, expected.astype(np.float32))
    assert merged.dtype == np.float32


def test_merging_keeps_the_sum_of_rows_and_every_head_apart(attention):
    queries, keys = [[0, 1], [2], [3, 4, 5]], [[0], [1, 2, 3, 4], [5, 6], [7, 8]]
    merged = merge_words(attention, queries, keys)
    assert merged.shape == (3, 3, 4)
    np.testing.assert_allclose(merged.sum(axis=-1), 1, atol=1e-6)
    for head in range(3):
        np.testing.assert_allclose(merged[head], merge_words(attention[head], queries, keys), atol=1e-7)
        for row, query_group in enumerate(queries):
            for column, key_group in enumerate(keys):
                cell = attention[head][np.ix_(query_group, key_group)]
                np.testing.assert_allclose(merged[head, row, column], cell.sum(axis=1).mean(), atol=1e-6)


def test_words_of_one_token_change_nothing(attention):
    single = [[[position] for position in range(length)] for length in attention.shape[1:]]
    assert np.array_equal(merge_words(attention, *single), attention)


def test_a_merged_mask_allows_what_any_of_its_tokens_may():
    mask = np.tril(np.ones((4, 4), dtype=bool))
    merged = merge_mask(mask, [[0], [1, 2], [3]], [[0, 1], [2], [3]])
    assert merged.tolist() == [[True, False, False], [True, True, False], [True, True, True]]


def test_kept_tokens_are_renormalised():
    kept = keep_tokens(WEIGHTS, [0, 2, 3], [0, 3])
    expected = np.array([[4 / 5, 1 / 5], [0, 0], [1 / 6, 5 / 6]], dtype=np.float32)
    np.testing.assert_allclose(kept, expected, rtol=1e-6)
    assert kept.dtype == np.float32


def test_rows_of_kept_tokens_sum_to_one(attention):
    kept = keep_tokens(attention, [1, 2, 5], [0, 1, 3, 8])
    assert kept.shape == (3, 3, 4)
    np.testing.assert_allclose(kept.sum(axis=-1), 1, atol=1e-6)
    np.testing.assert_allclose(kept / kept[..., :1], attention[:, [1, 2, 5]][..., [0, 1, 3, 8]] / attention[:, [1, 2, 5], :1],
                               rtol=1e-5)  # fmt: skip


def test_the_maximum_of_each_cell_stays():
    weights = np.arange(20, dtype=np.float32).reshape(4, 5)
    # Five columns in two cells: columns 0 to 2 (ceil(5 / 2) = 3) and 3 to 4; four rows in two cells of two.
    assert pool_maximum(weights, 2).tolist() == [[7, 9], [17, 19]]
    # Four rows in three cells: they begin at 0, ceil(4 / 3) = 2 and ceil(8 / 3) = 3; five columns at 0, 2 and 4.
    assert pool_maximum(weights, 3).tolist() == [[6, 8, 9], [11, 13, 14], [16, 18, 19]]


@pytest.mark.parametrize("size", [1, 2, 4, 5, 6, 9, 20])
def test_pooling_loses_no_peak_and_covers_every_token(attention, size):
    pooled = pool_maximum(attention, size)
    assert pooled.shape == (3, min(6, size), min(9, size))
    assert np.array_equal(pooled.max(axis=(1, 2)), attention.max(axis=(1, 2)))
    for query in range(6):
        for key in range(9):
            peak = np.zeros((6, 9), dtype=np.float32)
            peak[query, key] = 1
            assert pool_maximum(peak, size).sum() == 1


def test_a_small_map_stays_as_it_is(attention):
    assert np.array_equal(pool_maximum(attention, 9), attention)
    assert pool_maximum(attention, 6).shape == (3, 6, 6)


def test_the_inputs_are_left_as_they_are(attention):
    before = attention.copy()
    attention.flags.writeable = False
    merge_words(attention, [[0, 1, 2], [3, 4, 5]], [[0, 1, 2, 3], [4, 5, 6, 7, 8]])
    keep_tokens(attention, [1], [0, 1])
    pool_maximum(attention, 2)
    merge_mask(attention[0] > 0.1, [[0, 1, 2, 3, 4, 5]], [[0], [1, 2, 3, 4, 5, 6, 7, 8]])
    assert np.array_equal(attention, before)
