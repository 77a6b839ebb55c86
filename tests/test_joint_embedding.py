"""Queries and keys in one plane: attention as before, distances that tell it, the same map every time."""

import builtins

import numpy as np
import pytest
import torch

from model.analysis.joint_embedding import (
    METHODS,
    MOST_POSITIONS,
    distance_correlation,
    joined_vectors,
    joint_embedding,
    strongest_pairs,
)
from model.errors import HeadscopeError
from model.layers import LazyLayer
from model.loading import wrap
from model.recording import record
from model.tokens import Token
from model.trace import Provenance, Trace
from tests.tiny_models import tiny, tiny_inputs

PROVENANCE = Provenance("hand", "local", "hand", "float32", "cpu", "lazy", {})


def vectors(queries: int = 7, keys: int = 9, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(1, 3, (queries, 5)), generator.normal(-2, 0.5, (keys, 5))


def softmax(scores: np.ndarray) -> np.ndarray:
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def hand_trace(query: np.ndarray, key: np.ndarray, **options) -> Trace:
    parts = [torch.tensor(part[None], dtype=torch.float32) for part in (query, key)]
    tokens = tuple(Token(f"t{place}", f"t{place}") for place in range(len(key)))
    return Trace(
        (LazyLayer("encoder", 0, "", *parts, None, **{"scaling": 1.0, **options}),), {"encoder": tokens}, {}, PROVENANCE
    )


def test_joining_does_not_change_attention():
    queries, keys = vectors()
    joined = joined_vectors(queries, keys)
    before, after = queries @ keys.T, joined.queries @ joined.keys.T
    assert np.abs(softmax(before) - softmax(after)).max() < 1e-12
    # What is added to a row is one number.
    assert np.ptp(before - after, axis=1).max() < 1e-10
    assert np.abs(joined.keys.mean(axis=0)).max() < 1e-12
    lengths = [np.median(np.linalg.norm(part, axis=1)) for part in (joined.queries, joined.keys)]
    assert lengths[0] == pytest.approx(lengths[1])
    assert joined.scale != pytest.approx(1)


def test_a_softcap_sees_what_is_added_so_keys_stay_where_they_are():
    queries, keys = vectors()
    before = queries @ keys.T

    def capped(translate: bool) -> np.ndarray:
        joined = joined_vectors(queries, keys, translate)
        return softmax(20 * np.tanh(joined.queries @ joined.keys.T / 20))

    assert np.abs(softmax(20 * np.tanh(before / 20)) - capped(False)).max() < 1e-12
    assert np.abs(softmax(20 * np.tanh(before / 20)) - capped(True)).max() > 1e-3


def test_scaling_by_hand():
    # Medians of length: queries 4, keys after centring 1.
    joined = joined_vectors(np.array([[4.0, 0], [0, 4]]), np.array([[6.0, 5], [4, 5]]))
    assert joined.scale == 0.5
    assert joined.queries.tolist() == [[2, 0], [0, 2]]
    assert joined.keys.tolist() == [[2, 0], [-2, 0]]
    alike = joined_vectors(np.ones((3, 2)), np.ones((3, 2)))
    assert (alike.scale, alike.keys.tolist()) == (1.0, [[0, 0]] * 3)


def test_two_dimensions_lose_nothing():
    generator = np.random.default_rng(1)
    angles = generator.uniform(0, 2 * np.pi, (2, 8))
    # Keys on a circle about their mean: then the nearest has the largest dot product.
    query, key = (np.stack([np.cos(own), np.sin(own)], axis=1) for own in angles)
    key = np.concatenate([key, -key])
    trace = hand_trace(np.concatenate([query, query]), key)
    found = joint_embedding(trace, 0, 0)
    assert found.space_correlation == pytest.approx(-1)
    assert found.map_correlation == pytest.approx(-1)
    near = np.linalg.norm(found.query_points[:, None] - found.key_points, axis=-1)
    weights = trace.attention(0, 0)
    assert (near.argmin(axis=1) == weights.argmax(axis=1)).all()
    assert found.key_norms == pytest.approx(np.ones(16))


def test_the_correlation_by_hand():
    queries, keys = np.array([[0.0], [0.0]]), np.array([[1.0], [2.0], [3.0]])
    weights = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]], dtype=np.float32)
    every = np.ones((2, 3), dtype=bool)
    assert distance_correlation(queries, keys, weights, every) == pytest.approx(0)
    assert distance_correlation(queries[:1], keys, weights[:1], every[:1]) == pytest.approx(-1)
    # Without the last key of the second query, 1 and 2 stand against 0.1 and 0.2; one key alone does not count.
    masked = np.array([[True, False, False], [True, True, False]])
    assert distance_correlation(queries, keys, weights, masked) == pytest.approx(1)
    assert np.isnan(distance_correlation(queries[:1], keys, weights[:1], masked[:1]))


