"""The final part of a model, run by itself: bit for bit the model's own, and what each family does there by hand."""

from copy import deepcopy
from functools import cache

import pytest
import torch
import transformers as t

from model import HeadscopeError, record, wrap
from model.architectures.configuration import SmallDecoderConfig, TransformerConfig
from model.architectures.small_decoder import SmallDecoder
from model.architectures.transformer import Transformer
from model.lens_head import FinalPart, check_head
from tests.tiny_models import _DECODER, _ENCODER, VOCABULARY, tiny, tiny_inputs

OWN_SIZES = dict(vocab_size=VOCABULARY, d_model=32, d_ff=48, heads=4)
BUILT = {
    "cohere": lambda: t.CohereForCausalLM(t.CohereConfig(**_DECODER | dict(num_key_value_heads=4), logit_scale=0.5)),
    "gemma2 capped": lambda: t.Gemma2ForCausalLM(
        t.Gemma2Config(**_DECODER, sliding_window=5, final_logit_softcapping=2.0, query_pre_attn_scalar=8)
    ),
    "bert": lambda: t.BertForMaskedLM(t.BertConfig(**_ENCODER)),
    "roberta": lambda: t.RobertaForMaskedLM(t.RobertaConfig(**_ENCODER, pad_token_id=0)),
    "distilbert": lambda: t.DistilBertForMaskedLM(
        t.DistilBertConfig(
            vocab_size=VOCABULARY, dim=32, n_layers=3, n_heads=4, hidden_dim=48, max_position_embeddings=64
        )
    ),
    "albert": lambda: t.AlbertForMaskedLM(t.AlbertConfig(**_ENCODER, embedding_size=16)),
    "t5 tied": lambda: t.T5ForConditionalGeneration(
        t.T5Config(
            vocab_size=VOCABULARY, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, pad_token_id=0, eos_token_id=2,
            decoder_start_token_id=0, relative_attention_num_buckets=8, tie_word_embeddings=True,
        )
    ),
    "opt projected": lambda: t.OPTForCausalLM(
        t.OPTConfig(
            vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, ffn_dim=48,
            max_position_embeddings=64, word_embed_proj_dim=16, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        )
    ),
    "gpt_bigcode": lambda: t.GPTBigCodeForCausalLM(
        t.GPTBigCodeConfig(vocab_size=VOCABULARY, n_embd=32, n_layer=3, n_head=4, n_positions=64)
    ),
    "small decoder": lambda: SmallDecoder(SmallDecoderConfig(**OWN_SIZES, layers=3)),
    "transformer": lambda: Transformer(TransformerConfig(**OWN_SIZES, encoder_layers=2, decoder_layers=3)),
}  # fmt: skip
FAMILIES = (
    "gpt2", "llama", "gemma2", "gpt_neox", "opt", "qwen3", "gpt_oss", "bloom", "t5", "bart", "marian", *BUILT,
)  # fmt: skip
WITH_TARGET = ("t5", "bart", "marian", "t5 tied", "transformer")


@cache
def with_head(name: str):
    """Return the tiny model of a family, with every parameter random, biases too."""
    torch.manual_seed(0)
    model = deepcopy(tiny(name)) if name not in BUILT else BUILT[name]().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        for buffer_name, buffer in model.named_buffers():
            if buffer_name == "final_logits_bias":
                buffer.add_(torch.randn_like(buffer))
    return model


def inputs_of(name: str) -> dict[str, torch.Tensor]:
    return tiny_inputs("t5" if name in WITH_TARGET else "gpt2")


def recorded(name: str):
    """Return (the model, its inputs, the states of every layer, its own logits [position, vocab])."""
    model, inputs = with_head(name), inputs_of(name)
    trace = record(wrap(model), inputs)
    with torch.no_grad():
        own = model(**inputs).logits[0]
    side = "decoder" if "decoder" in trace.states else "encoder"
    return model, inputs, trace.states[side], own


