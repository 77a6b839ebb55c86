"""record_generation from a prompt to its end: texts and tensors, where it stops, what it leaves behind, threads."""

import numpy as np
import pytest
import torch
import transformers as t

from model import record, record_generation, wrap
from model.decoding import end_ids
from model.errors import InputError, TextTooLong
from tests.generation_models import generator, ids_of, prompt_of, with_settings, writer
from tests.test_chat import chat_model
from tests.tiny_models import tiny, tiny_inputs
from tests.tiny_tokenizers import trained

TEXT = "The animal didn't cross the street because it"


def write(name, **options):
    return record_generation(wrap(generator(name)), prompt_of(name), **{"max_new_tokens": 6, **options})


@pytest.mark.parametrize("kind", ["byte level", "metaspace"])
def test_a_text_and_what_follows_it(kind):
    loaded = writer(kind)
    found = record_generation(loaded, TEXT, max_new_tokens=5, method="sampled", seed=2)
    tokens = found.trace.tokens["decoder"]
    ids = [token.id for token in tokens]
    assert (found.method, found.trace.provenance.text) == ("sampled", TEXT)
    assert loaded.tokenizer.decode(ids, skip_special_tokens=True) == TEXT + found.text
    # The tokenizer of kind "metaspace" sets an end after every text, and a text that goes on has none.
    assert tokens[: found.prompt_length] == record(loaded, TEXT).tokens["decoder"][: found.prompt_length]
    assert not any(token.special for token in tokens[: found.prompt_length])
    assert [token.span is None for token in tokens] == [False] * found.prompt_length + [True] * len(found.steps)
    words = [token.word for token in tokens if token.word is not None]
    assert words == sorted(words)
    assert tokens[found.prompt_length - 1].word <= tokens[found.prompt_length].word
    assert all(token.word is None for step in found.steps for token, _ in step.top)


def test_new_tokens_continue_the_word_or_begin_the_next():
    loaded, text, joined = writer("metaspace"), "The cats cross the streets; it", {}
    for seed in range(12):
        found = record_generation(loaded, text, max_new_tokens=1, method="sampled", seed=seed)
        tokens = found.trace.tokens["decoder"]
        # A punctuation mark is a word of its own.
        if not tokens[-1].special and tokens[-1].text[-1].isalnum():
            joined[tokens[-1].text.startswith("▁")] = tokens[-1].word - tokens[-2].word
            assert text + found.text == loaded.tokenizer.decode([token.id for token in tokens])
    assert joined == {True: 1, False: 0}


def test_a_chat_model_answers():
    loaded = chat_model()
    found = record_generation(loaded, "it rains", chat=True, prefix="Say: ", max_new_tokens=4)
    shown = "".join(token.text for token in found.trace.tokens["decoder"][: found.prompt_length])
    assert shown.replace("▁", " ") == "<s><|user|>Say: it rains</s><|assistant|>"
    messages = [{"role": "user", "content": "Say: it rains"}]
    assert ids_of(record_generation(loaded, messages, max_new_tokens=4)) == ids_of(found)
    whole = torch.tensor([[token.id for token in found.trace.tokens["decoder"]]])
    again = record(loaded, {"input_ids": whole})
    assert np.array_equal(found.trace.layer_attention(0), again.layer_attention(0))


def test_an_end_that_the_vocabulary_does_not_have_is_none():
    # The config of this model names 50256, and its tokenizer </s>.
    assert end_ids(chat_model()) == (chat_model().tokenizer.eos_token_id,)


def test_an_encoder_decoder_reads_a_text_and_writes_another():
    loaded = wrap(generator("marian"), trained("word piece"))
    found = record_generation(loaded, "The cats", max_new_tokens=4)
    assert [token.text for token in found.trace.tokens["encoder"]][:2] == ["[CLS]", "the"]
    assert found.prompt_length == len(found.trace.tokens["encoder"])
    assert found.text == loaded.tokenizer.decode(ids_of(found), skip_special_tokens=True)
    ids = torch.tensor([[1, *ids_of(found)]])
    inputs = dict(loaded.tokenizer("The cats", return_tensors="pt")) | {"decoder_input_ids": ids}
    inputs.pop("token_type_ids", None)
    for stack in ("encoder", "decoder", "cross"):
        assert np.array_equal(found.trace.layer_attention(1, stack), record(loaded, inputs).layer_attention(1, stack))


def test_a_decoder_that_has_begun_goes_on():
    loaded, prompt = wrap(generator("marian")), prompt_of("marian")
    whole = ids_of(record_generation(loaded, prompt, max_new_tokens=6))
    first = loaded.model.config.decoder_start_token_id
    assert first not in whole
    for start in ([first, *whole[:2]], whole[:2]):
        found = record_generation(loaded, prompt | {"decoder_input_ids": torch.tensor([start])}, max_new_tokens=4)
        assert ids_of(found) == whole[2:]
        assert [token.id for token in found.trace.tokens["decoder"]] == [first, *whole]
        assert found.steps[0].position == 3


def test_ids_without_a_mask_and_without_a_tokenizer():
    ids = torch.tensor([[0, 5, 17, 0, 8]])
    found = record_generation(wrap(generator("llama")), {"input_ids": ids}, max_new_tokens=4)
    assert found.text == " ".join(str(number) for number in ids_of(found))
    # The padding token inside a prompt is a token like any other where no mask says otherwise.
    assert found.trace.mask(0)[-1].all()
    again = record(wrap(generator("llama")), {"input_ids": torch.tensor([[*ids[0].tolist(), *ids_of(found)]])})
    assert np.array_equal(found.trace.layer_attention(2), again.layer_attention(2))


