"""Norm-based attention, its forms, mixing ratios and contributions: by hand, by identity, and against plain sums of vectors."""

import copy

import numpy as np
import pytest
import torch

import model.analysis.norm_contributions as norm_contributions
import model.analysis.norm_forms as norm_forms
import model.analysis.norms as norms
import model.value_projection as value_projection
from model import HeadscopeError, wrap
from model.analysis.norm_contributions import alti_contributions, alti_layers
from model.analysis.norm_forms import FORMS, form_refusal, fullest_form, mixed_vectors
from model.analysis.norms import (
    attention_norms,
    head_attention_norms,
    mixed_norms,
    mixing_ratio,
    row_shares,
    value_norms,
)
from model.value_projection import record_mixings
from tests.made_mixings import FAMILIES, all_layers, made_mixing, recorded
from tests.tiny_models import tiny, tiny_inputs

CASES = [(name, padding) for name in FAMILIES for padding in ("none", "left", "right")]


def all_vectors(mixing, form):
    """Return T [query, key, d_model] by the definitions, all at once."""
    weights, moved, added = mixing.layer.weights(), mixing.moved_vectors(), mixing.added
    vectors = torch.einsum("hqk,hkd->qkd", weights, moved)
    if form == "attention":
        return vectors
    if added.norm_before is not None:
        vectors = added.norm_before.weight * vectors / added.norm_before.deviation[:, None, None]
    vectors = vectors * added.scale
    if mixing.layer.stack != "cross":
        vectors = vectors + torch.eye(len(vectors))[..., None] * added.residual[:, None]
    if form == "layer norm":
        after = added.norm_after
        vectors = after.weight * (vectors - vectors.mean(dim=-1, keepdim=True)) / after.deviation[:, None, None]
    return vectors


def forms_of(mixing):
    return [form for form in FORMS if form_refusal(mixing, form) is None]


