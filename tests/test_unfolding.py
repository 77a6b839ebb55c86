"""Bands and blocks become maps: such a map times the values is what the attention module itself hands on."""

import numpy as np
import pytest
import torch
import transformers as t

from model import record, wrap
from model.errors import NoAttention
from model.unfolding import unfold_own_blocks

SMALL = dict(
    vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, pad_token_id=0,
    bos_token_id=1, eos_token_id=2, max_position_embeddings=64,
)  # fmt: skip
SIDES = dict(
    vocab_size=99, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, pad_token_id=0,
    decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, decoder_start_token_id=1,
)  # fmt: skip
TOKENS = 21


def longformer():
    return t.LongformerModel(t.LongformerConfig(**SMALL, attention_window=4))


def led():
    sizes = dict(max_encoder_position_embeddings=64, max_decoder_position_embeddings=64)
    return t.LEDForConditionalGeneration(t.LEDConfig(**SIDES, **sizes, attention_window=4))


def longt5(kind="local"):
    sizes = dict(vocab_size=99, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, pad_token_id=0, eos_token_id=2)
    return t.LongT5ForConditionalGeneration(
        t.LongT5Config(
            **sizes, local_radius=3, encoder_attention_type=kind, global_block_size=4, decoder_start_token_id=0
        )
    )


def big_bird(block_size=2):
    return t.BigBirdModel(t.BigBirdConfig(**SMALL, block_size=block_size, num_random_blocks=1))


def bigbird_pegasus():
    sizes = dict(block_size=2, num_random_blocks=2, max_position_embeddings=64)
    return t.BigBirdPegasusForConditionalGeneration(t.BigBirdPegasusConfig(**SIDES, **sizes))


def inputs(model, padding=0, global_tokens=()):
    torch.manual_seed(1)
    mask = torch.ones(1, TOKENS, dtype=torch.long)
    mask[:, TOKENS - padding :] = 0
    given = {"input_ids": torch.randint(3, 90, (1, TOKENS)) * mask, "attention_mask": mask}
    if model.config.is_encoder_decoder:
        given["decoder_input_ids"] = torch.randint(3, 90, (1, 5))
    if global_tokens:
        given["global_attention_mask"] = torch.zeros(1, TOKENS, dtype=torch.long)
        given["global_attention_mask"][0, list(global_tokens)] = 1
    return given


def built(build):
    torch.manual_seed(0)
    model = build().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1 and not isinstance(model, t.LongT5ForConditionalGeneration):
                parameter.mul_(4)
    return model


def mixed(model, given, values, outputs):
    """Record; return (trace, per layer the values, per layer what the attention handed on before its projection)."""
    kept = {"values": [], "outputs": []}
    handles = [
        module.register_forward_hook(lambda _module, _args, output: kept["values"].append(output))
        for name, module in model.named_modules()
        if name.endswith(values)
    ]
    handles += [
        module.register_forward_pre_hook(lambda _module, args: kept["outputs"].append(args[0]))
        for name, module in model.named_modules()
        if name.endswith(outputs)
    ]
    trace = record(wrap(model), given)
    for handle in handles:
        handle.remove()
    return trace, kept["values"], kept["outputs"]


def by_head(states, heads=4):
    """Return [head, position, d_head] of [batch, position, d_model] or [position, batch, d_model]."""
    states = states[0] if states.shape[0] == 1 else states[:, 0]
    return states.reshape(states.shape[0], heads, -1).transpose(0, 1)


# How to build a model, and the modules that make its values and that take what the heads hand on.
CASES = {
    "longformer": (longformer, "self.value", "attention.output.dense"),
    "led": (led, "encoder.layers.0.self_attn.longformer_self_attn.value", "encoder.layers.0.self_attn.output"),
    "longt5": (longt5, "LocalSelfAttention.v", "LocalSelfAttention.o"),
    "big_bird": (big_bird, "self.value", "attention.output.dense"),
    "bigbird_pegasus": (bigbird_pegasus, "encoder.layers.0.self_attn.self.value", "encoder.layers.0.self_attn.output"),
}


