"""Views of a trace: one head or several combined, words, hidden special tokens, and what is looked at most."""

import numpy as np
import pytest
import torch

from model import HeadscopeError, Token, Trace, record, wrap
from model.analysis.aggregation import COMBINATIONS
from model.analysis.views import attention_view, head_weights, top_keys, top_queries
from model.layers import DenseLayer
from tests.tiny_models import tiny, tiny_inputs
from tests.tiny_tokenizers import tiny_bert_for

# [CLS] un ##able [SEP], two layers of two heads; dyadic fractions, so that sums are exact.
HEADS = torch.tensor(
    [
        [[[8, 0, 0, 0], [4, 2, 1, 1], [2, 2, 2, 2], [0, 4, 4, 0]], [[2, 2, 2, 2], [1, 1, 1, 5], [0, 8, 0, 0], [8, 0, 0, 0]]],
        [[[0, 0, 0, 8], [2, 4, 2, 0], [0, 0, 8, 0], [4, 4, 0, 0]], [[0, 0, 0, 8], [2, 0, 2, 4], [4, 4, 0, 0], [2, 2, 2, 2]]],
    ],
    dtype=torch.float32,
) / 8  # fmt: skip


@pytest.fixture
def trace():
    tokens = (
        Token("[CLS]", "[CLS]", special=True), Token("un", "un", word=0), Token("##able", "##able", word=0),
        Token("[SEP]", "[SEP]", special=True),
    )  # fmt: skip
    layers = tuple(DenseLayer("encoder", index, "attention", heads) for index, heads in enumerate(HEADS))
    return Trace(layers, {"encoder": tokens}, {}, record(wrap(tiny("bert")), tiny_inputs("bert")).provenance)


def test_one_head(trace):
    view = attention_view(trace, 1, 0)
    assert np.array_equal(view.weights, HEADS[1, 0])
    assert view.query_tokens == view.key_tokens == ("[CLS]", "un", "##able", "[SEP]")
    assert view.query_special == (True, False, False, True)
    assert view.key_positions == (0, 1, 2, 3)
    assert view.mask.all()


@pytest.mark.parametrize(
    ("combination", "expected"),
    [
        ("head", HEADS[1, 1]),
        ("layer mean", HEADS[1].mean(0)),
        ("layer maximum", HEADS[1].amax(0)),
        ("mean of all", HEADS.mean((0, 1))),
        ("maximum of all", HEADS.amax((0, 1))),
    ],
)
def test_combinations(trace, combination, expected):
    view = attention_view(trace, 1, 1, combination=combination)
    assert view.weights.dtype == np.float32
    assert np.array_equal(view.weights, expected)
    if "maximum" not in combination:
        np.testing.assert_allclose(view.weights.sum(axis=-1), 1, atol=1e-6)


def test_combinations_that_are_not_there_are_refused(trace):
    assert set(COMBINATIONS) == {"head", "layer mean", "layer maximum", "mean of all", "maximum of all"}
    for combination in ("mean", "maximum", ""):
        with pytest.raises(HeadscopeError, match="Choose head, layer mean"):
            attention_view(trace, 0, 0, combination=combination)
    for layer, head in ((2, 0), (0, 2), (0, -1)):
        with pytest.raises(HeadscopeError, match=r"[Tt]here is no"):
            attention_view(trace, layer, head)


def test_words(trace):
    view = attention_view(trace, 0, 0, words=True)
    assert view.query_tokens == ("[CLS]", "unable", "[SEP]")
    assert view.query_positions == (0, 1, 3)
    assert view.key_special == (True, False, True)
    # The row of the word is the mean of [4, 2, 1, 1] and [2, 2, 2, 2], its column the sum of both columns.
    assert np.array_equal(view.weights * 8, [[8, 0, 0], [3, 3.5, 1.5], [0, 8, 0]])


def test_hidden_special_tokens(trace):
    view = attention_view(trace, 0, 0, hide_special=True)
    assert view.query_tokens == ("un", "##able")
    assert view.query_positions == (1, 2)
    np.testing.assert_allclose(view.weights, [[2 / 3, 1 / 3], [1 / 2, 1 / 2]], rtol=1e-6)
    both = attention_view(trace, 0, 0, words=True, hide_special=True)
    assert both.query_tokens == both.key_tokens == ("unable",)
    assert both.weights.tolist() == [[1.0]]
    assert both.mask.tolist() == [[True]]


