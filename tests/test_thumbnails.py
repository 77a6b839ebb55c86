"""Thumbnails: codes that can be read back, masked cells told apart from zero, and the true maxima beside them."""

import numpy as np
import pytest

from model import record, wrap
from model.analysis.aggregation import pool_maximum
from model.analysis.thumbnails import (
    BUDGET_BYTES,
    MASKED_CODE,
    decode_tiles,
    encode_tiles,
    head_thumbnails,
    pool_mask,
    tile_size,
)
from tests.tiny_models import tiny, tiny_inputs


def test_codes_of_known_weights():
    pooled = np.array([[[0, 1, 0.25], [1 / 254**2, 0.5, 1]]], dtype=np.float32)
    allowed = np.array([[True, True, True], [True, True, False]])
    # 254 * sqrt(weight), rounded: sqrt(1/4) is 127 and sqrt(1/2) is 179.6.
    assert encode_tiles(pooled, allowed).tolist() == [[[0, 254, 127], [1, 180, MASKED_CODE]]]


def test_decoding_takes_back_encoding():
    weights = np.linspace(0, 1, 600, dtype=np.float32).reshape(1, 20, 30)
    decoded = decode_tiles(encode_tiles(weights, np.ones((20, 30), dtype=bool)))
    # Half a code is half of 1/254 of the root: at most 2 * sqrt(weight) * 0.5 / 254 of the weight, and a little more.
    assert abs(decoded - weights).max() <= 1 / 254 + 1e-5
    codes = np.arange(255, dtype=np.uint8).reshape(1, 15, 17)
    assert np.array_equal(encode_tiles(decode_tiles(codes), np.ones((15, 17), dtype=bool)), codes)
    assert np.isnan(decode_tiles(np.array([[MASKED_CODE]], dtype=np.uint8))).all()


def test_a_cell_is_masked_only_where_all_it_covers_is():
    mask = np.tril(np.ones((4, 4), dtype=bool))
    assert pool_mask(mask, 2).tolist() == [[True, False], [True, True]]
    assert np.array_equal(pool_mask(mask, 4), mask)


@pytest.mark.parametrize(("heads", "side"), [(0, 64), (1, 64), (144, 64), (146, 64), (600, 31), (9375, 8), (10**6, 8)])
def test_tiles_stay_within_the_budget(heads, side):
    assert tile_size(heads) == side
    assert heads * side**2 <= BUDGET_BYTES or side == 8


@pytest.mark.parametrize("name", ["bert", "gpt2", "bart"])
def test_thumbnails_of_a_recorded_run(name):
    stack = "cross" if name == "bart" else None
    trace, told = record(wrap(tiny(name)), tiny_inputs(name)), []
    thumbnails = head_thumbnails(trace, stack=stack, progress=told.append)
    assert told == pytest.approx([1 / 3, 2 / 3, 1])
    assert thumbnails.layers == (0, 1, 2)
    assert thumbnails.tiles.dtype == np.uint8
    for layer in range(3):
        weights, mask = trace.layer_attention(layer, stack), trace.mask(layer, 0, stack)
        assert thumbnails.tiles[layer].shape == weights.shape
        found = decode_tiles(thumbnails.tiles[layer])
        assert np.array_equal(np.isnan(found), np.broadcast_to(~mask, weights.shape))
        assert np.nanmax(abs(found - weights)) < 0.005
        for head, one in enumerate(weights):
            assert thumbnails.maxima[layer, head] == one.max()
            assert one[tuple(thumbnails.strongest[layer, head])] == one.max()


def test_a_peak_is_seen_in_a_tile_smaller_than_the_map():
    weights = np.zeros((1, 300, 300), dtype=np.float32)
    weights[0, 217, 31] = 1
    codes = encode_tiles(pool_maximum(weights, 64), np.ones((64, 64), dtype=bool))
    assert codes.shape == (1, 64, 64)
    assert codes.max() == 254
    assert np.argwhere(codes[0]).tolist() == [[217 * 64 // 300, 31 * 64 // 300]]
