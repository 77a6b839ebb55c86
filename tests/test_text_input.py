"""What can be run: position limits, texts that are too long, and inputs that are refused with a sentence."""

from types import SimpleNamespace

import jaxtyping
import pytest
import torch
import transformers as t

from model import record, wrap
from model.encoding import encode_text
from model.errors import InputError, TextTooLong
from tests.tiny_models import tiny
from tests.tiny_tokenizers import TRAINERS, tiny_bert_for, trained

SMALL = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, vocab_size=60)
LONG = "The animal didn't cross the street because it was too tired. " * 9


def limit_of(model, tokenizer_limit=None):
    return wrap(model, tokenizer_limit and SimpleNamespace(model_max_length=tokenizer_limit)).position_limit


def test_position_limits():
    bert = t.BertModel(t.BertConfig(**SMALL, max_position_embeddings=512))
    assert limit_of(bert) == 512
    assert limit_of(bert, tokenizer_limit=256) == 256
    assert limit_of(bert, tokenizer_limit=10**30) == 512
    # RoBERTa's positions begin after its padding index.
    roberta = t.RobertaModel(t.RobertaConfig(**SMALL, max_position_embeddings=514, pad_token_id=1))
    assert limit_of(roberta) == 512
    assert limit_of(tiny("t5")) is None
    assert limit_of(tiny("t5"), tokenizer_limit=512) == 512
    assert limit_of(tiny("gpt2")) == 64


def test_roberta_runs_at_its_limit_and_not_beyond():
    config = t.RobertaConfig(**SMALL, max_position_embeddings=12, pad_token_id=1)
    loaded = wrap(t.RobertaModel(config).eval())
    assert loaded.position_limit == 10
    assert record(loaded, {"input_ids": torch.full((1, 10), 5)}).layer(0).shape == (2, 10, 10)
    with pytest.raises(InputError, match="has 11 tokens and the model takes 10"):
        record(loaded, {"input_ids": torch.full((1, 11), 5)})


EMOJI, CHINESE, SPACED = "👩\u200d🚀" * 30, "我喜欢猫。" * 40, " a" * 300


@pytest.mark.parametrize(
    ("kind", "text"),
    [*[(kind, text) for kind in TRAINERS for text in (LONG, SPACED)], ("byte level", EMOJI), ("byte level", CHINESE),
     ("byte level", "x" * 300), ("word piece", CHINESE), ("metaspace", "x" * 300)],
)  # fmt: skip
def test_a_text_that_is_too_long_can_be_cut_where_the_error_says(kind, text):
    loaded = tiny_bert_for(kind)
    whole = loaded.tokenizer(text)["input_ids"]
    with pytest.raises(TextTooLong) as caught:
        record(loaded, text)
    error = caught.value
    assert (error.count, error.limit) == (len(whole), 64)
    assert f"has {len(whole)} tokens and the model takes 64" in str(error)
    cut_ids = loaded.tokenizer(text[: error.cut])["input_ids"]
    assert len(cut_ids) <= 64
    # Nothing more would have fitted than a character or a word.
    assert len(cut_ids) > 64 - 12
    trace = record(loaded, text, truncate=True)
    assert trace.provenance.text == text[: error.cut]
    assert [token.id for token in trace.tokens["encoder"]] == cut_ids


def test_a_limit_below_the_special_tokens_is_no_endless_loop():
    config = t.BertConfig(**SMALL, max_position_embeddings=2)
    loaded = wrap(t.BertModel(config).eval(), trained("word piece"))
    with pytest.raises(TextTooLong) as caught:
        record(loaded, "the animal")
    assert caught.value.cut == 0
    with pytest.raises(InputError, match="no text"):
        record(loaded, "the animal", truncate=True)


@pytest.mark.parametrize("text", ["", "   ", "\n\t "])
def test_nothing_to_look_at(text):
    with pytest.raises(InputError, match="no text to look at yet"):
        record(tiny_bert_for("word piece"), text)


def test_a_text_without_token():
    tokenizer = SimpleNamespace(is_fast=False, model_input_names=["input_ids"])
    with pytest.raises(InputError, match="finds no token"):
        encode_text(wrap(tiny("bert"), CallableTokenizer(tokenizer)), "\u200b")


