"""Our Transformer against torch's own attention and layers, with and without its cache, and as transformers uses it."""

import numpy as np
import pytest
import torch
from torch import nn

from model import load_model, record, record_generation, wrap
from model.architectures import Transformer, TransformerConfig
from model.architectures.attention import MultiHeadAttention
from model.architectures.blocks import DecoderBlock, EncoderBlock
from model.architectures.positions import POSITIONS, sinusoids
from model.errors import HeadscopeError
from tests.tiny_models import VOCABULARY

OPTIONS = [(positions, 4) for positions in POSITIONS] + [("sinusoidal", 2), ("rotary", 1), ("alibi", 2)]


def config(**options) -> TransformerConfig:
    sizes = dict(vocab_size=VOCABULARY, d_model=32, d_ff=48, heads=4, encoder_layers=2, decoder_layers=3, dropout=0.1)
    return TransformerConfig(**sizes | options)


def tiny(**options) -> Transformer:
    torch.manual_seed(0)
    return Transformer(config(**options)).eval()


def batch(padding: int = 3) -> dict[str, torch.Tensor]:
    """Two sentences, the first with padding on the right."""
    torch.manual_seed(1)
    ids, mask = torch.randint(4, VOCABULARY, (2, 9)), torch.ones(2, 9, dtype=torch.long)
    if padding:
        mask[0, -padding:], ids[0, -padding:] = 0, 0
    return {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": torch.randint(4, VOCABULARY, (2, 6))}


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
@pytest.mark.parametrize(("key_value_heads", "causal"), [(4, False), (4, True), (2, True), (1, False)])
def test_attention_is_scaled_dot_product_attention(key_value_heads, causal, implementation):
    sizes = config(key_value_heads=key_value_heads)
    sizes._attn_implementation = implementation
    torch.manual_seed(0)
    attention, states = MultiHeadAttention(sizes, 0, causal=causal).eval(), torch.randn(2, 7, 32)
    heads = [
        map_(states).unflatten(-1, (-1, 8)).transpose(1, 2)
        for map_ in (attention.query, attention.key, attention.value)
    ]
    by_torch = nn.functional.scaled_dot_product_attention(*heads, is_causal=causal, enable_gqa=True)
    allowed = torch.ones(7, 7, dtype=torch.bool).tril() if causal else torch.ones(7, 7, dtype=torch.bool)
    mask = torch.zeros(1, 1, 7, 7).masked_fill(~allowed, torch.finfo(torch.float32).min) if causal else None
    found, weights = attention(states, mask=mask if implementation == "eager" else None)
    assert torch.allclose(found, attention.output(by_torch.transpose(1, 2).flatten(2)), atol=1e-6)
    if implementation == "eager":
        assert torch.allclose(weights.sum(-1), torch.ones(2, 4, 7), atol=1e-6)


def copied(attention: MultiHeadAttention, reference: nn.MultiheadAttention) -> None:
    with torch.no_grad():
        reference.in_proj_weight.copy_(
            torch.cat([attention.query.weight, attention.key.weight, attention.value.weight])
        )
        reference.in_proj_bias.zero_()
        reference.out_proj.weight.copy_(attention.output.weight)
        reference.out_proj.bias.zero_()


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_blocks_are_those_of_torch(kind, norm):
    sizes = config(norm=norm)
    sizes._attn_implementation = "eager"
    torch.manual_seed(0)
    ours = (EncoderBlock if kind == "encoder" else DecoderBlock)(sizes, 0).eval()
    layer = nn.TransformerEncoderLayer if kind == "encoder" else nn.TransformerDecoderLayer
    theirs = layer(32, 4, 48, dropout=0.0, batch_first=True, norm_first=norm == "pre").eval()
    copied(ours.self_attention, theirs.self_attn)
    pairs = [(ours.feed_forward.inner, theirs.linear1), (ours.feed_forward.outer, theirs.linear2)]
    pairs += [(ours.after_self_attention.norm, theirs.norm1)]
    if kind == "decoder":
        copied(ours.cross_attention, theirs.multihead_attn)
        pairs += [(ours.after_cross_attention.norm, theirs.norm2), (ours.after_feed_forward.norm, theirs.norm3)]
    else:
        pairs += [(ours.after_feed_forward.norm, theirs.norm2)]
    for mine, other in pairs:
        nn.init.normal_(mine.weight)
        other.load_state_dict(mine.state_dict())
    states, memory = torch.randn(2, 5, 32), torch.randn(2, 7, 32)
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    expected = theirs(states) if kind == "encoder" else theirs(states, memory, tgt_mask=mask)
    found = ours(states, None, {}) if kind == "encoder" else ours(states, memory, mask[None, None], None, {})
    assert torch.allclose(found[0], expected, atol=1e-5)


@pytest.mark.parametrize("positions", POSITIONS)
def test_the_first_block_gets_embeddings_and_positions(positions):
    model = tiny(positions=positions)
    found = model.encoder(torch.tensor([[7, 7]]), output_hidden_states=True).hidden_states[0][0]
    token = model.encoder.embedding.weight[7] * 32**0.5
    added = {
        "sinusoidal": sinusoids(torch.arange(2), 32),
        "learned": getattr(model.encoder.embedding, "positions", None),
    }
    at = added.get(positions)
    expected = token + (0 if at is None else at.weight[:2] if positions == "learned" else at)
    assert torch.allclose(found, expected.expand(2, 32), atol=1e-6)


@pytest.mark.parametrize(("positions", "key_value_heads"), OPTIONS)
def test_with_cache_equals_without(positions, key_value_heads):
    model, inputs = tiny(positions=positions, key_value_heads=key_value_heads), batch()
    whole = model(**inputs, use_cache=False).logits
    cache, encoded, logits = None, None, []
    for step in range(6):
        read = {"encoder_outputs": encoded} if step else {"input_ids": inputs["input_ids"]}
        output = model(
            attention_mask=inputs["attention_mask"], decoder_input_ids=inputs["decoder_input_ids"][:, step : step + 1],
            past_key_values=cache, use_cache=True, **read,
        )  # fmt: skip
        cache, encoded = output.past_key_values, (output.encoder_last_hidden_state,)
        logits.append(output.logits)
    assert torch.allclose(torch.cat(logits, dim=1), whole, atol=1e-5)


@pytest.mark.parametrize("positions", POSITIONS)
def test_padding_changes_nothing(positions):
    model, inputs = tiny(positions=positions), batch(padding=3)
    alone = model(input_ids=inputs["input_ids"][:1, :6], decoder_input_ids=inputs["decoder_input_ids"][:1]).logits
    assert torch.allclose(model(**inputs).logits[:1], alone, atol=1e-5)


def test_only_positions_tell_the_order():
    ids, target = torch.tensor([[5, 6, 7]]), torch.tensor([[4]])
    for positions in POSITIONS:
        model = tiny(positions=positions)
        orders = (ids, ids[:, [1, 0, 2]], ids.flip(1))
        first, moved, mirrored = (model(input_ids=order, decoder_input_ids=target).logits for order in orders)
        assert torch.allclose(first, moved, atol=1e-5) == (positions == "none"), positions
        # Distances without a sign cannot tell a sentence from its mirror image.
        assert torch.allclose(first, mirrored, atol=1e-5) == (positions in ("none", "alibi")), positions


@pytest.mark.parametrize("cached", [True, False])
def test_a_beam_of_one_is_greedy(cached):
    inputs = {name: value for name, value in batch().items() if name != "decoder_input_ids"}
    model = tiny()
    options = dict(max_new_tokens=8, do_sample=False, use_cache=cached)
    greedy = model.generate(**inputs, **options, num_beams=1)
    logits = model(**inputs, decoder_input_ids=greedy[:, :-1]).logits
    assert torch.equal(logits.argmax(-1)[0, :3], greedy[0, 1:4])
    wide = model.generate(**inputs, **options, num_beams=4)
    assert wide.shape[0] == 2


def test_one_matrix_serves_both_embeddings_and_the_logits(tmp_path):
    model = tiny()
    matrix = model.encoder.embedding.weight
    assert model.decoder.embedding.weight is matrix
    assert model.output.weight is matrix
    assert sum(weight.numel() for weight in model.parameters()) == 99 * 32 + 2 * (
        4 * 32**2 + 2 * 32 * 48 + 80 + 128
    ) + 3 * (8 * 32**2 + 2 * 32 * 48 + 80 + 192)


def test_the_stored_model_is_found_and_recorded(tmp_path, tiny_tokenizer):
    model = tiny(positions="alibi")
    model.save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)
    loaded = load_model(str(tmp_path), device="cpu")
    assert isinstance(loaded.model, Transformer)
    assert loaded.warnings == ()
    assert torch.equal(loaded.model(**batch()).logits, model(**batch()).logits)
    trace = record(loaded, "a b c d", target="e f g")
    assert trace.stacks == ("encoder", "decoder", "cross")