def test_special_tokens_stay_where_there_is_nothing_else(trace):
    tokens = tuple(Token(str(i), str(i), special=True) for i in range(4))
    only_special = Trace(trace.layers, {"encoder": tokens}, {}, trace.provenance)
    assert attention_view(only_special, 0, 0, hide_special=True).query_tokens == ("0", "1", "2", "3")


def test_words_and_hiding_come_before_heads_are_combined(trace):
    view = attention_view(trace, 0, 0, combination="layer maximum", hide_special=True)
    per_head = [attention_view(trace, 0, head, hide_special=True).weights for head in range(2)]
    assert np.array_equal(view.weights, np.maximum(*per_head))
    mean = attention_view(trace, 0, 0, combination="mean of all", words=True)
    per_head = [attention_view(trace, layer, head, words=True).weights for layer in range(2) for head in range(2)]
    np.testing.assert_allclose(mean.weights, np.mean(per_head, axis=0), atol=1e-7)


def test_what_is_looked_at_most(trace):
    view = attention_view(trace, 0, 0)
    assert top_keys(view, 1) == [(0, 0.5), (1, 0.25), (2, 0.125), (3, 0.125)]
    assert top_keys(view, 1, count=2) == [(0, 0.5), (1, 0.25)]
    assert top_queries(view, 1) == [(3, 0.5), (1, 0.25), (2, 0.25), (0, 0.0)]
    assert top_queries(view, 0, count=1) == [(0, 1.0)]


def test_masked_tokens_are_not_among_the_most_looked_at():
    view = attention_view(record(wrap(tiny("gpt2")), tiny_inputs("gpt2")), 1, 2)
    assert [key for key, _ in top_keys(view, 0)] == [0]
    assert {key for key, _ in top_keys(view, 3, count=99)} == {0, 1, 2, 3}
    assert {query for query, _ in top_queries(view, 9)} == {9, 10}
    weights = [weight for _, weight in top_keys(view, 10, count=99)]
    assert weights == sorted(weights, reverse=True)
    assert sum(weights) == pytest.approx(1, abs=1e-5)


def test_over_all_layers_a_key_counts_as_allowed_where_any_layer_allows_it():
    # Gemma 2 takes turns: a window of five tokens, then every token before.
    trace = record(wrap(tiny("gemma2")), tiny_inputs("gemma2"))
    masks = [trace.mask(layer) for layer in range(3)]
    assert masks[0].sum() < masks[1].sum()
    for layer in range(3):
        view = attention_view(trace, layer, 0, combination="mean of all")
        assert np.array_equal(view.mask, masks[0] | masks[1] | masks[2])
        assert not view.weights[~view.mask].any()
        assert np.array_equal(attention_view(trace, layer, 0, combination="layer mean").mask, masks[layer])


@pytest.mark.parametrize(
    "options", [dict(), dict(words=True), dict(hide_special=True), dict(words=True, hide_special=True)]
)
def test_rows_of_a_recorded_text_sum_to_one(options):
    trace = record(tiny_bert_for("word piece"), "The animal didn't cross.")
    for layer, weights in head_weights(trace, **options):
        np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)
        for head in range(4):
            np.testing.assert_allclose(attention_view(trace, layer, head, **options).weights, weights[head], atol=1e-6)
    assert layer == 2


def test_cross_attention_has_the_tokens_of_both_sides():
    trace = record(wrap(tiny("bart")), tiny_inputs("bart"))
    view = attention_view(trace, 0, 1, stack="cross", combination="mean of all", words=True, hide_special=True)
    assert view.weights.shape == view.mask.shape == (7, 11)
    assert len(view.query_tokens) == 7
    assert len(view.key_tokens) == 11


def test_the_trace_is_left_as_it_is(trace):
    before = HEADS.clone()
    for combination in COMBINATIONS:
        attention_view(trace, 0, 0, combination=combination, words=True, hide_special=True)
    assert torch.equal(HEADS, before)


@pytest.mark.parametrize(
    ("options", "token", "place"),
    [
        ({}, "q2", "q2"),
        ({}, "", ""),
        ({"words": True}, "k2", "k1"),
        ({"hide_special": True}, "q3", ""),
        ({"hide_special": True}, "k1", "k0"),
    ],
)
def test_where_a_token_of_the_sequence_stands(trace, options, token, place):
    view = attention_view(trace, 0, 0, **options)
    assert view.place_of(token) == place
    if place and "words" not in options:
        assert view.token_at(place) == token


def test_a_row_that_is_not_there_is_no_token(trace):
    view = attention_view(trace, 0, 0)
    assert view.token_at("") == ""
    assert view.token_at("q99") == ""
