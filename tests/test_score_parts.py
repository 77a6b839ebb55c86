"""One weight from the products of its dimensions to the softmax: by hand, and equal to the trace in every lazy family."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from model.analysis.score_parts import MASKED, dimension_products, score_parts, score_row
from model.architectures import SmallDecoder, SmallDecoderConfig
from model.errors import HeadscopeError
from model.interventions import UniformHeads
from model.layers import LazyLayer
from model.loading import wrap
from model.recording import record
from model.tokens import Token
from model.trace import Provenance, Trace
from tests.tiny_models import ENCODER_DECODERS, FIRST_FAMILIES, tiny, tiny_inputs

PROVENANCE = Provenance("hand", "local", "hand", "float32", "cpu", "lazy", {})


def hand_trace(**options) -> Trace:
    """Return a trace of one head: a query (1, 2) and the keys (3, 1), (0, -1), (1, 1), so dot products 5, -2 and 3."""
    query = torch.tensor([[[1.0, 2.0], [0.0, 0.0], [-1.0, 0.5]]])
    key = torch.tensor([[[3.0, 1.0], [0.0, -1.0], [1.0, 1.0]]])
    layer = LazyLayer("encoder", 0, "hand", query, key, None, **{"scaling": 0.5, **options})
    tokens = tuple(Token(text, text) for text in "abc")
    return Trace((layer,), {"encoder": tokens}, {}, PROVENANCE)


def alibi_decoder() -> SmallDecoder:
    torch.manual_seed(0)
    return SmallDecoder(
        SmallDecoderConfig(vocab_size=99, d_model=32, d_ff=48, heads=4, layers=2, positions="alibi")
    ).eval()


@pytest.mark.parametrize("padding", ["none", "left", "right"])
@pytest.mark.parametrize("name", [*FIRST_FAMILIES, "gpt_oss", "alibi"])
def test_the_chain_ends_in_the_weight_of_the_trace(name, padding):
    model = alibi_decoder() if name == "alibi" else tiny(name)
    trace = record(wrap(model), tiny_inputs(name, padding))
    assert {layer.source for layer in trace.layers} == {"lazy"}
    assert len(trace.stacks) == (3 if name in ENCODER_DECODERS else 1)
    for layer in trace.layers:
        for head in range(layer.heads):
            weights, mask = (read(layer.index, head, layer.stack) for read in (trace.attention, trace.mask))
            last = layer.shape[1] - 1
            for query in (0, 3, last):
                row = score_row(trace, layer.index, head, query, layer.stack)
                assert np.abs(row.weights - weights[query]).max() < 1e-6
                assert np.array_equal(row.allowed, mask[query])
            key = int(weights[last].argmax())
            parts = score_parts(trace, layer.index, head, last, key, layer.stack)
            check_chain(parts)
            assert parts.weight == pytest.approx(float(weights[last, key]), abs=1e-6)


def check_chain(parts):
    """Every number follows from those before it."""
    assert parts.products.sum() == pytest.approx(parts.dot_product, abs=1e-12)
    assert parts.scaled == parts.dot_product * parts.scaling
    capped = parts.scaled if parts.softcap is None else parts.softcap * np.tanh(parts.scaled / parts.softcap)
    assert parts.capped == pytest.approx(capped, abs=1e-12)
    assert parts.biased == parts.capped + parts.bias
    assert parts.score == (parts.biased if parts.allowed else MASKED)
    assert parts.exponential == pytest.approx(np.exp(parts.score - parts.maximum))
    assert parts.weight == pytest.approx(parts.exponential / parts.total)
    assert dimension_products(parts)["cumulative"].iloc[-1] == pytest.approx(parts.dot_product, abs=1e-12)


def test_families_differ_in_the_steps_they_take():
    def parts(name: str, stack: str | None = None):
        return score_parts(record(wrap(tiny(name)), tiny_inputs(name)), 0, 1, 4, 1, stack)

    plain, capped, biased, sunk = parts("llama"), parts("gemma2"), parts("t5", "encoder"), parts("gpt_oss")
    assert (plain.softcap, plain.sink, plain.bias, plain.capped) == (None, None, 0.0, plain.scaled)
    assert capped.softcap == 2.0
    assert abs(capped.capped) < abs(capped.scaled)
    assert biased.bias != 0
    assert biased.scaling == 1.0
    assert sunk.sink is not None
    assert 0 < sunk.sink_exponential < sunk.total


def test_the_steps_by_hand():
    parts = score_parts(hand_trace(), 0, 0, 0, 0)
    assert parts.products.tolist() == [3.0, 2.0]
    assert (parts.dot_product, parts.scaled, parts.score, parts.maximum) == (5.0, 2.5, 2.5, 2.5)
    assert parts.total == pytest.approx(1 + np.exp(-3.5) + np.exp(-1))
    assert parts.weight == pytest.approx(1 / (1 + np.exp(-3.5) + np.exp(-1)))
    bias = torch.tensor([[[0.0, 4.0, 0.5]]])
    parts = score_parts(hand_trace(softcap=2.0, bias=bias, sinks=torch.tensor([7.0])), 0, 0, 0, 1)
    assert parts.scaled == -1.0
    assert parts.capped == pytest.approx(2 * np.tanh(-0.5))
    assert parts.biased == pytest.approx(4 + 2 * np.tanh(-0.5))
    assert (parts.maximum, parts.sink_exponential) == (7.0, 1.0)
    assert parts.exponential == pytest.approx(np.exp(4 + 2 * np.tanh(-0.5) - 7))


def test_a_masked_key_keeps_its_dot_product_and_weighs_nothing():
    mask = torch.tensor([[[True, False, True]]])
    lowest = torch.tensor([[[0.0, torch.finfo(torch.float32).min, 0.0]]])
    for given in (dict(mask=mask), dict(bias=lowest)):
        parts = score_parts(hand_trace(**given), 0, 0, 0, 1)
        assert (parts.dot_product, parts.allowed, parts.bias, parts.score) == (-2.0, False, 0.0, MASKED)
        assert (parts.exponential, parts.weight) == (0.0, 0.0)
    # A query that may attend to nothing attends to all alike, as in transformers' eager attention.
    nothing = hand_trace(mask=torch.zeros(1, 1, 3, dtype=torch.bool))
    assert score_row(nothing, 0, 0, 0).weights.tolist() == pytest.approx([1 / 3] * 3)


def test_the_products_are_sorted_by_size():
    trace = hand_trace()
    frame = dimension_products(score_parts(trace, 0, 0, 2, 0))
    assert frame.columns.tolist() == ["dimension", "query", "key", "product", "cumulative"]
    assert frame["dimension"].tolist() == [0, 1]
    assert frame["product"].tolist() == [-3.0, 0.5]
    assert frame["cumulative"].tolist() == [-3.0, -2.5]


def test_a_contrast_is_the_logarithm_of_the_ratio_of_two_weights():
    row = score_row(hand_trace(), 0, 0, 0)
    assert row.contrast(0, 2).tolist() == [2.0, 0.0]
    assert row.contrast(0, 2).sum() * row.scaling == pytest.approx(np.log(row.weights[0] / row.weights[2]))
    # The other keys are (0, -1) and (1, 1): their mean is (0.5, 0).
    assert row.contrast(0).tolist() == [2.5, 2.0]
    masked = score_row(hand_trace(mask=torch.tensor([[[True, False, True]]])), 0, 0, 0)
    assert masked.contrast(0).tolist() == [2.0, 0.0]
    alone = score_row(hand_trace(causal=True), 0, 0, 0)
    with pytest.raises(HeadscopeError, match="no other key"):
        alone.contrast(0)


def test_what_cannot_be_taken_apart_is_refused_with_a_sentence():
    dense = record(wrap(tiny("bloom")), tiny_inputs("bloom"))
    with pytest.raises(HeadscopeError, match="only the weights were recorded"):
        score_row(dense, 0, 0, 0)
    changed = record(wrap(tiny("gpt2")), tiny_inputs("gpt2"), interventions=[UniformHeads("decoder", 1, [2])])
    with pytest.raises(HeadscopeError, match="L1 H2 was given other weights"):
        score_row(changed, 1, 2, 0)
    check_chain(score_parts(changed, 1, 1, 5, 3))
    trace = hand_trace()
    for refused in (lambda: score_row(trace, 0, 1, 0), lambda: score_row(trace, 0, -1, 0), lambda: score_row(trace, 1, 0, 0),
                    lambda: score_row(trace, 0, 0, 3), lambda: score_parts(trace, 0, 0, 0, 3),
                    lambda: score_row(trace, 0, 0, 0).contrast(0, -1)):  # fmt: skip
        with pytest.raises(HeadscopeError, match=r"There is no|there is no"):
            refused()


def test_half_precision_is_taken_apart_in_double_precision():
    trace = hand_trace()
    (layer,) = trace.layers
    half = replace(trace, layers=(replace(layer, query=layer.query.bfloat16(), key=layer.key.bfloat16()),))
    assert score_parts(half, 0, 0, 0, 0).weight == pytest.approx(score_parts(trace, 0, 0, 0, 0).weight)
