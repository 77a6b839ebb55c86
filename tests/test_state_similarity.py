"""Cosines of hidden states, and how narrow the cone is that they lie in: by hand and by identities."""

import math

import numpy as np
import pytest

from model import HeadscopeError, record, wrap
from model.analysis import state_similarity as measured
from model.analysis.state_similarity import (
    anisotropy,
    cosine_similarity,
    joined_states,
    layer_cosines,
    mean_cosine,
    mean_cosine_by_dimension,
)
from tests.tiny_models import tiny, tiny_inputs


def states(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_cosines_by_hand():
    found = cosine_similarity(np.array([[3.0, 4.0], [0.0, 2.0], [-6.0, -8.0]], dtype=np.float32))
    assert found == pytest.approx(np.array([[1, 0.8, -1], [0.8, 1, -0.8], [-1, -0.8, 1]]))
    assert np.isnan(cosine_similarity(np.array([[1.0, 0.0], [0.0, 0.0]]))).tolist() == [[False, True], [True, True]]


def test_layers_of_one_token():
    layers = [
        np.array([[9.0, 9.0], [1.0, 0.0]]),
        np.array([[9.0, 9.0], [1.0, 1.0]]),
        np.array([[9.0, 9.0], [0.0, -3.0]]),
    ]
    half = math.sqrt(0.5)
    assert layer_cosines(layers, 1) == pytest.approx(np.array([[1, half, 0], [half, 1, -half], [0, -half, 1]]))
    with pytest.raises(HeadscopeError, match="positions 0 to 1"):
        layer_cosines(layers, 2)


def test_the_mean_is_that_of_all_pairs():
    table = states(9, 5) + 1
    pairs = cosine_similarity(table)[~np.eye(9, dtype=bool)]
    assert mean_cosine(table) == pytest.approx(pairs.mean())
    assert mean_cosine(2.5 * table) == pytest.approx(pairs.mean())


def test_anisotropy_of_one_direction_and_of_even_ones():
    alike, even = np.tile([[3.0, 4.0, 0.0]], (3, 1)), np.diag([1.0, 5.0, 0.1])
    opposite = np.array([[1.0, 0.0, 0.0], [-2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    # The pairs of `opposite` have -1, 0 and 0.
    assert anisotropy([alike, even, opposite]) == pytest.approx(np.array([1, 0, -1 / 3]))


def test_without_the_mean_a_narrow_cone_is_wide():
    simplex = np.eye(4) + 100
    found = [anisotropy([simplex])[0], anisotropy([simplex], centred=True)[0]]
    # Less their mean they are the corners of a tetrahedron: cosine -1/3.
    assert found == pytest.approx([1, -1 / 3], abs=1e-3)
    assert np.isnan(anisotropy([np.full((3, 4), 0.1)], centred=True)[0])


def test_the_dimension_that_makes_the_cone_is_named():
    table = states(50, 8)
    table[:, 6] += 30
    parts = mean_cosine_by_dimension(table)
    assert parts.sum() == pytest.approx(mean_cosine(table))
    assert parts.argmax() == 6
    assert parts[6] > 0.95
    assert np.abs(np.delete(parts, 6)).max() < 0.01


def test_texts_are_joined_layer_by_layer():
    first, second = [np.ones((2, 3)), np.zeros((2, 3))], [np.full((1, 3), 7.0), np.full((1, 3), 8.0)]
    joined = joined_states([first, second])
    assert [table[:, 0].tolist() for table in joined] == [[1, 1, 7], [0, 0, 8]]
    with pytest.raises(HeadscopeError, match="one model"):
        joined_states([first, second[:1]])
    with pytest.raises(HeadscopeError, match="one model"):
        joined_states([])


def test_a_run_from_end_to_end():
    trace = record(wrap(tiny("gpt2")), tiny_inputs("gpt2"))
    layers = trace.hidden_states()
    found = layer_cosines(layers, 4)
    vectors = [table[4].astype(np.float64) for table in layers]
    expected = vectors[0] @ vectors[3] / math.sqrt(float(vectors[0] @ vectors[0]) * float(vectors[3] @ vectors[3]))
    assert found[0, 3] == pytest.approx(expected)
    assert anisotropy(layers).shape == (4,)


def test_too_few_and_too_many_say_so(monkeypatch):
    with pytest.raises(HeadscopeError, match="at least two states"):
        mean_cosine(np.ones((1, 3)))
    monkeypatch.setattr(measured, "MOST_STATES", 4)
    with pytest.raises(HeadscopeError, match="at most 4 states and these are 5"):
        cosine_similarity(np.ones((5, 2)))
