"""SmallDecoder: causal, the same with its cache, wherever padding stands, and captured exactly."""

import numpy as np
import pytest
import torch

from model import load_model, record, record_generation
from model.architectures import SmallDecoder, SmallDecoderConfig
from model.architectures.positions import POSITIONS
from tests.tiny_models import VOCABULARY

OPTIONS = [(positions, 6) for positions in POSITIONS] + [("learned", 2), ("rotary", 1)]


def tiny(positions: str = "learned", key_value_heads: int = 6, **options) -> SmallDecoder:
    torch.manual_seed(0)
    sizes = dict(vocab_size=VOCABULARY, d_model=24, d_ff=32, heads=6, layers=2, max_position_embeddings=32)
    return SmallDecoder(
        SmallDecoderConfig(**sizes | dict(positions=positions, key_value_heads=key_value_heads) | options)
    ).eval()


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize(("positions", "key_value_heads"), OPTIONS)
def test_no_token_sees_a_later_one(positions, key_value_heads, norm):
    model, ids = tiny(positions, key_value_heads, norm=norm), torch.arange(4, 14)[None]
    changed = ids.clone()
    changed[0, 6] = 50
    before, after = model(input_ids=ids).logits, model(input_ids=changed).logits
    assert torch.allclose(before[:, :6], after[:, :6], atol=1e-6)
    assert not torch.allclose(before[:, 6:], after[:, 6:], atol=1e-3)


@pytest.mark.parametrize(("positions", "key_value_heads"), OPTIONS)
def test_cache_and_padding_change_nothing(positions, key_value_heads):
    model, ids = tiny(positions, key_value_heads), torch.randint(4, VOCABULARY, (2, 7))
    options = dict(max_new_tokens=8, do_sample=False, eos_token_id=None)
    cached = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **options)
    assert torch.equal(model(input_ids=cached[:, :-1]).logits.argmax(-1)[:, 6:], cached[:, 7:])
    padded = torch.cat([torch.zeros(2, 3, dtype=torch.long), ids], dim=1)
    found = model.generate(input_ids=padded, attention_mask=(padded > 0).long(), **options)
    assert torch.equal(found[:, 3:], cached)


@pytest.mark.parametrize(("positions", "key_value_heads"), OPTIONS)
def test_a_later_step_reads_the_cache(positions, key_value_heads):
    model, ids = tiny(positions, key_value_heads), torch.randint(4, VOCABULARY, (2, 9))
    with torch.no_grad():
        for block in model.blocks:
            for linear in (block.self_attention.query, block.self_attention.key, block.self_attention.value):
                linear.weight.mul_(3)
    whole = model(input_ids=ids).logits
    first = model(input_ids=ids[:, :5], use_cache=True)
    after = model(input_ids=ids[:, 5:7], past_key_values=first.past_key_values)
    last = model(input_ids=ids[:, 7:], past_key_values=after.past_key_values)
    assert torch.allclose(torch.cat([first.logits, after.logits, last.logits], dim=1), whole, atol=1e-5)
    assert not torch.allclose(model(input_ids=ids[:, 5:7]).logits, after.logits, atol=1e-2)


def test_without_positions_only_the_mask_tells_the_order():
    # The last token sees the same set of tokens; in one layer nothing else of their order reaches it.
    ids = torch.tensor([[5, 6, 7, 8]])
    for positions in POSITIONS:
        model = tiny(positions, layers=1)
        first, moved = (model(input_ids=order).logits[:, -1] for order in (ids, ids[:, [1, 0, 2, 3]]))
        assert torch.allclose(first, moved, atol=1e-5) == (positions == "none"), positions


@pytest.mark.parametrize(("positions", "key_value_heads"), OPTIONS)
def test_the_stored_model_is_recorded_exactly(positions, key_value_heads, tmp_path, tiny_tokenizer):
    model = tiny(positions, key_value_heads)
    model.save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)
    loaded = load_model(str(tmp_path), device="cpu")
    assert loaded.warnings == ()
    assert loaded.position_limit == 32
    trace = record(loaded, "a b c d e f")
    assert trace.stacks == ("decoder",)
    assert {layer.source for layer in trace.layers} == {"lazy"}
    model.set_attn_implementation("eager")
    ids = torch.tensor([tiny_tokenizer("a b c d e f")["input_ids"]])
    with torch.no_grad():
        output = model(input_ids=ids, output_attentions=True, output_hidden_states=True)
    for layer, expected in enumerate(output.attentions):
        assert np.abs(trace.layer_attention(layer) - expected[0].numpy()).max() < 1e-5
    assert all(
        np.abs(one - other[0].numpy()).max() < 1e-5
        for one, other in zip(trace.hidden_states(), output.hidden_states, strict=True)
    )
    assert record_generation(loaded, "a b c", max_new_tokens=4).trace.stacks == ("decoder",)