@pytest.mark.parametrize("name", FAMILIES)
def test_the_last_layer_gives_the_model_s_own_logits(name):
    model, inputs, states, own = recorded(name)
    part = FinalPart(wrap(model), inputs, len(states) - 1)
    torch.testing.assert_close(part.logits(states[-1]), own, atol=1e-5, rtol=1e-5)
    assert float(part.difference(part.logits(states[-1]), own)) <= 5e-6
    # Layers side by side are as each by itself, and none is the last one's.
    together = part.logits(torch.cat(states)).split(len(own))
    for layer, logits in enumerate(together):
        torch.testing.assert_close(logits, part.logits(states[layer]), atol=1e-5, rtol=1e-5)
        assert layer == len(states) - 1 or (logits - own).abs().max() > 1e-3


def by_hand(name: str, model, state: torch.Tensor) -> torch.Tensor:
    """Return the logits of a state from the parts of the family, written out."""
    if name == "gpt2":
        return model.lm_head(model.transformer.ln_f(state))
    if name == "gemma2 capped":
        return 2 * torch.tanh(model.lm_head(model.model.norm(state)) / 2)
    if name == "cohere":
        return 0.5 * model.lm_head(model.model.norm(state))
    if name == "bert":
        head = model.cls.predictions.transform
        return model.cls.predictions.decoder(head.LayerNorm(torch.nn.functional.gelu(head.dense(state))))
    if name == "opt projected":
        return model.lm_head(model.model.decoder.project_out(model.model.decoder.final_layer_norm(state)))
    if name == "t5 tied":
        return model.lm_head(model.decoder.final_layer_norm(state) * 32**-0.5)
    if name == "marian":
        return model.lm_head(state) + model.final_logits_bias[0]
    return model.output(model.norm(state))


@pytest.mark.parametrize(
    "name", ["gpt2", "gemma2 capped", "cohere", "bert", "opt projected", "t5 tied", "marian", "small decoder"]
)
def test_every_layer_goes_through_all_of_the_final_part(name):
    model, inputs, states, _ = recorded(name)
    part = FinalPart(wrap(model), inputs, len(states) - 1)
    with torch.no_grad():
        for state in states:
            torch.testing.assert_close(part.logits(state), by_hand(name, model, state), atol=1e-5, rtol=1e-5)


def test_only_one_token_goes_through_the_blocks():
    model, inputs, states, _ = recorded("gpt2")
    part, seen = FinalPart(wrap(model), inputs, len(states) - 1), []
    handle = model.transformer.h[0].register_forward_pre_hook(lambda _module, args: seen.append(tuple(args[0].shape)))
    part.logits(torch.cat(states))
    handle.remove()
    assert seen == [(1, 1, 32)]


def test_a_family_that_compares_shapes_gets_a_token_for_every_state():
    model, inputs, states, _ = recorded("gpt_bigcode")
    part, seen = FinalPart(wrap(model), inputs, len(states) - 1), []
    handle = model.transformer.h[0].register_forward_pre_hook(lambda _module, args: seen.append(tuple(args[0].shape)))
    part.logits(states[1])
    handle.remove()
    assert seen == [(11, 1, 32)]


def test_a_final_part_that_takes_the_position_is_refused():
    model, inputs, states, own = recorded("gpt2")
    part = FinalPart(wrap(model), inputs, len(states) - 1)
    with pytest.raises(HeadscopeError, match="no exact logit lens"):
        part.difference(part.logits(states[-1]) + 0.01 * torch.arange(len(own))[:, None], own)
    with pytest.raises(HeadscopeError, match="no exact logit lens"):
        part.difference(part.logits(states[-1]) * torch.nan, own)
    barred = own.clone()
    barred[:, 0] = -torch.inf
    assert float(part.difference(barred, barred)) == 0
    with pytest.raises(HeadscopeError, match="no exact logit lens"):
        part.difference(own, barred)


def test_a_model_whose_blocks_do_not_come_last_as_often_is_refused():
    model, inputs, states, _ = recorded("gpt2")
    with pytest.raises(HeadscopeError, match="no exact logit lens"):
        FinalPart(wrap(model), inputs, len(states))


def test_a_model_without_a_head_is_refused():
    with pytest.raises(HeadscopeError, match=r"no head .* see its nearest vocabulary entries instead"):
        check_head(wrap(tiny("bert"), name="bare"))
    check_head(wrap(with_head("bert")))
