"""Attention rollout: identities, two layers by hand, and the correction for a causal mask."""

import numpy as np
import pytest

from model.analysis.rollout import (
    allowed_maps,
    attention_rollout,
    combined_heads,
    receptive_field_corrected,
    rows_to_one,
    translation_rollout,
    with_residual,
)
from model.errors import HeadscopeError
from model.loading import wrap
from model.recording import record
from tests.tiny_models import tiny, tiny_inputs


def random_maps(*shape: int, seed: int = 0) -> np.ndarray:
    return rows_to_one(np.random.default_rng(seed).random(shape))


def test_two_layers_by_hand():
    maps = np.array([[[1.0, 0.0], [0.5, 0.5]], [[0.2, 0.8], [0.0, 1.0]]])
    # A'_0 = [[1, 0], [.25, .75]] and A'_1 = [[.6, .4], [0, 1]].
    rolled = attention_rollout(maps)
    assert rolled[0] == pytest.approx(np.array([[1, 0], [0.25, 0.75]]))
    assert rolled[1] == pytest.approx(np.array([[0.7, 0.3], [0.25, 0.75]]))


def test_rows_sum_to_one_also_with_an_attention_sink():
    maps = random_maps(5, 7, 7) * np.random.default_rng(1).random((5, 7, 1))
    assert attention_rollout(maps).sum(axis=2) == pytest.approx(1)


def test_attention_to_oneself_gives_the_identity():
    maps = np.broadcast_to(np.eye(4), (3, 4, 4))
    assert attention_rollout(maps) == pytest.approx(maps)


def test_what_went_to_a_sink_stays_at_the_token():
    mixed = with_residual(np.array([[[0.0, 0.2], [0.0, 0.0]]]))
    assert mixed[0] == pytest.approx(np.array([[0.9, 0.1], [0, 1]]))


def test_without_a_residual_share_rollout_is_the_product():
    maps = random_maps(3, 4, 4)
    assert attention_rollout(maps, residual=0)[2] == pytest.approx(maps[2] @ maps[1] @ maps[0])


def test_uniform_causal_attention_is_corrected_to_even_rows():
    allowed = np.broadcast_to(np.tri(5, dtype=bool), (3, 5, 5))
    rolled = attention_rollout(rows_to_one(allowed.astype(float)))
    assert rolled[2, 4, 0] > rolled[2, 4, 1] > rolled[2, 4, 3]
    corrected = receptive_field_corrected(rolled, allowed)
    assert corrected == pytest.approx(np.broadcast_to(rows_to_one(np.tri(5)), (3, 5, 5)))


def test_correction_by_hand():
    allowed = np.tri(2, dtype=bool)[None]
    rolled = attention_rollout(np.array([[[1.0, 0.0], [0.9, 0.1]]]))
    # Rows [.45, .55] against the uniform [.25, .75]: ratios 1.8 and .7333.
    assert receptive_field_corrected(rolled, allowed)[0, 1] == pytest.approx([1.8 / 2.5333333, 0.7333333 / 2.5333333])


def test_translation_by_hand():
    encoder = np.array([[[0.0, 1.0], [0.0, 1.0]]])  # A' = [[.5, .5], [0, 1]]
    decoder, cross = np.array([[[1.0]]]), np.array([[[0.6, 0.4]]])
    # .5 stays at the target token; .3 and .2 look at the source states, of which the first is half the second token.
    assert translation_rollout(encoder, decoder, cross)[0, 0] == pytest.approx([0.15, 0.35, 0.5])
    rolled = translation_rollout(random_maps(2, 5, 5), random_maps(3, 4, 4), random_maps(3, 4, 5))
    assert rolled.shape == (3, 4, 9)
    assert rolled.sum(axis=2) == pytest.approx(1)


@pytest.mark.parametrize(
    ("maps", "options", "said"),
    [
        (random_maps(1, 3, 4), {}, "to itself"),
        (2 * random_maps(1, 3, 3), {}, "at most 1"),
        (-random_maps(1, 3, 3), {}, "at most 1"),
        (random_maps(1, 3, 3), {"residual": 1.5}, "from 0 to 1"),
    ],
)
def test_what_is_no_map_is_refused(maps, options, said):
    with pytest.raises(HeadscopeError, match=said):
        attention_rollout(maps, **options)


def test_layers_of_both_attentions_must_be_as_many():
    with pytest.raises(HeadscopeError, match="as many"):
        translation_rollout(random_maps(1, 3, 3), random_maps(2, 2, 2), random_maps(1, 2, 3))


def test_heads_of_a_trace_are_combined():
    trace = record(wrap(tiny("llama")), tiny_inputs("llama"))
    weights = trace.layer_attention(1)
    assert combined_heads(trace)[1] == pytest.approx(weights.mean(axis=0), abs=1e-6)
    assert combined_heads(trace, head=2)[1] == pytest.approx(weights[2], abs=1e-6)
    maximum = combined_heads(trace, combination="maximum")[1]
    assert maximum == pytest.approx(rows_to_one(weights.max(axis=0)), abs=1e-6)
    assert (allowed_maps(trace)[1] == np.tri(11, dtype=bool)).all()
    with pytest.raises(HeadscopeError, match="Choose mean or maximum"):
        combined_heads(trace, combination="median")