@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize("name", ["gpt2", "llama", "bart"])
def test_a_text_ends_where_the_model_says(name, as_list):
    plain = write(name)
    assert plain.stopped == "length"
    end = ids_of(plain)[2]
    model = with_settings(name, eos_token_id=[97, end] if as_list else end, pad_token_id=None)
    found = record_generation(wrap(model), prompt_of(name), max_new_tokens=6)
    assert found.stopped == "end of text"
    assert ids_of(found) == ids_of(plain)[: ids_of(plain).index(end) + 1]
    assert len(found.trace.tokens["decoder"]) == found.steps[-1].position + 1


@pytest.mark.parametrize("method", ["sampled", "beam"])
def test_a_text_that_ends_at_once(method):
    likely = [token.id for token, _ in write("gpt2", max_new_tokens=1, top=50).steps[0].top]
    # Of beam search, transformers 5.23 asks for more continuations than there are where every token is an end.
    ends = likely if method == "beam" else list(range(99))
    model = with_settings("gpt2", eos_token_id=ends)
    found = record_generation(wrap(model), prompt_of("gpt2"), max_new_tokens=6, method=method)
    assert (len(found.steps), found.stopped) == (1, "end of text")


@pytest.mark.parametrize("method", ["greedy", "sampled", "beam"])
def test_a_model_that_names_neither_end_nor_padding(method):
    model = with_settings("gpt2", eos_token_id=None, pad_token_id=None)
    model.config.eos_token_id = None
    found = record_generation(wrap(model), prompt_of("gpt2"), max_new_tokens=6, method=method)
    assert (len(found.steps), found.stopped) == (6, "length")


def test_a_tokenizer_says_where_a_text_ends_where_the_model_does_not():
    model = with_settings("gpt2", eos_token_id=None, pad_token_id=None)
    model.config.eos_token_id = None
    second = ids_of(write("gpt2"))[2]
    found = record_generation(wrap(model, NamesOnly(second)), prompt_of("gpt2"), max_new_tokens=6)
    assert found.stopped == "end of text"
    assert found.steps[-1].token.id == second


class NamesOnly:
    """Stands for a tokenizer that knows where a text ends and names tokens by their ids."""

    all_special_ids = ()
    pad_token_id = None

    def __init__(self, eos_token_id):
        self.eos_token_id = eos_token_id

    def convert_ids_to_tokens(self, ids):
        return [str(number) for number in ids]

    def decode(self, ids, **_options):
        return " ".join(str(number) for number in ids)


@pytest.mark.parametrize(("length", "new"), [(55, 6), (60, 4), (63, 1)])
def test_new_tokens_fill_what_room_there_is(length, new):
    found = record_generation(wrap(tiny("gpt2")), prompt_of("gpt2", length=length), max_new_tokens=6)
    assert (len(found.steps), found.stopped) == (new, "length")
    assert len(found.trace.tokens["decoder"]) == length + new


def test_a_decoder_has_the_room_of_its_own_positions():
    found = record_generation(wrap(with_settings("bart", eos_token_id=98)), prompt_of("bart"), max_new_tokens=100)
    assert len(found.trace.tokens["decoder"]) == 64
    assert found.trace.layer(0, "cross").shape[1:] == (64, 11)


def test_prompts_without_room():
    with pytest.raises(InputError, match="The prompt has 64 tokens and the model takes 64, so there is no room"):
        record_generation(wrap(tiny("gpt2")), prompt_of("gpt2", length=64))
    with pytest.raises(InputError, match="has 65 tokens and the model takes 64"):
        record_generation(wrap(tiny("gpt2")), prompt_of("gpt2", length=65))
    with pytest.raises(TextTooLong):
        record_generation(writer("byte level"), TEXT * 20)


BERT = dict(vocab_size=99, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)


@pytest.mark.parametrize(
    ("loaded", "prompt", "sentence"),
    [
        (lambda: wrap(tiny("bert")), {"input_ids": torch.tensor([[5]])}, "cannot write text. Choose a model with"),
        (lambda: wrap(tiny("t5")), tiny_inputs("t5"), "cannot run this input"),
        (lambda: wrap(t.BertLMHeadModel(t.BertConfig(**BERT)).eval()), prompt_of("bert"), "reads in both directions"),
        (lambda: writer("byte level"), "  ", "no text to look at yet"),
        (lambda: wrap(tiny("gpt2")), "a text", "came without a tokenizer"),
        (lambda: wrap(tiny("gpt2")), {"inputs_embeds": torch.zeros(1, 3, 32)}, "leave out inputs_embeds"),
        (
            lambda: wrap(tiny("gpt2")),
            prompt_of("gpt2") | {"position_ids": torch.zeros(1, 11)},
            "leave out position_ids",
        ),
        (lambda: wrap(tiny("gpt2")), {"attention_mask": torch.ones(1, 3)}, "begins with input_ids"),
        (lambda: wrap(tiny("gpt2")), prompt_of("gpt2") | {"attention_mask": torch.ones(1, 3)}, "one entry per token"),
        (lambda: wrap(tiny("gpt2")), {"input_ids": torch.tensor([[99]])}, "the model's vocabulary"),
        (lambda: wrap(tiny("gpt2")), prompt_of("gpt2") | {"colour": torch.ones(1, 3)}, "cannot run this input"),
        (lambda: wrap(with_settings("bart", decoder_start_token_id=None, bos_token_id=None)), None, "starts with"),
    ],
)
def test_what_is_refused(loaded, prompt, sentence):
    loaded = loaded()
    if prompt is None:
        prompt, loaded.model.config.decoder_start_token_id = prompt_of("bart"), None
    with pytest.raises(InputError, match=sentence):
        record_generation(loaded, prompt)
