"""How a score or one weight moves through the layers."""

import numpy as np
import pytest
import torch

from model import HeadscopeError, record, wrap
from model.analysis.layer_profiles import layer_profile, pair_weights
from model.layers import DenseLayer
from model.tokens import position_tokens
from model.trace import Trace
from tests.hand_views import PROVENANCE
from tests.tiny_models import tiny, tiny_inputs

NAN = np.nan


def test_least_mean_largest_and_one_head():
    grid = np.array([[1, 2, 6], [4, NAN, 0], [NAN, NAN, NAN]])
    found = layer_profile(grid, (0, 3, 4), head=1)
    assert found.layers == (0, 3, 4)
    np.testing.assert_array_equal(found.minimum, [1, 0, NAN])
    np.testing.assert_array_equal(found.mean, [3, 2, NAN])
    np.testing.assert_array_equal(found.maximum, [6, 4, NAN])
    np.testing.assert_array_equal(found.chosen, [2, NAN, NAN])
    np.testing.assert_array_equal(layer_profile(grid, (0, 3, 4)).chosen, [NAN] * 3)


@pytest.mark.parametrize(("layers", "head", "reason"), [((0,), None, "one row per layer"), ((0, 1), 3, "heads 0 to 2")])
def test_what_does_not_fit_is_refused(layers, head, reason):
    with pytest.raises(HeadscopeError, match=reason):
        layer_profile(np.zeros((2, 3)), layers, head)


HEADS = torch.tensor(
    [[[1, 0, 0], [0.5, 0.25, 0.25], [0, 0.5, 0.5]], [[0, 0, 1], [0.25, 0.25, 0.5], [1, 0, 0]]], dtype=torch.float32
)


def hand_trace(mask=None) -> Trace:
    layers = (DenseLayer("encoder", 0, "attention", HEADS), DenseLayer("encoder", 2, "attention", HEADS[:1], mask))
    return Trace(layers, {"encoder": position_tokens(3)}, {}, PROVENANCE)


def test_the_weight_of_one_token_and_of_words_in_every_head():
    layers, grid = pair_weights(hand_trace(), [1], [0])
    assert layers == (0, 2)
    np.testing.assert_array_equal(grid, [[0.5, 0.25], [0.5, NAN]])
    # From the word of tokens 1 and 2 averaged, to that of 0 and 1 summed.
    grid = pair_weights(hand_trace(), [1, 2], [0, 1])[1]
    np.testing.assert_allclose(grid, [[(0.75 + 0.5) / 2, (0.5 + 1) / 2], [0.625, NAN]])


def test_what_is_masked_is_no_weight():
    mask = torch.tensor([[[True, False, False], [True, True, False], [True, True, True]]])
    np.testing.assert_array_equal(pair_weights(hand_trace(mask), [0], [1])[1], [[0, 0], [NAN, NAN]])
    for queries, keys in (([3], [0]), ([0], [-1]), ([], [0])):
        with pytest.raises(HeadscopeError, match="positions are 0 to 2"):
            pair_weights(hand_trace(), queries, keys)


@pytest.mark.parametrize(("name", "stack"), [("bert", None), ("gpt2", None), ("bart", "cross"), ("gemma2", None)])
def test_the_same_as_the_trace_itself(name, stack):
    trace = record(wrap(tiny(name)), tiny_inputs(name))
    layers, grid = pair_weights(trace, [6], [2], stack=stack)
    for row, layer in enumerate(layers):
        for head in range(trace.layer(layer, stack).heads):
            allowed = trace.mask(layer, head, stack)[6, 2]
            expected = trace.attention(layer, head, stack)[6, 2] if allowed else np.nan
            np.testing.assert_allclose(grid[row, head], expected, atol=1e-6)