class CallableTokenizer:
    """Stands for a tokenizer that drops every character."""

    def __init__(self, attributes):
        self.__dict__.update(vars(attributes))

    def __call__(self, **_options):
        return {"input_ids": [], "special_tokens_mask": []}


def test_a_text_needs_a_tokenizer():
    with pytest.raises(InputError, match="came without a tokenizer: give tensors"):
        record(wrap(tiny("bert")), "The animal")


def test_lone_surrogates_become_replacement_characters():
    trace = record(tiny_bert_for("byte level"), "it \ud800 rains \ude00\ud83d\ude00\ud83d")
    assert trace.provenance.text == "it \ufffd rains \ufffd😀\ufffd"


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({"input_ids": torch.full((2, 3), 5)}, "Give a batch of one: input_ids"),
        ({"input_ids": torch.tensor([5, 6])}, "Give a batch of one: input_ids"),
        ({"input_ids": torch.tensor(5)}, "Give a batch of one: input_ids"),
        (
            {"input_ids": torch.tensor([[5, 6]]), "attention_mask": torch.ones(2, 2)},
            "Give a batch of one: attention_mask",
        ),
        ({}, "mapping of tensors is empty"),
        ({"input_ids": torch.tensor([5])}, r"whole numbers \[1, tokens\]"),
        ({"input_ids": torch.zeros(1, 0, dtype=torch.long)}, "at least one token"),
        ({"input_ids": torch.tensor([[0.5, 1.5]])}, "whole numbers"),
        ({"input_ids": torch.tensor([[5, 99]])}, "from 5 to 99 and the model's vocabulary from 0 to 98"),
        ({"input_ids": torch.tensor([[-1, 5]])}, "from -1 to 5"),
        ({"input_ids": torch.tensor([[5, 6]]), "token_type_ids": torch.zeros(1, 5).long()}, "cannot run this input"),
        ({"pixel_values": torch.ones(1, 3, 4, 4)}, "cannot run this input"),
        ({"input_ids": [["a", "b"]]}, "Give tensors"),
        (["The animal", "The street"], "Give a text, or a mapping of tensors"),
        (None, "Give a text, or a mapping of tensors"),
    ],
)
def test_inputs_that_are_refused(inputs, sentence, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(InputError, match=sentence):
        record(wrap(tiny("bert")), inputs)


def test_a_target_begins_with_the_start_token():
    loaded = wrap(tiny("bart"), trained("word piece"))
    trace = record(loaded, "The cats", target="it rains")
    target = loaded.tokenizer("it rains")["input_ids"]
    ids = [token.id for token in trace.tokens["decoder"]]
    assert ids == [loaded.model.config.decoder_start_token_id, *target[:-1]]
    assert trace.query_tokens(0, "cross") == tuple(token.text for token in trace.tokens["decoder"])
    assert trace.key_tokens(0, "cross")[:2] == ("[CLS]", "the")


def test_without_a_target_the_model_writes_one():
    loaded = wrap(tiny("marian"), trained("word piece"))
    trace = record(loaded, "The cats")
    encoded = loaded.tokenizer("The cats", return_tensors="pt")
    with torch.no_grad():
        written = loaded.model.generate(**encoded, max_new_tokens=48, do_sample=False, num_beams=1)[0].tolist()
    assert len(written) > 2
    assert [token.id for token in trace.tokens["decoder"]] == written[:-1]
    assert written[0] == loaded.model.config.decoder_start_token_id
    assert record(loaded, "The cats", target="  ").tokens == trace.tokens


def test_targets_that_are_refused():
    base = wrap(t.T5Model(tiny("t5").config).eval(), trained("word piece"))
    with pytest.raises(InputError, match="give the decoder's text as target"):
        record(base, "The cats")
    # transformers 5.23 cannot generate with a T5 whose decoder is deeper than its encoder.
    with pytest.raises(InputError, match="Give the decoder's text as target"):
        record(wrap(tiny("t5"), trained("word piece")), "The cats")
    with pytest.raises(TextTooLong):
        record(wrap(tiny("bart"), trained("word piece")), "The cats", target=LONG)
    with pytest.raises(InputError, match="the model's vocabulary"):
        record(wrap(tiny("t5")), {"input_ids": torch.tensor([[5]]), "decoder_input_ids": torch.tensor([[1000]])})