@pytest.mark.parametrize(("positions", "key_value_heads"), OPTIONS)
def test_lazy_capture_equals_eager(positions, key_value_heads, tiny_tokenizer):
    model = tiny(positions=positions, key_value_heads=key_value_heads)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2 if parameter.ndim > 1 else 1)
    loaded = wrap(model, tiny_tokenizer)
    trace = record(loaded, "a b c d e", target="f g h")
    assert all(layer.source == "lazy" for layer in trace.layers)
    ids = torch.tensor([tiny_tokenizer("a b c d e")["input_ids"]])
    target = torch.tensor([[1, *tiny_tokenizer("f g h")["input_ids"][:-1]]])
    model.set_attn_implementation("eager")
    with torch.no_grad():
        output = model(input_ids=ids, decoder_input_ids=target, output_attentions=True, output_hidden_states=True)
    for stack, weights in (
        ("encoder", output.encoder_attentions), ("decoder", output.decoder_attentions), ("cross", output.cross_attentions),
    ):  # fmt: skip
        assert len(trace.of_stack(stack)) == len(weights)
        for layer, expected in enumerate(weights):
            assert np.abs(trace.layer_attention(layer, stack) - expected[0].numpy()).max() < 1e-5
    for side in ("encoder", "decoder"):
        found, expected = trace.hidden_states(side), output[f"{side}_hidden_states"]
        assert len(found) == len(expected)
        assert all(np.abs(one - other[0].numpy()).max() < 1e-4 for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("method", ["greedy", "beam"])
def test_what_it_writes_is_recorded(method, tiny_tokenizer):
    generation = record_generation(wrap(tiny(), tiny_tokenizer), "a b c", max_new_tokens=5, method=method, beams=2)
    assert generation.trace.stacks == ("encoder", "decoder", "cross")
    assert 1 <= len(generation.steps) <= 5


@pytest.mark.parametrize(
    "wrong",
    [
        dict(positions="circular"),
        dict(heads=5),
        dict(key_value_heads=3),
        dict(norm="none"),
        dict(d_model=20, positions="rotary"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(wrong):
    with pytest.raises(HeadscopeError):
        config(**wrong)


def test_an_unknown_token_limit_of_learned_positions_is_said(tiny_tokenizer):
    loaded = wrap(tiny(positions="learned", max_position_embeddings=8), tiny_tokenizer)
    assert loaded.position_limit == 8
    with pytest.raises(HeadscopeError):
        record(loaded, "a b c d e f g h i j", target="a")


def test_a_new_encoder_keeps_its_positions_apart():
    # With sub-layers at full size it begins near 0.5, falls to 0.04 within an epoch, and the decoder never learns where to look.
    torch.manual_seed(0)
    model = Transformer(config(d_model=128, d_ff=256, encoder_layers=4, decoder_layers=1)).eval()
    states = model.encoder(torch.randint(4, VOCABULARY, (1, 12))).last_hidden_state[0]
    assert float(states.std(dim=0).mean() / states.std()) > 0.75
