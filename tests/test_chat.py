"""Conversations through the tokenizer's own template, and a prefix before a text: nothing special is added twice."""

from functools import cache

import pytest
import torch
import transformers as t
from tokenizers import AddedToken, Tokenizer, processors

from model import record, wrap
from model.errors import InputError, TextTooLong
from tests.tiny_models import tiny
from tests.tiny_tokenizers import tiny_bert_for, trained

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message.role == 'system' and not loop.first %}{{ raise_exception('The system speaks first.') }}{% endif %}"
    "<|{{ message.role }}|>{{ message.content }}</s>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
USER = {"role": "user", "content": "it rains"}


@cache
def chat_model():
    """Return a tiny GPT-2 and a byte-level tokenizer with a chat template, which also writes <s> before any text."""
    inner = Tokenizer.from_str(trained("byte level").backend_tokenizer.to_str())
    inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer = t.PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>")
    roles = [AddedToken(f"<|{role}|>", special=True) for role in ("system", "user", "assistant")]
    tokenizer.add_tokens(roles, special_tokens=True)
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(0)
    config = t.GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2, n_positions=64)
    return wrap(t.GPT2LMHeadModel(config).eval(), tokenizer, name="tiny chat")


def shown(trace):
    return "".join(token.text for token in trace.tokens["decoder"]).replace("▁", " ")


def test_a_text_becomes_a_message_of_the_user():
    trace = record(chat_model(), "it rains", chat=True)
    assert shown(trace) == trace.provenance.text == "<s><|user|>it rains</s><|assistant|>"
    ids = chat_model().tokenizer.apply_chat_template([USER], add_generation_prompt=True, return_dict=False)
    assert [token.id for token in trace.tokens["decoder"]] == ids
    assert record(chat_model(), [USER]).tokens == trace.tokens


def test_special_tokens_of_the_template_are_special_and_no_words():
    tokens = record(chat_model(), "it rains", chat=True).tokens["decoder"]
    special = [token.text for token in tokens if token.special]
    assert special == ["<s>", "<|user|>", "</s>", "<|assistant|>"]
    assert {token.word for token in tokens if token.special} == {None}
    text = "<s><|user|>it rains</s><|assistant|>"
    content = [text[slice(*token.span)] for token in tokens if not token.special]
    assert "".join(content) == "it rains"


def test_without_the_request_no_template_is_applied():
    assert shown(record(chat_model(), "it rains")) == "<s>it rains"


def test_a_conversation():
    messages = [{"role": "system", "content": "the cats"}, USER, {"role": "assistant", "content": ""}]
    trace = record(chat_model(), messages)
    assert shown(trace) == "<s><|system|>the cats</s><|user|>it rains</s><|assistant|></s><|assistant|>"
    assert messages[1] == {"role": "user", "content": "it rains"}


@pytest.mark.parametrize("kind", ["word piece", "byte level"])
def test_a_tokenizer_without_a_template(kind):
    loaded = tiny_bert_for(kind)
    for inputs, options in (("it rains", {"chat": True}), ([USER], {})):
        with pytest.raises(InputError, match=r"has no chat template.*Record the text as it is"):
            record(loaded, inputs, **options)
    with pytest.raises(InputError, match="has no chat template"):
        record(wrap(tiny("gpt2")), "it rains", chat=True)


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ([{"role": "user"}], "Give every message as"),
        ([{"role": "user", "content": ["it"]}], "both of them strings"),
        ([{"role": "user", "content": " \n"}], "no text to look at yet"),
        ([USER, {"role": "system", "content": "the"}], "refuses these messages: The system speaks first."),
        ([], "Give a text"),
        (" ", "no text to look at yet"),
        (("it", "rains"), "Two texts are no conversation"),
        ({"input_ids": torch.tensor([[5]])}, "Only a text or messages are a conversation"),
    ],
)
def test_messages_that_are_refused(inputs, sentence):
    chat = not isinstance(inputs, list)
    with pytest.raises(InputError, match=sentence):
        record(chat_model(), inputs, chat=chat)


@pytest.mark.parametrize("template", ["{{ messages | nothing }}", "{% for %}", "{{ messages.__class__.__mro__[1] }}"])
def test_a_broken_or_hostile_template_is_a_sentence(template, monkeypatch):
    monkeypatch.setattr(chat_model().tokenizer, "chat_template", template)
    with pytest.raises(InputError, match="The chat template of tiny chat refuses these messages"):
        record(chat_model(), "it rains", chat=True)


def test_a_conversation_that_is_too_long():
    with pytest.raises(TextTooLong) as caught:
        record(chat_model(), "it rains " * 30, chat=True)
    trace = record(chat_model(), "it rains " * 30, chat=True, truncate=True)
    assert len(trace.tokens["decoder"]) == 64
    assert len(trace.provenance.text) == caught.value.cut
    assert [token.text for token in trace.tokens["decoder"]].count("<s>") == 1


def test_a_prefix_goes_before_the_text():
    trace = record(chat_model(), "it rains", prefix="translate: ")
    assert shown(trace) == "<s>translate: it rains"
    assert trace.provenance.text == "translate: it rains"
    assert shown(record(chat_model(), "it rains", prefix="translate: ", chat=True)).startswith(
        "<s><|user|>translate: it"
    )
    loaded = wrap(tiny("marian"), trained("word piece"))
    assert record(loaded, "it rains", target="it", prefix="the ").tokens["encoder"][1].text == "the"


@pytest.mark.parametrize("inputs", [" ", ""])
def test_a_prefix_alone_is_no_text(inputs):
    with pytest.raises(InputError, match="no text to look at yet"):
        record(chat_model(), inputs, prefix="translate: ")


@pytest.mark.parametrize("inputs", [[USER], {"input_ids": torch.tensor([[5]])}])
def test_a_prefix_needs_a_text(inputs):
    with pytest.raises(InputError, match="A prefix goes before a text"):
        record(chat_model(), inputs, prefix="translate: ")