@pytest.mark.parametrize("method", ["PCA", "t-SNE"])
@pytest.mark.parametrize("name", ["bert", "llama", "gemma2", "t5"])
def test_the_same_trace_gives_the_same_map(name, method):
    trace = record(wrap(tiny(name)), tiny_inputs(name))
    stack = trace.stacks[-1]
    first, second = (joint_embedding(trace, 1, 1, stack, method) for _ in range(2))
    layer = trace.layer(1, stack)
    assert first.query_points.shape == (layer.shape[1], 2)
    assert first.key_points.shape == (layer.shape[2], 2)
    assert np.array_equal(first.query_points, second.query_points)
    assert np.array_equal(first.key_points, second.key_points)
    assert -1 <= first.map_correlation <= 1
    assert np.isfinite(first.query_points).all()


def test_padding_is_left_out():
    trace = record(wrap(tiny("bert")), tiny_inputs("bert", "right"))
    found = joint_embedding(trace, 0, 0)
    assert found.key_positions.tolist() == list(range(8))
    assert found.query_positions.tolist() == list(range(11))
    trace = record(wrap(tiny("gpt2")), tiny_inputs("gpt2", "left"))
    found = joint_embedding(trace, 0, 0)
    assert found.query_positions.tolist() == list(range(3, 11))
    assert found.key_positions.tolist() == list(range(3, 11))


@pytest.mark.parametrize("method", ["PCA", "t-SNE"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_short_texts_have_a_map(method, count):
    ids = {"input_ids": torch.arange(5, 5 + count)[None]}
    found = joint_embedding(record(wrap(tiny("gpt2")), ids), 0, 0, method=method)
    assert np.isfinite(found.query_points).all()
    assert found.key_points.shape == (count, 2)
    assert (count > 2) or np.isnan(found.map_correlation) or abs(found.map_correlation) == pytest.approx(1)


def test_limits_are_said_before_anything_is_computed(monkeypatch):
    long = hand_trace(*vectors(MOST_POSITIONS + 1, MOST_POSITIONS + 1))
    with pytest.raises(HeadscopeError, match="at most 500 queries and keys, and this text has 501 and 501"):
        joint_embedding(long, 0, 0, method="t-SNE")
    trace = hand_trace(*vectors(6, 6))
    with pytest.raises(HeadscopeError, match="Choose PCA, t-SNE, UMAP"):
        joint_embedding(trace, 0, 0, method="MDS")
    imported = builtins.__import__

    def without_umap(name, *rest):
        if name == "umap":
            raise ImportError(name)
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_umap)
    with pytest.raises(HeadscopeError, match="UMAP is not installed here"):
        joint_embedding(trace, 0, 0, method="UMAP")
    assert METHODS[0] == "PCA"


def test_progress_may_cancel():
    def stop(_share: float):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        joint_embedding(hand_trace(*vectors(6, 6)), 0, 0, progress=stop)


def test_the_strongest_pairs_are_not_masked():
    weights = np.array([[0.9, 0.1], [0.4, 0.6]], dtype=np.float32)
    mask = np.array([[False, True], [True, True]])
    assert [pair[:2] for pair in strongest_pairs(weights, mask, 2)] == [(1, 1), (1, 0)]
    assert strongest_pairs(weights, mask, 9)[-1] == (0, 1, pytest.approx(0.1))
    assert len(strongest_pairs(weights, mask, 9)) == 3
