"""Rotary scores, ALiBi and T5 biases, similarity of tables: hand numbers and the models' own functions."""

import numpy as np
import pytest
import torch
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb
from transformers.models.t5.modeling_t5 import T5Attention

from model.analysis.position_bias import (
    alibi_curves,
    bias_frame,
    example_relative_table,
    relative_buckets,
    relative_curves,
)
from model.analysis.position_similarity import linear_cka, position_components, position_cosines
from model.analysis.rotary import rotary_bound, rotary_scores
from model.architectures.positions import rotated, rotation
from model.errors import HeadscopeError
from model.position_modules import model_alibi_slopes, position_tables, relative_biases, rotary_frequencies
from tests.tiny_models import tiny

FREQUENCIES = 10000.0 ** (-np.arange(4) / 4)


def test_one_pair_by_hand():
    scores = rotary_scores(np.array([2.0, 0.0]), np.array([0.0, 3.0]), np.array([0.5]), np.array([0, 1, 2]))
    assert scores == pytest.approx([6 * np.cos(0.5 * distance - np.pi / 2) for distance in range(3)])


def test_the_score_is_that_of_the_rotated_vectors_and_depends_on_distance_alone():
    query, key = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    cosine, sine = rotation(torch.arange(30)[None], 8)
    turned = [rotated(vector.expand(1, 1, 30, 8), cosine, sine)[0, 0] for vector in (query, key)]
    products = (turned[0] @ turned[1].T).numpy()
    expected = rotary_scores(query.numpy(), key.numpy(), FREQUENCIES, np.arange(-29, 30))
    for row in range(30):
        assert products[row] == pytest.approx(expected[29 + row - np.arange(30)], abs=1e-4)


def test_halves_are_paired_as_in_llama():
    model = tiny("llama").model
    found = rotary_frequencies(model)[0]
    query, key = torch.randn(2, 1, 1, 12, 8, generator=torch.Generator().manual_seed(1))
    query, key = (states[:, :, :1].expand(1, 1, 12, 8) for states in (query, key))
    turned = apply_rotary_pos_emb(query, key, *model.rotary_emb(query, torch.arange(12)[None]))
    products = (turned[0][0, 0] @ turned[1][0, 0].T).numpy()
    vectors = (states[0, 0, 0].numpy() for states in (query, key))
    scores = rotary_scores(*vectors, found.frequencies, np.arange(12), found.interleaved)
    assert not found.interleaved
    assert products[:, 0] == pytest.approx(scores, abs=1e-4)


def test_dimensions_without_a_pair_are_not_turned():
    vector = np.array([0.0, 0.0, 2.0, 1.0])
    assert rotary_scores(vector, vector, np.array([0.3]), np.array([0, 9])) == pytest.approx([5, 5])


def test_the_bound_begins_at_its_largest_and_falls():
    bound = rotary_bound(10000.0 ** (-np.arange(64) / 64), np.array([0, 1, 50, 200]))
    assert bound[0] == pytest.approx(32.5)
    assert (np.diff(bound) < 0).all()


def test_alibi_curves_and_models():
    assert alibi_curves(np.array([0.5, 0.25]), np.array([-2, 0, 1])).tolist() == [[-1, 0, -0.5], [-0.5, 0, -0.25]]
    assert model_alibi_slopes(tiny("bloom")) == pytest.approx([2**-2, 2**-4, 2**-6, 2**-8])
    assert model_alibi_slopes(tiny("gpt2")) is None


@pytest.mark.parametrize(("buckets", "longest"), [(32, 128), (8, 20), (64, 400)])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_buckets_are_those_of_transformers(buckets, longest, bidirectional):
    distances = np.arange(-500, 501)
    theirs = T5Attention._relative_position_bucket(torch.from_numpy(distances), bidirectional, buckets, longest)
    assert relative_buckets(distances, buckets, longest, bidirectional).tolist() == theirs.tolist()


def test_relative_bias_is_that_of_the_model():
    model = tiny("t5")
    for bias, stack in zip(relative_biases(model), (model.encoder, model.decoder), strict=True):
        theirs = stack.block[0].layer[0].SelfAttention.compute_bias(1, 20)[0, :, 0].detach().numpy()
        ours = relative_curves(bias.table, np.arange(20), bias.max_distance, bias.bidirectional)
        assert ours == pytest.approx(theirs)


def test_example_and_frame():
    table = example_relative_table(2, 8, 16)
    assert table.shape == (8, 2)
    assert table[0].tolist() == [0, 0]
    assert table[1] == pytest.approx([-(2**-4), -(2**-8)])
    frame = bias_frame(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0, 1]))
    assert frame.values.tolist() == [[0, "H0", 1], [1, "H0", 2], [0, "H1", 3], [1, "H1", 4]]


def test_tables_of_models():
    for name, shape, learned in (("bert", (64, 32), True), ("opt", (64, 32), True), ("marian", (64, 32), False)):
        table = position_tables(tiny(name))[0]
        assert (table.table.shape, table.learned) == (shape, learned)
    roberta = tiny("roberta").embeddings.position_embeddings.weight.detach().numpy()
    assert np.array_equal(position_tables(tiny("roberta"))[0].table, roberta[1:])
    opt = tiny("opt").model.decoder.embed_positions.weight.detach().numpy()
    assert np.array_equal(position_tables(tiny("opt"))[0].table, opt[2:])
    assert position_tables(tiny("llama")) == ()


def test_cosines_components_and_alignment():
    table = np.array([[3.0, 4.0], [-3.0, -4.0], [4.0, -3.0], [0.0, 0.0]])
    cosines = position_cosines(table)
    assert cosines[0, :3] == pytest.approx([1, -1, 0])
    assert np.isnan(cosines[3]).all()
    line = position_components(np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]), 2)
    assert line.shares == pytest.approx([1, 0])
    assert np.abs(line.coordinates[:, 0]) == pytest.approx([2**0.5, 0, 2**0.5])
    generator = np.random.default_rng(0)
    first, noise = generator.normal(size=(200, 4)), generator.normal(size=(200, 4))
    rotation_matrix = np.linalg.qr(generator.normal(size=(4, 4)))[0]
    assert linear_cka(first, 3 * first @ rotation_matrix + 1) == pytest.approx(1)
    assert linear_cka(first, noise) < 0.1
    # By hand: Y^T X = 1, X^T X = Y^T Y = 2.
    assert linear_cka(np.array([[1.0], [-1.0], [0.0]]), np.array([[1.0], [0.0], [-1.0]])) == pytest.approx(0.25)
    with pytest.raises(HeadscopeError, match="at least two"):
        linear_cka(np.ones((3, 2)), first[:3])
