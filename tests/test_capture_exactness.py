"""Captured weights equal transformers' own eager weights, in every family and with padding on either side."""

import pytest
import torch

from model import record, wrap
from tests.tiny_models import BUILDERS, ENCODER_DECODERS, FIRST_FAMILIES, tiny, tiny_inputs

TOLERANCE = 1e-5
FIELDS = {"encoder": "encoder_attentions", "decoder": "decoder_attentions", "cross": "cross_attentions"}


def eager_attentions(model, inputs, stack, encoder_decoder):
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            output = model(**inputs, output_attentions=True)
    finally:
        model.set_attn_implementation(before)
    return output[FIELDS[stack]] if encoder_decoder else output.attentions


@pytest.mark.parametrize("padding", ["none", "left", "right"])
@pytest.mark.parametrize("name", [*FIRST_FAMILIES, "gpt_oss"])
def test_lazy_weights_equal_eager(name, padding):
    model, inputs = tiny(name), tiny_inputs(name, padding)
    trace = record(wrap(model), inputs)
    assert trace.stacks == (("encoder", "decoder", "cross") if name in ENCODER_DECODERS else trace.stacks[:1])
    for stack in trace.stacks:
        expected = eager_attentions(model, inputs, stack, name in ENCODER_DECODERS)
        layers = trace.of_stack(stack)
        assert [layer.index for layer in layers] == list(range(len(expected)))
        assert {layer.source for layer in layers} == {"lazy"}
        for layer, weights in zip(layers, expected, strict=True):
            assert layer.shape == tuple(weights.shape[1:])
            found = trace.layer_attention(layer.index, stack)
            assert abs(found - weights[0].numpy()).max() < TOLERANCE


def test_stack_of_one_sided_models():
    kinds = {name: record(wrap(tiny(name)), tiny_inputs(name)).stacks for name in FIRST_FAMILIES}
    encoders = {"bert", "roberta", "distilbert", "albert", "modernbert"}
    for name, stacks in kinds.items():
        if name not in ENCODER_DECODERS:
            assert stacks == (("encoder",) if name in encoders else ("decoder",)), name


@pytest.mark.parametrize("name", ["gpt2", "bert", "t5"])
def test_one_token_is_a_map_of_one(name):
    trace = record(
        wrap(tiny(name)),
        {"input_ids": torch.tensor([[5]])} | ({"decoder_input_ids": torch.tensor([[0]])} if name == "t5" else {}),
    )
    assert trace.stacks == {"gpt2": ("decoder",), "bert": ("encoder",), "t5": ("encoder", "decoder", "cross")}[name]
    for layer in trace.layers:
        assert trace.attention(layer.index, 0, layer.stack).tolist() == [[1.0]]


def test_families_outside_the_interface_are_recorded_densely():
    model, inputs = tiny("bloom"), tiny_inputs("bloom")
    trace = record(wrap(model), inputs)
    expected = eager_attentions(model, inputs, "decoder", False)
    assert {layer.source for layer in trace.layers} == {"dense"}
    for layer, weights in zip(trace.layers, expected, strict=True):
        assert abs(trace.layer_attention(layer.index) - weights[0].numpy()).max() == 0
    assert "dense" in trace.provenance.capture


def test_rows_with_a_sink_sum_to_less_than_one():
    weights = record(wrap(tiny("gpt_oss")), tiny_inputs("gpt_oss")).layer_attention(0)
    assert (weights.sum(-1) < 0.999).all()


@pytest.mark.parametrize("name", list(BUILDERS))
def test_nothing_is_left_on_the_model(name):
    model, inputs = tiny(name), tiny_inputs(name)
    implementation = model.config._attn_implementation
    before = model(**inputs)[0].detach()
    record(wrap(model), inputs)
    assert model.config._attn_implementation == implementation
    ours = [hook for module in model.modules() for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
            if "model.attention_interface" in getattr(hook, "__module__", "")]  # fmt: skip
    assert not ours
    assert torch.equal(model(**inputs)[0], before)
