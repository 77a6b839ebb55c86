"""Families that cannot be captured exactly from queries and keys: their own weights, or a clear refusal."""

import numpy as np
import pytest
import torch
import transformers as t

from model import record, wrap
from model.attention_call import AttentionCall
from model.attention_interface import IMPLEMENTATION, collecting, interceptable, intercepted_attention
from model.dense_capture import dense_layers
from model.errors import NoAttention
from tests.tiny_models import tiny, tiny_inputs

SIZES = dict(vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48)
SMALL = SIZES | dict(max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2)
SIDES = dict(
    vocab_size=99, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, pad_token_id=0,
    decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, decoder_start_token_id=1,
)  # fmt: skip


def eager(model, inputs):
    model.set_attn_implementation("eager")
    with torch.no_grad():
        return model(**inputs, output_attentions=True, output_hidden_states=True, use_cache=False)


@pytest.mark.parametrize("padding", ["none", "left", "right"])
def test_a_causal_family_outside_the_interface(padding):
    trace = record(wrap(tiny("bloom")), tiny_inputs("bloom", padding))
    assert trace.stacks == ("decoder",)
    assert {layer.source for layer in trace.layers} == {"dense"}
    assert np.array_equal(trace.mask(1), np.tril(np.ones((11, 11), dtype=bool)))
    assert trace.layers[0].mask is trace.layers[1].mask
    assert len(trace.hidden_states()) == 3


def test_one_token_of_a_causal_family():
    trace = record(wrap(tiny("bloom")), {"input_ids": torch.tensor([[5]])})
    assert trace.stacks == ("decoder",)
    assert trace.attention(0, 0).tolist() == [[1.0]]


def test_an_encoder_outside_the_interface():
    torch.manual_seed(0)
    model = t.MPNetModel(t.MPNetConfig(**SMALL)).eval()
    assert not interceptable(model)
    trace, expected = record(wrap(model), tiny_inputs("bert")), eager(model, tiny_inputs("bert"))
    assert trace.stacks == ("encoder",)
    assert trace.mask(0).all()
    for index, weights in enumerate(expected.attentions):
        assert np.array_equal(trace.layer_attention(index), weights[0].numpy())
    for found, state in zip(trace.hidden_states(), expected.hidden_states, strict=True):
        assert np.array_equal(found, state[0].numpy())


def test_a_family_without_sdpa_keeps_its_causal_mask():
    # NLLB-MoE never tells its modules that they are causal: only its mask does.
    torch.manual_seed(0)
    model = t.NllbMoeForConditionalGeneration(t.NllbMoeConfig(**SIDES, num_experts=2)).eval()
    assert not model._supports_sdpa
    inputs = tiny_inputs("bart", "left")
    trace, expected = record(wrap(model), inputs), eager(model, inputs)
    assert {layer.source for layer in trace.layers} == {"lazy"}
    for stack in ("encoder", "decoder", "cross"):
        fields = {"encoder": "encoder_attentions", "decoder": "decoder_attentions", "cross": "cross_attentions"}
        for index, weights in enumerate(expected[fields[stack]]):
            assert abs(trace.layer_attention(index, stack) - weights[0].numpy()).max() < 1e-5
    assert np.array_equal(trace.mask(0, 0, "decoder"), np.tril(np.ones((7, 7), dtype=bool)))


def test_windows_around_each_token_are_not_taken_for_a_map():
    # Five tokens and a window of four: the weights [5, 5] look like a map from token to token, and are none.
    windows = torch.softmax(torch.randn(1, 4, 5, 5), dim=-1)
    output = {"encoder_attentions": (windows,), "decoder_attentions": (windows,)}
    layers = dense_layers(output, "encoder", windowed=True)
    assert [layer.stack for layer in layers] == ["decoder"]


@pytest.mark.parametrize(
    "build", [lambda: t.FNetModel(t.FNetConfig(**SIZES)), lambda: t.MambaModel(t.MambaConfig(**SIZES))]
)
def test_families_without_attention_are_refused(build):
    with pytest.raises(NoAttention, match="Choose a model with full softmax attention"):
        record(wrap(build().eval()), {"input_ids": torch.tensor([[5, 6, 7]])})


def test_pooled_layers_are_left_out():
    torch.manual_seed(0)
    whole, pooled = (torch.softmax(torch.randn(1, 2, *size), dim=-1) for size in ((6, 6), (3, 6)))
    small = torch.softmax(torch.randn(1, 2, 3, 3), dim=-1)
    layers = dense_layers(
        {"attentions": (whole, pooled, small, whole, None, {"local": whole})}, "encoder", windowed=False
    )
    assert [(layer.stack, layer.index) for layer in layers] == [("encoder", 0), ("encoder", 3)]


def test_rows_with_nothing_to_attend_to_do_not_hide_causality():
    lower = torch.softmax(torch.full((4, 4), -torch.inf).triu(1) + torch.randn(4, 4), dim=-1)
    padded = lower.clone()
    padded[:2] = 1 / 4
    full = torch.softmax(torch.randn(4, 4), dim=-1)
    uniform = torch.full((4, 4), 1 / 4)
    for weights, stack in ((lower, "decoder"), (padded, "decoder"), (full, "encoder"), (uniform, "encoder")):
        (layer,) = dense_layers({"attentions": (weights[None, None],)}, "decoder", windowed=False)
        assert layer.stack == stack


def attend(model, module, mask=None, **options):
    query = torch.randn(1, 2, 4, 8)
    with collecting(model, IMPLEMENTATION) as collector:
        intercepted_attention(module, query, query, query, mask, **options)
        intercepted_attention(module, query, query, query, None if mask is None else mask[:, :, :, :1], **options)
    return collector


def test_a_family_with_sinks_of_its_own_is_recorded_densely():
    torch.manual_seed(0)
    sizes = dict(num_key_value_heads=2, head_dim=8, num_experts_per_tok=1, moe_intermediate_size=24, pad_token_id=0)
    model = t.Inkling2ForCausalLM(t.Inkling2TextConfig(**SIZES, **sizes)).eval()
    assert interceptable(model)
    trace, expected = record(wrap(model), tiny_inputs("gpt2")), eager(model, tiny_inputs("gpt2"))
    assert {layer.source for layer in trace.layers} == {"dense"}
    for index, weights in enumerate(expected.attentions):
        assert np.array_equal(trace.layer_attention(index), weights[0].numpy())


def test_sinks_of_another_kind_are_not_taken_as_exact():
    model = tiny("bert")
    module = model.encoder.layer[0].attention.self
    assert attend(model, module).exact
    assert not attend(model, module, sinks=torch.zeros(1, 2, 4, 1)).exact


def test_masks_that_begin_at_one_address_are_told_apart():
    model = tiny("bert")
    mask = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    mask[0, 0, :, 3] = False
    first, second = attend(model, model.encoder.layer[0].attention.self, mask).layers
    assert (first.mask.shape, second.mask.shape) == ((1, 4, 4), (1, 4, 1))
    assert second.allowed().all()
    assert not first.allowed()[:, 3].any()


def test_shapes_that_cannot_be_recomputed_are_not_kept():
    model = tiny("bert")
    module = model.encoder.layer[0].attention.self
    with collecting(model, IMPLEMENTATION) as collector:
        query, blocks = torch.randn(1, 2, 4, 8), torch.randn(1, 2, 3, 4, 8)
        collector.attend(AttentionCall(module, query, blocks, blocks))
    assert not collector.exact
    assert collector.layers == []
