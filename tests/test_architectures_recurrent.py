"""RecurrentSearch: alignment by hand, padding, the state kept between steps, and its place in a Trace."""

import numpy as np
import pytest
import torch

from model import load_model, record, record_generation, wrap
from model.architectures import RecurrentSearch, RecurrentSearchConfig
from model.architectures.alignment import AdditiveAttention, MultiplicativeAttention, alignment_weights
from model.errors import HeadscopeError
from tests.tiny_models import VOCABULARY

KINDS = [("additive", "gru"), ("additive", "lstm"), ("dot", "gru"), ("general", "lstm")]


def tiny(attention: str = "additive", cell: str = "gru", **options) -> RecurrentSearch:
    torch.manual_seed(0)
    sizes = dict(vocab_size=VOCABULARY, d_embedding=16, d_hidden=24, d_alignment=20, d_output=12)
    return RecurrentSearch(RecurrentSearchConfig(**sizes | dict(attention=attention, cell=cell) | options)).eval()


def batch() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    ids, mask = torch.randint(4, VOCABULARY, (2, 8)), torch.ones(2, 8, dtype=torch.long)
    mask[0, 5:], ids[0, 5:] = 0, 0
    return {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": torch.randint(4, VOCABULARY, (2, 6))}


def test_additive_attention_by_hand():
    attention = AdditiveAttention(RecurrentSearchConfig(d_hidden=1, d_alignment=2))
    with torch.no_grad():
        attention.of_state.weight.copy_(torch.tensor([[1.0], [0.5]]))
        attention.of_annotation.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        attention.score.weight.copy_(torch.tensor([[2.0, -1.0]]))
    annotations = torch.tensor([[[0.0, 1.0], [3.0, 0.0]]])
    scores = [2 * np.tanh(1 + 0) - np.tanh(0.5 + 1), 2 * np.tanh(1 + 3) - np.tanh(0.5 + 0)]
    by_hand = np.exp(scores) / np.exp(scores).sum()
    found = attention(torch.tensor([[[1.0]]]), attention.keys(annotations), None)
    assert found[0, 0].tolist() == pytest.approx(by_hand, abs=1e-6)


def test_multiplicative_attention_by_hand():
    states, annotations = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    dot = MultiplicativeAttention(RecurrentSearchConfig(d_hidden=2, attention="dot"))
    assert dot(states, dot.keys(annotations), None)[0, 0, 1].item() == pytest.approx(1 / (1 + np.exp(-1)))
    wide = torch.tensor([[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]])
    general = MultiplicativeAttention(RecurrentSearchConfig(d_hidden=2, attention="general"))
    with torch.no_grad():
        general.of_annotation.weight.copy_(torch.tensor([[3.0, 0, 0, 0], [0, 1.0, 0, 0]]))
    assert general(states, general.keys(wide), None)[0, 0, 1].item() == pytest.approx(1 / (1 + np.exp(1)))


def test_padding_gets_none_and_rows_sum_to_one():
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    weights = alignment_weights(torch.tensor([[[5.0, 1.0, 90.0]], [[0.0, 0.0, 0.0]]]), mask)
    assert weights[0, 0, 2] == 0
    assert weights.sum(-1).flatten().tolist() == pytest.approx([1, 1])
    assert weights[1, 0].tolist() == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize(("attention", "cell"), KINDS)
def test_a_padded_batch_is_its_sentences(attention, cell):
    model, inputs = tiny(attention, cell), batch()
    found = model(**inputs, output_attentions=True)
    alignment = found.cross_attentions[0]
    assert alignment.shape == (2, 1, 6, 8)
    assert torch.allclose(alignment.sum(-1), torch.ones(2, 1, 6))
    assert not alignment[0, ..., 5:].any()
    alone = model(input_ids=inputs["input_ids"][:1, :5], decoder_input_ids=inputs["decoder_input_ids"][:1]).logits
    assert torch.allclose(found.logits[:1], alone, atol=1e-6)


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize(("attention", "cell"), KINDS)
def test_with_cache_equals_without(attention, cell, beams):
    model, inputs = tiny(attention, cell), batch()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    del inputs["decoder_input_ids"]
    options = dict(max_new_tokens=8, do_sample=False, num_beams=beams)
    cached, recomputed = (model.generate(**inputs, **options, use_cache=use) for use in (True, False))
    assert torch.equal(cached, recomputed)
    if beams == 1:
        logits = model(**inputs, decoder_input_ids=cached[:, :-1]).logits
        assert torch.equal(logits.argmax(-1)[0, :3], cached[0, 1:4])


def test_the_state_is_read_from_the_cache():
    model, inputs = tiny(), batch()
    whole = model(**inputs).logits
    first = model(**inputs | {"decoder_input_ids": inputs["decoder_input_ids"][:, :4]}, use_cache=True)
    options = dict(attention_mask=inputs["attention_mask"], encoder_outputs=(first.encoder_last_hidden_state,))
    after = model(
        **options, decoder_input_ids=inputs["decoder_input_ids"][:, 4:], past_key_values=first.past_key_values
    ).logits
    assert torch.allclose(torch.cat([first.logits, after], dim=1), whole, atol=1e-6)
    anew = model(**options, decoder_input_ids=inputs["decoder_input_ids"][:, 4:]).logits
    assert not torch.allclose(anew, after, atol=1e-3)


@pytest.mark.parametrize("attention", ["additive", "dot"])
def test_its_alignment_goes_into_a_trace(attention, tmp_path, tiny_tokenizer):
    model = tiny(attention, d_output=16, tie_word_embeddings=True)
    model.save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)
    loaded = load_model(str(tmp_path), device="cpu")
    assert loaded.warnings == ()
    trace = record(loaded, "a b c d", target="e f g")
    assert trace.stacks == ("cross",)
    assert trace.of_stack("cross")[0].source == "dense"
    ids = torch.tensor([tiny_tokenizer("a b c d")["input_ids"]])
    target = torch.tensor([[1, *tiny_tokenizer("e f g")["input_ids"][:-1]]])
    expected = model(input_ids=ids, decoder_input_ids=target, output_attentions=True).cross_attentions[0][0, 0]
    assert np.allclose(trace.attention(0, 0), expected.detach().numpy(), atol=1e-6)
    assert trace.query_tokens(0)[1:] == ("e", "f")
    assert trace.key_tokens(0) == ("a", "b", "c", "d")
    written = record_generation(wrap(model, tiny_tokenizer), "a b c", max_new_tokens=4, method="beam", beams=2)
    assert written.trace.stacks == ("cross",)


def test_options_that_are_none_are_refused():
    for wrong in (
        dict(attention="cosine"),
        dict(cell="rnn"),
        dict(attention="dot", d_hidden=5),
        dict(tie_word_embeddings=True),
    ):
        with pytest.raises(HeadscopeError):
            RecurrentSearchConfig(**wrong)