@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize("name", list(CASES))
def test_map_times_values_is_what_the_module_hands_on(name, padding):
    build, values, outputs = CASES[name]
    model = built(build)
    trace, kept, handed_on = mixed(model, inputs(model, padding), values, outputs)
    real = TOKENS - padding
    assert [layer.index for layer in trace.of_stack("encoder")] == [0, 1]
    # What is kept last is from the run with weights; a decoder's layers have other names.
    layers = trace.of_stack("encoder")[: 1 if ".0." in outputs else 2]
    for layer, value, output in zip(layers, kept[-len(layers) :], handed_on[-len(layers) :], strict=True):
        found = torch.matmul(layer.weights(), by_head(value)[:, :TOKENS])
        assert (found - by_head(output)[:, :TOKENS])[:, :real].abs().max() < 1e-5
        assert not layer.allowed()[:, real:].any()
        assert not layer.weights()[:, ~layer.allowed()].any() or layer.mask.shape[0] > 1


@pytest.mark.parametrize("build", [longformer, led])
def test_windows_see_half_on_either_side(build):
    model = built(build)
    trace = record(wrap(model), inputs(model))
    distance = np.abs(np.subtract.outer(np.arange(TOKENS), np.arange(TOKENS)))
    for layer in trace.of_stack("encoder"):
        assert np.array_equal(trace.mask(layer.index, 0, "encoder"), distance <= 2)
        assert np.allclose(trace.layer_attention(layer.index, "encoder").sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("build", [longformer, led])
def test_global_tokens_see_all_and_are_seen_by_all(build):
    model = built(build)
    trace = record(wrap(model), inputs(model, global_tokens=(0, 7)))
    mask = trace.mask(0, 0, "encoder")
    assert mask[[0, 7]].all()
    assert mask[:, [0, 7]].all()
    assert not mask[3, 12]
    weights = trace.layer_attention(0, "encoder")
    assert np.allclose(weights.sum(-1), 1, atol=1e-5)
    assert (weights[:, 0, 12] > 0).all()


def test_a_short_text_is_attended_to_in_full():
    trace = record(wrap(built(lambda: big_bird(64))), inputs(built(longformer)))
    assert [layer.index for layer in trace.layers] == [0, 1]
    assert trace.mask(0).all()
    assert np.allclose(trace.layer_attention(0).sum(-1), 1, atol=1e-5)


def test_global_tokens_that_the_model_chose_itself_are_not_guessed():
    model = t.LongformerForSequenceClassification(t.LongformerConfig(**SMALL, attention_window=4)).eval()
    with pytest.raises(NoAttention, match="no attention weights from every token to every token"):
        record(wrap(model), inputs(model))


def test_block_summaries_are_no_tokens():
    model = built(lambda: longt5("transient-global"))
    sums = record(wrap(model), inputs(model)).layer_attention(0, "encoder").sum(-1)
    assert ((sums > 0) & (sums < 1)).all()


def test_learned_global_tokens_are_no_tokens_of_the_text():
    sizes = dict(block_size=4, num_global_tokens=3)
    model = built(lambda: t.PegasusXForConditionalGeneration(t.PegasusXConfig(**SIDES, **sizes)))
    trace = record(wrap(model), inputs(model))
    positions = np.arange(TOKENS)
    for layer, shift in ((0, 0), (1, 2)):
        block = (positions + shift) // 4
        assert np.array_equal(trace.mask(layer, 0, "encoder"), block[:, None] == block[None, :])
        assert (trace.layer_attention(layer, "encoder").sum(-1) < 1).all()


def test_blocks_of_a_shifted_layer():
    torch.manual_seed(0)
    blocks = torch.softmax(torch.randn(2, 3, 4, 5 + 4), dim=-1)
    weights, mask = unfold_own_blocks(blocks, 2, torch.ones(8, dtype=torch.bool))
    for query in range(8):
        for key in range(8):
            block, inside = divmod(query + 2, 4)
            together = (key + 2) // 4 == block
            expected = blocks[:, block, inside, 5 + (key + 2) % 4] if together else torch.zeros(2)
            assert torch.equal(weights[:, query, key], expected)
            assert bool(mask[0, query, key]) == together
