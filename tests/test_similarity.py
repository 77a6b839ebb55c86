"""Similarity of layers and heads: linear CKA in both forms, and what heads attend to, by hand and by identities."""

import numpy as np
import pytest

from model import HeadscopeError, record, wrap
from model.analysis import similarity as measured
from model.analysis.position_similarity import linear_cka
from model.analysis.similarity import aligned_states, best_matches, layer_means, layer_similarity, map_similarity
from model.analysis.token_alignment import TokenAlignment
from tests.tiny_models import tiny, tiny_inputs


def states(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def rotation(size: int) -> np.ndarray:
    return np.linalg.qr(states(size, size, seed=9))[0]


@pytest.mark.parametrize("debiased", [False, True])
def test_turned_scaled_and_moved_states_are_the_same(debiased):
    first = states(12, 5)
    found = layer_similarity([first], [first, -2 * first @ rotation(5) + 7, first * [9, 1, 1, 1, 1]], debiased=debiased)
    assert found.shape == (1, 3)
    assert found[0, :2] == pytest.approx(1)
    assert found[0, 2] < 0.95


def test_it_is_the_feature_form_whatever_the_widths():
    layers, others = [states(9, 4, seed=seed) for seed in range(3)], [states(9, 30, seed=seed) for seed in (5, 6)]
    found = layer_similarity(layers, others)
    expected = [[linear_cka(one, other) for other in others] for one in layers]
    assert found == pytest.approx(np.array(expected))
    own = layer_similarity(layers, layers)
    assert own == pytest.approx(layer_similarity(layers, list(layers)))
    assert own == pytest.approx(own.T)
    assert np.diag(own) == pytest.approx(1)


def hsic(first: np.ndarray, second: np.ndarray) -> float:
    """The unbiased estimator as Song et al. 2012, equation 5, write it."""
    count, one = len(first), np.ones(len(first))
    first, second = (gram - np.diag(np.diag(gram)) for gram in (first, second))
    sums = (one @ first @ one) * (one @ second @ one) / ((count - 1) * (count - 2))
    return (np.trace(first @ second) + sums - 2 / (count - 2) * one @ first @ second @ one) / (count * (count - 3))


def test_the_debiased_form_is_that_of_the_paper():
    one, other = states(7, 3), states(7, 5, seed=1) + states(7, 5)[:, [0, 0, 1, 1, 2]]
    first, second = one @ one.T, other @ other.T
    expected = hsic(first, second) / np.sqrt(hsic(first, first) * hsic(second, second))
    assert layer_similarity([one], [other], debiased=True)[0, 0] == pytest.approx(expected)


def test_chance_is_high_with_few_positions_and_about_zero_debiased():
    pairs = [(states(10, 100, seed=seed), states(10, 100, seed=seed + 100)) for seed in range(20)]
    biased = [layer_similarity([one], [other])[0, 0] for one, other in pairs]
    debiased = [layer_similarity([one], [other], debiased=True)[0, 0] for one, other in pairs]
    assert np.mean(biased) > 0.8
    assert abs(np.mean(debiased)) < 0.1


@pytest.mark.parametrize("debiased", [False, True])
def test_blocks_of_rows_give_the_same(monkeypatch, debiased):
    layers = [states(11, 4, seed=seed) for seed in range(3)]
    whole = layer_similarity(layers, layers[1:], debiased=debiased)
    monkeypatch.setattr(measured, "_BLOCK", 100)
    assert layer_similarity(layers, layers[1:], debiased=debiased) == pytest.approx(whole)


def test_states_that_are_all_alike_have_no_similarity():
    alike = np.tile(states(1, 4) / 3, (6, 1))
    found = layer_similarity([alike, states(6, 4)], [states(6, 4), alike])
    assert np.isnan(found).tolist() == [[True, True], [False, True]]
    assert found[1, 0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("first", "second", "debiased", "fewest"),
    [([(3, 2)], [(4, 2)], False, 2), ([(1, 2)], [(1, 2)], False, 2), ([(3, 2)], [(3, 2)], True, 4), ([], [(3, 2)], False, 2)],
)  # fmt: skip
def test_states_over_other_positions_are_refused(first, second, debiased, fewest):
    made = [[states(*shape) for shape in shapes] for shapes in (first, second)]
    with pytest.raises(HeadscopeError, match=f"same positions, at least {fewest}"):
        layer_similarity(*made, debiased=debiased)


def test_tokens_are_averaged_to_what_both_models_have():
    first, second = np.arange(8.0).reshape(4, 2), np.arange(9.0).reshape(3, 3)
    alignment = TokenAlignment((((1, 2), (0,)), ((3,), (1, 2))), only_first=(0,))
    one, other = aligned_states([first], [second, 2 * second], alignment)
    assert one[0].tolist() == [[3, 4], [6, 7]]
    assert other[0].tolist() == [[0, 1, 2], [4.5, 5.5, 6.5]]
    assert other[1].tolist() == (2 * other[0]).tolist()
    trace = record(wrap(tiny("bert")), tiny_inputs("bert"))
    whole = TokenAlignment(tuple(((place,), (place,)) for place in range(11)))
    aligned = aligned_states(trace.hidden_states(), trace.hidden_states(), whole)
    assert np.diag(layer_similarity(*aligned)) == pytest.approx(1)


def test_maps_that_attend_alike_and_not_at_all():
    first = np.array([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], dtype=np.float32)
    second = np.array([[[1, 0], [1, 0]], [[0.5, 0.5], [0, 1]]], dtype=np.float32)
    # JS of [1 0] with [.5 .5]: 1/2 log2(1 / .75) + 1/2 (.5 log2(.5 / .75) + .5 log2(.5 / .25)) = 0.3113 bits.
    mixed = 1 - 0.311278 / 2
    assert map_similarity(first, second) == pytest.approx(np.array([[0.5, mixed], [0, mixed]]), abs=1e-6)
    assert map_similarity(first, first) == pytest.approx(np.array([[1, 0.5], [0.5, 1]]), abs=1e-6)
    assert map_similarity(first, first.copy()) == pytest.approx(map_similarity(first, first))
    with pytest.raises(HeadscopeError, match="same tokens"):
        map_similarity(first, second[:, :, :1])


def test_each_head_finds_its_like():
    similarity = np.array([[1.0, 0.2, 0.9], [0.2, 1.0, 0.4], [0.9, 0.4, 1.0]])
    # Layer 0 has heads 0 and 1, layer 2 head 2.
    assert best_matches(similarity, (0, 0, 2), (0, 0, 2)) == pytest.approx(np.array([[1, 0.65], [0.9, 1]]))
    assert best_matches(similarity[:, :1], (0, 0, 2), (5,)) == pytest.approx(np.array([[0.6], [0.9]]))


def test_the_mean_over_the_heads_of_each_layer():
    trace = record(wrap(tiny("bert")), tiny_inputs("bert"))
    layers, means = layer_means(trace)
    assert layers == (0, 1, 2)
    assert np.allclose(means[1], trace.layer_attention(1).mean(axis=0), atol=1e-6)
    found = map_similarity(means, means)
    assert np.diag(found) == pytest.approx(1)
    assert ((found >= 0) & (found <= 1)).all()
