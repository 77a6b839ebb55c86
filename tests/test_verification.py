"""What is captured lazily is compared with the family's own eager attention, and given up where the two differ."""

import copy

import numpy as np
import pytest
import torch
import transformers as t
from transformers.models.llama import modeling_llama

from model import record, wrap
from model.attention_interface import IMPLEMENTATION, collecting
from tests.registry_models import build, inputs_of
from tests.tiny_models import tiny, tiny_inputs

EAGER = modeling_llama.eager_attention_forward


def sharper(module, query, key, value, attention_mask, scaling, **options):
    """Return eager attention of another formula than softmax(scaling * q.k)."""
    return EAGER(module, query, key, value, attention_mask, 2 * scaling, **options)


def test_a_family_with_a_formula_of_its_own_is_recorded_as_it_returns_its_weights(monkeypatch):
    monkeypatch.setattr(modeling_llama, "eager_attention_forward", sharper)
    model, inputs = tiny("llama"), tiny_inputs("llama")
    trace = record(wrap(model), inputs)
    assert {layer.source for layer in trace.layers} == {"dense"}
    monkeypatch.undo()
    usual = record(wrap(model), inputs)
    assert {layer.source for layer in usual.layers} == {"lazy"}
    assert abs(trace.layer_attention(0) - usual.layer_attention(0)).max() > 0.05


@pytest.mark.parametrize("padding", ["none", "left", "right"])
@pytest.mark.parametrize("name", ["gpt2", "gemma2", "gpt_oss", "bert"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rounding_and_padding_are_no_disagreement(name, padding, dtype):
    model = copy.deepcopy(tiny(name)).to(dtype)
    with torch.no_grad(), collecting(model, IMPLEMENTATION) as collector:
        model(**tiny_inputs(name, padding))
    assert collector._off
    assert collector.agrees


def test_a_causal_mask_that_was_left_out_is_built_where_a_module_needs_it():
    # PaliGemma's text modules do not call themselves causal, and without padding no mask says so.
    model = build("paligemma")
    trace = record(wrap(model), inputs_of(model))
    assert {layer.source for layer in trace.layers} == {"lazy"}
    assert np.array_equal(trace.mask(0), np.tril(np.ones((11, 11), dtype=bool)))


def test_two_calls_with_the_same_weights_are_one_layer():
    model = build("diffllama")
    layers = record(wrap(model), inputs_of(model)).layers
    assert [layer.index for layer in layers] == [0, 1, 2]
    assert {layer.value.shape[-1] for layer in layers} == {2 * layer.query.shape[-1] for layer in layers}


def test_images_side_by_side_are_no_map():
    model = t.ViTModel(
        t.ViTConfig(hidden_size=32, num_attention_heads=4, num_hidden_layers=1, image_size=8, patch_size=4)
    )
    with torch.no_grad(), collecting(model.eval(), IMPLEMENTATION) as collector:
        model(pixel_values=torch.randn(2, 3, 8, 8))
    assert not collector.agrees
    assert collector.layers == []
