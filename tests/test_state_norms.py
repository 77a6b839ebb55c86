"""Norms of hidden states and the tokens and activations that outgrow the others, by hand and on a run."""

import math

import numpy as np
import pytest

from model import HeadscopeError, record, wrap
from model.analysis.state_norms import massive_activations, outlier_tokens, state_norms
from tests.tiny_models import tiny, tiny_inputs


def test_norms_by_hand():
    states = [np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[6.0, 8.0], [1.0, 0.0]])]
    assert state_norms(states).tolist() == [[5, 0], [10, 1]]
    assert state_norms(states, "RMS") == pytest.approx(np.array([[5, 0], [10, 1]]) / math.sqrt(2))


def test_half_precision_does_not_overflow():
    states = [np.full((1, 4), 300, dtype=np.float16)]
    assert state_norms(states).item() == 600


def test_norms_of_a_run():
    trace = record(wrap(tiny("bert")), tiny_inputs("bert"))
    found = state_norms(trace.hidden_states())
    assert found.shape == (4, 11)
    assert found[3, 5] == pytest.approx(float(trace.states["encoder"][3][5].norm()), rel=1e-5)


def test_a_token_stands_out_against_the_median():
    norms = np.array([[1.0, 2.0, 3.0, 100.0], [1.0, 1.0, 1.0, 3.0]])
    # The medians are 2.5 and 1.
    assert outlier_tokens(norms).tolist() == [[False, False, False, True], [False] * 4]
    assert outlier_tokens(norms, 2.9)[1].tolist() == [False, False, False, True]
    assert not outlier_tokens(np.array([[1.0, 1000.0]])).any()
    with pytest.raises(HeadscopeError, match="at least 1"):
        outlier_tokens(norms, 0.5)


def test_massive_activations_need_both_the_size_and_the_ratio():
    calm, large, tall = np.full((3, 5), 0.1), np.full((3, 5), 1.0), np.full((3, 5), 0.01)
    calm[0, 2], calm[1, 4] = -250, 150  # 2,500 and 1,500 times the median
    large[0, 2] = 250  # above 100, but 250 times the median
    tall[0, 2] = 90  # 9,000 times the median, but below 100
    found = massive_activations([tall, calm, large])
    assert [(one.layer, one.position, one.dimension, one.value) for one in found] == [(1, 0, 2, -250), (1, 1, 4, 150)]
    assert [one.ratio for one in found] == pytest.approx([2500, 1500])
    assert [one.layer for one in massive_activations([tall, calm, large], value=80, ratio=200)] == [0, 1, 1, 2]


def test_a_layer_that_is_nearly_nothing_else_has_no_bounded_ratio():
    table = np.zeros((3, 3))
    table[1, 1] = 200
    assert massive_activations([table])[0].ratio == math.inf


@pytest.mark.parametrize("states", [[], [np.ones((2, 3)), np.ones((3, 3))], [np.ones((0, 3))]])
def test_states_of_several_texts_are_refused(states):
    with pytest.raises(HeadscopeError, match="one text"):
        massive_activations(states)


def test_what_cannot_be_measured_says_so():
    with pytest.raises(HeadscopeError, match="float32"):
        state_norms([np.array([[1.0, np.inf]])])
    with pytest.raises(HeadscopeError, match="no norm “L3”"):
        state_norms([np.ones((1, 2))], "L3")
