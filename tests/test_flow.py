"""Attention flow against graphs solved by hand, and against another solver's cuts."""

import numpy as np
import pytest

from model.analysis import flow
from model.analysis.flow import attention_flow, translation_flow
from model.analysis.rollout import attention_rollout, rows_to_one, with_residual
from model.errors import HeadscopeError

TWO_LAYERS = np.array([[[0.7, 0.3], [0.4, 0.6]], [[0.5, 0.5], [0.2, 0.8]]])


def random_maps(*shape: int, seed: int = 0) -> np.ndarray:
    return rows_to_one(np.random.default_rng(seed).random(shape))


def test_two_layers_by_hand():
    # From state 0 to token 0: min(.5, .7) over state 0 between and min(.5, .4) over state 1.
    assert attention_flow(TWO_LAYERS, residual=0) == pytest.approx(np.array([[0.9, 0.8], [0.6, 0.8]]), abs=1e-6)


def test_two_layers_with_the_residual_by_hand():
    maps = np.array([[[0.0, 1.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]])
    # A'_0 = [[.5, .5], [0, 1]], A'_1 = [[.5, .5], [.5, .5]].
    assert attention_flow(maps) == pytest.approx(np.array([[0.5, 1.0], [0.5, 1.0]]), abs=1e-6)


def test_one_layer_is_the_map_itself():
    maps = random_maps(1, 5, 5)
    assert attention_flow(maps) == pytest.approx(with_residual(maps)[0], abs=1e-6)


def test_attention_to_oneself_gives_the_identity():
    assert attention_flow(np.broadcast_to(np.eye(4), (3, 4, 4))) == pytest.approx(np.eye(4), abs=1e-6)


def test_flow_is_at_least_rollout_and_at_most_one():
    maps = random_maps(4, 6, 6)
    found = attention_flow(maps)
    assert (found >= attention_rollout(maps)[-1] - 1e-6).all()
    assert (found <= 1).all()


def test_a_mean_over_states_is_read_through_one_node():
    pooled = attention_flow(TWO_LAYERS, np.array([[0.5, 0.5]]), residual=0)
    # Token 0: .5 and .2 down to state 0 between (which passes .7), .3 to state 1 (which passes .4): all that the readout takes.
    # Token 1: the cut at the bottom, .3 + .6.
    assert pooled[0] == pytest.approx([1.0, 0.9], abs=1e-6)


def test_translation_by_hand():
    encoder = np.array([[[0.0, 1.0], [0.0, 1.0]]])
    decoder, cross = np.array([[[1.0]]]), np.array([[[0.6, 0.4]]])
    # The target keeps .5; source token 0 is in state 0 alone: min(.3, .5); token 1: min(.3, .5) + min(.2, 1).
    assert translation_flow(encoder, decoder, cross)[0] == pytest.approx([0.3, 0.5, 0.5], abs=1e-6)


def test_progress_rises_to_one():
    shares = []
    attention_flow(random_maps(2, 15, 15), progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) > 50


def test_progress_cancels():
    def progress(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attention_flow(TWO_LAYERS, progress=progress)


def test_the_limit_is_said_before_computing(monkeypatch):
    monkeypatch.setattr(flow, "MOST_EDGES", 100)
    monkeypatch.setattr(flow, "maximum_flow", lambda *_: pytest.fail("computed"))
    with pytest.raises(HeadscopeError, match="shorter text"):
        attention_flow(random_maps(3, 8, 8))
