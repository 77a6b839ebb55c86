"""The softmax of attention on numbers small enough to work out by hand."""

from math import log

import pytest
import torch

from model.attention_weights import attention_weights, masked_scores
from model.layers import LazyLayer

# q.k = [[1, 1], [0, 1]]; a scaling of ln 3 turns a difference of one into a ratio of 1 : 3.
QUERY = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
KEY = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]])


LN_3 = log(3)


def weights(sinks=None, scaling=LN_3, **given):
    return attention_weights(masked_scores(QUERY, KEY, scaling, **given), sinks)[0]


def close(found, expected):
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-6, rtol=0)


def test_plain_softmax():
    close(weights(), [[1 / 2, 1 / 2], [1 / 4, 3 / 4]])


def test_scaling_multiplies_the_scores():
    close(weights(scaling=log(9)), [[1 / 2, 1 / 2], [1 / 10, 9 / 10]])


def test_bias_is_added_after_scaling():
    close(weights(bias=torch.tensor([[[0.0, log(2)], [log(2), 0.0]]])), [[1 / 3, 2 / 3], [2 / 5, 3 / 5]])


def test_a_softcap_bends_the_scaled_scores():
    # softcap * tanh(score / softcap) with softcap ln 9 and a scaled score of ln 9 * atanh(1/2) is half of ln 9, that is ln 3.
    scaling = log(9) * torch.atanh(torch.tensor(0.5)).item()
    close(weights(scaling=scaling, softcap=log(9)), [[1 / 2, 1 / 2], [1 / 4, 3 / 4]])


def test_a_softcap_comes_before_the_bias():
    scaling = log(9) * torch.atanh(torch.tensor(0.5)).item()
    bias = torch.tensor([[[0.0, 0.0], [0.0, log(3)]]])
    close(weights(scaling=scaling, softcap=log(9), bias=bias), [[1 / 2, 1 / 2], [1 / 10, 9 / 10]])


def test_masked_keys_get_nothing():
    allowed = torch.tensor([[[True, False], [True, True]]])
    close(weights(allowed=allowed), [[1.0, 0.0], [1 / 4, 3 / 4]])


@pytest.mark.parametrize("bias", [None, torch.zeros(1, 2, 2)])
def test_a_fully_masked_row_is_uniform(bias):
    allowed = torch.tensor([[[False, False], [False, True]]])
    close(weights(allowed=allowed, bias=bias), [[1 / 2, 1 / 2], [0.0, 1.0]])


def test_a_bias_of_the_smallest_number_masks_too():
    smallest = torch.finfo(torch.float32).min
    close(weights(bias=torch.tensor([[[0.0, smallest], [smallest, smallest]]])), [[1.0, 0.0], [1 / 2, 1 / 2]])


def test_a_sink_takes_its_share_of_the_row():
    # Row 0: exp(ln 3) twice and exp(0) once; row 1: 1, 3 and 1.
    close(weights(sinks=torch.tensor([0.0])), [[3 / 7, 3 / 7], [1 / 5, 3 / 5]])


def test_a_mask_may_be_shared_by_heads_and_by_queries():
    query, key = QUERY.repeat(2, 1, 1), KEY.repeat(2, 1, 1)
    scores = masked_scores(query, key, log(3), allowed=torch.tensor([[[True, False]]]))
    close(attention_weights(scores), [[[1.0, 0.0], [1.0, 0.0]]] * 2)


def test_grouped_heads_equal_repeated_keys():
    torch.manual_seed(0)
    query, key = torch.randn(6, 5, 4), torch.randn(2, 7, 4)
    grouped = LazyLayer("encoder", 0, "attention", query, key, None, 0.5)
    repeated = LazyLayer("encoder", 0, "attention", query, key[[0, 0, 0, 1, 1, 1]], None, 0.5)
    assert torch.equal(grouped.weights(), repeated.weights())
    for head in range(6):
        torch.testing.assert_close(grouped.weights(head), repeated.weights()[head], atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype):
    torch.manual_seed(0)
    query, key = torch.randn(2, 5, 8).to(dtype), torch.randn(2, 5, 8).to(dtype)
    found = LazyLayer("encoder", 0, "attention", query, key, None, 1.0).weights()
    expected = torch.softmax(query.double() @ key.double().transpose(1, 2), dim=-1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, atol=1e-6, rtol=0)
    in_half = torch.softmax(query @ key.transpose(1, 2), dim=-1).double()
    assert (in_half - expected).abs().max() > 1e-4


def test_the_inputs_are_left_as_they_are():
    query, key, bias = QUERY.clone(), KEY.clone(), torch.zeros(1, 2, 2)
    attention_weights(masked_scores(query, key, 1.0, torch.zeros(1, 2, 2, dtype=torch.bool), bias, softcap=1.0))
    assert torch.equal(query, QUERY)
    assert torch.equal(key, KEY)
    assert not bias.any()