@pytest.mark.parametrize(("name", "padding"), CASES)
def test_whole_and_constant_make_the_tensor_of_the_model(name, padding):
    for mixing in all_layers(recorded(name, padding)):
        assert "residual" in forms_of(mixing)
        for form in forms_of(mixing):
            vectors = mixed_vectors(mixing, form)
            off = vectors.whole + vectors.constant - vectors.output
            assert float(off.norm() / vectors.output.norm()) < 1e-4
            parts = all_vectors(mixing, form).sum(dim=1)
            if vectors.is_cross and vectors.kept is not None:
                parts = parts + vectors.kept
            torch.testing.assert_close(parts, vectors.whole, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_results_equal_plain_sums_of_vectors(name, monkeypatch):
    # Small enough that every layer takes several blocks.
    monkeypatch.setattr(value_projection, "BLOCK", 300)
    monkeypatch.setattr(norm_forms, "BLOCK", 600)
    monkeypatch.setattr(norm_contributions, "_ROWS", 4)
    for mixing in all_layers(recorded(name)):
        for form in forms_of(mixing):
            vectors, kept = all_vectors(mixing, form), mixed_vectors(mixing, form).kept
            expected = vectors.norm(dim=-1)
            np.testing.assert_allclose(
                mixed_norms(mixing, form), expected, rtol=1e-3, atol=1e-4 * float(expected.max())
            )
            cross = mixing.layer.stack == "cross"
            if cross:
                own, others = torch.zeros_like(vectors[:, 0]) if kept is None else kept, vectors.sum(dim=1)
            else:
                own = vectors.diagonal().T
                others = (vectors * (1 - torch.eye(len(vectors)))[..., None]).sum(dim=1)
            ratio = others.norm(dim=-1) / (others.norm(dim=-1) + own.norm(dim=-1))
            np.testing.assert_allclose(mixing_ratio(mixing, form), ratio, rtol=1e-3, atol=1e-4)
            sources = torch.cat([vectors, kept[:, None]], dim=1) if cross and kept is not None else vectors
            whole = sources.sum(dim=1, keepdim=True)
            gain = (whole.abs().sum(dim=-1) - (whole - sources).abs().sum(dim=-1)).clamp(min=0)
            shares = gain / gain.sum(dim=1, keepdim=True).clamp(min=1e-30)
            found = alti_contributions(mixing, form)
            np.testing.assert_allclose(found, shares[:, : found.shape[1]], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_norms_per_head_are_weights_times_value_norms(name):
    for mixing in all_layers(recorded(name, "left")):
        weights, moved = mixing.layer.weights(), mixing.moved_vectors()
        np.testing.assert_allclose(value_norms(mixing), moved.norm(dim=-1), rtol=1e-5)
        expected = (weights[..., None] * moved[:, None]).norm(dim=-1)
        found = attention_norms(mixing)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(head_attention_norms(mixing, 1), found[1])
        # A row of padding may have no weight at all where there is a sink.
        some = weights.sum(dim=-1).numpy() > 0
        np.testing.assert_allclose(row_shares(found).sum(axis=-1), some, atol=1e-5)
        assert some[:, 3:].all()


def test_heads_that_cancel_move_nothing():
    mixing = made_mixing(
        [[[0.75, 0.25]], [[0.75, 0.25]]], [[[3.0, 4.0], [1.0, 0.0]], [[-3.0, -4.0], [1.0, 0.0]]], stack="cross"
    )
    np.testing.assert_allclose(value_norms(mixing), [[5, 1], [5, 1]])
    np.testing.assert_allclose(attention_norms(mixing), [[[3.75, 0.25]], [[3.75, 0.25]]])
    np.testing.assert_allclose(mixed_norms(mixing), [[0, 0.5]], atol=1e-7)


def test_a_large_weight_on_a_small_vector_moves_little():
    mixing = made_mixing([[[0.9, 0.1]]], [[[0.0, 0.1], [9.0, 0.0]]], stack="cross")
    np.testing.assert_allclose(attention_norms(mixing)[0], [[0.09, 0.9]], rtol=1e-6)
    np.testing.assert_allclose(row_shares(attention_norms(mixing))[0], [[1 / 11, 10 / 11]], rtol=1e-5)
    assert row_shares(np.zeros((2, 3), dtype=np.float32)).sum() == 0


def test_the_residual_counts_for_the_position_itself():
    # Query 0: from itself 0.5 (4, 0) + (1, 0) = (3, 0), from key 1 0.5 (0, 8) = (0, 4).
    mixing = made_mixing([[[0.5, 0.5], [0.0, 1.0]]], [[[4.0, 0.0], [0.0, 8.0]]], residual=[[1.0, 0.0], [0.0, -3.0]])
    np.testing.assert_allclose(mixed_norms(mixing), [[2, 4], [0, 8]])
    np.testing.assert_allclose(mixed_norms(mixing, "residual"), [[3, 4], [0, 5]])
    np.testing.assert_allclose(mixing_ratio(mixing, "attention"), [4 / 6, 0], rtol=1e-6)
    np.testing.assert_allclose(mixing_ratio(mixing), [4 / 7, 0], rtol=1e-6)


def test_contributions_by_hand():
    # y = (3, 1): without (3, 0) it is 1 long, without (0, 1) 3, of 4; so they gain 3 and 1.
    mixing = made_mixing([[[0.5, 0.5], [0.0, 1.0]]], [[[6.0, 0.0], [0.0, 2.0]]], residual=[[0.0, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(alti_contributions(mixing), [[0.75, 0.25], [0, 1]])
    # y = (2, 0): what points away from it gains nothing.
    mixing = made_mixing([[[0.5, 0.5], [0.0, 1.0]]], [[[6.0, 0.0], [-2.0, 0.0]]], residual=[[0.0, 0.0], [2.0, 0.0]])
    # The second position is (0, 0): no vector goes with it.
    np.testing.assert_allclose(alti_contributions(mixing), [[1, 0], [0, 0]])


def test_in_cross_attention_the_residual_is_a_source_of_its_own():
    mixing = made_mixing([[[0.5, 0.5]]], [[[2.0, 0.0], [4.0, 0.0]]], residual=[[0.0, 1.0]], stack="cross")
    # y = (3, 1), from (1, 0), (2, 0) and the residual (0, 1).
    np.testing.assert_allclose(alti_contributions(mixing), [[0.25, 0.5]])
    np.testing.assert_allclose(mixed_norms(mixing, "residual"), [[1, 2]])
    np.testing.assert_allclose(mixing_ratio(mixing), [3 / 4])


def test_a_value_projection_that_changes_nothing():
    model = copy.deepcopy(tiny("bert"))
    with torch.no_grad():
        for block in model.encoder.layer:
            for module in (block.attention.self.value, block.attention.output.dense):
                module.weight.copy_(torch.eye(32))
                module.bias.zero_()
    mixings = record_mixings(wrap(model), tiny_inputs("bert"))
    states = torch.tensor(mixings.trace.hidden_states()[1])
    # Head h moves its eight dimensions of the state as they are.
    expected = states.unflatten(1, (4, 8)).norm(dim=-1).T
    np.testing.assert_allclose(value_norms(mixings.layer(1)), expected, rtol=1e-5)


def test_the_layer_norm_rescales_rows_and_removes_the_mean():
    mixing = recorded("bert").layer(1)
    norm = mixing.added.norm_after
    plain = torch.nn.functional.layer_norm(mixing.added.total, (32,), norm.weight, norm.bias, 1e-12)
    vectors = mixed_vectors(mixing, "layer norm")
    torch.testing.assert_close(vectors.whole + norm.bias + (vectors.constant - norm.bias), plain, atol=1e-5, rtol=1e-5)
    # A vector that is the same in every dimension is nothing to a layer norm.
    assert norm.linear(torch.full((32,), 7.0)).abs().max() < 1e-5


def test_forms_that_a_model_has_not():
    assert fullest_form(recorded("bert").layer(0)) == "layer norm"
    assert fullest_form(recorded("gpt2").layer(0)) == "residual"
    assert fullest_form(made_mixing([[[1.0]]], [[[1.0]]])) == "attention"
    with pytest.raises(HeadscopeError, match="normalises before attention"):
        mixed_norms(recorded("gpt2").layer(0), "layer norm")
    with pytest.raises(HeadscopeError, match="not found"):
        mixing_ratio(made_mixing([[[1.0]]], [[[1.0]]]))
    with pytest.raises(HeadscopeError, match="no form"):
        mixed_norms(recorded("gpt2").layer(0), "everything")
    with pytest.raises(HeadscopeError, match="no head 4"):
        head_attention_norms(recorded("gpt2").layer(0), 4)


def test_limits_are_said_before_computing(monkeypatch):
    mixings = recorded("bert")
    monkeypatch.setattr(norms, "LARGEST", 4 * 11 * 11 - 1)
    with pytest.raises(HeadscopeError, match="shorter text"):
        attention_norms(mixings.layer(0))
    monkeypatch.setattr(norm_contributions, "LARGEST", 32 * 100)
    told = []
    with pytest.raises(HeadscopeError, match="at most 10 tokens"):
        alti_layers(mixings, progress=told.append)
    assert not told


def test_contributions_of_all_layers_report_progress():
    told = []
    found = alti_layers(recorded("marian"), "decoder", progress=told.append)
    assert (found.shape, found.dtype) == ((3, 7, 7), np.float32)
    np.testing.assert_array_equal(found[2], alti_contributions(recorded("marian").layer(2, "decoder")))
    assert told == pytest.approx([1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)
    with pytest.raises(HeadscopeError, match="without its values"):
        alti_layers(recorded("bloom"))
