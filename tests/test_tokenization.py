"""From text to tokens with the three kinds of tokenizer, trained in tests/tiny_tokenizers.py."""

import pytest

from model import record
from model.encoding import encode_text
from model.tokens import word_groups, word_text
from tests.tiny_tokenizers import TRAINERS, tiny_bert_for, trained

ANIMAL = "The animal didn't cross."
HOSTILE = "</script><img src=x onerror=alert(1)>"
TEXTS = [
    ANIMAL,
    "  two  spaces\nand lines ",
    "我喜欢猫。",
    "👩\u200d👩\u200d👧 ❤\ufe0f",
    "cafe\u0301 हिन्दी",
    HOSTILE,
    "a\u202eb\u200b\x00c",
]


def tokens_of(kind, text):
    kept, tensors, tokens = encode_text(tiny_bert_for(kind), text)
    assert tensors["input_ids"][0].tolist() == [token.id for token in tokens]
    assert tensors["input_ids"].shape == tensors["attention_mask"].shape
    return kept, [token for token in tokens if not token.special]


def test_tokens_of_a_word_piece_model():
    _, _, tokens = encode_text(tiny_bert_for("word piece"), "The streets!")
    assert (tokens[0].text, tokens[-1].text) == ("[CLS]", "[SEP]")
    assert [token.special for token in tokens] == [True, *[False] * (len(tokens) - 2), True]
    assert tokens[0].span is tokens[0].word is tokens[-1].word is None
    assert "".join(token.text.removeprefix("##") for token in tokens[1:-2]) == "thestreets"
    assert tokens[-2].text == "[UNK]"
    assert tokens[-2].span == (11, 12)


@pytest.mark.parametrize("text", TEXTS)
def test_byte_level_tokens_hold_every_byte_of_the_text(text):
    kept, tokens = tokens_of("byte level", text)
    assert kept == text
    pieces = trained("byte level").convert_tokens_to_string([token.piece for token in tokens])
    assert pieces == text
    for token in tokens:
        assert token.text.isprintable() or "\u200d" in token.text
        assert " " not in token.text


def test_display_strings_join_up_to_the_text():
    for text in (ANIMAL, HOSTILE, "it  rains"):
        _, tokens = tokens_of("byte level", text)
        assert "".join(token.text for token in tokens).replace("▁", " ") == text
        _, tokens = tokens_of("metaspace", text)
        assert "".join(token.text for token in tokens).replace("▁", " ") == f" {text}"


@pytest.mark.parametrize("kind", TRAINERS)
@pytest.mark.parametrize("text", TEXTS)
def test_spans_lie_in_the_text_and_in_order(kind, text):
    kept, tokens = tokens_of(kind, text)
    starts = [token.span[0] for token in tokens]
    assert starts == sorted(starts)
    assert all(0 <= token.span[0] <= token.span[1] <= len(kept) for token in tokens)


@pytest.mark.parametrize("kind", ["byte level", "metaspace"])
def test_spans_are_the_characters_of_the_token(kind):
    for token in tokens_of(kind, ANIMAL)[1]:
        # A lone ▁ before the first word has no character of its own.
        assert token.text == "▁" or token.text.replace("▁", "") == ANIMAL[slice(*token.span)].strip()


def words_of(kind, text):
    """Return the words as they stand in the text, and their tokens; a space that is a token is no word."""
    _, tokens = tokens_of(kind, text)
    groups = [[tokens[position] for position in group] for group in word_groups(tokens)]
    groups = [group for group in groups if group[0].word is not None]
    return [text[group[0].span[0] : group[-1].span[1]].strip() for group in groups], groups


@pytest.mark.parametrize("kind", TRAINERS)
def test_words_of_a_sentence(kind):
    words, groups = words_of(kind, ANIMAL)
    assert words == ["The", "animal", "didn't", "cross", "."]
    expected = [word.lower() for word in words] if kind == "word piece" else words
    assert [word_text(group).removeprefix("▁") for group in groups] == expected
    assert max(len(group) for group in groups) > 1


def test_words_of_chinese_and_emoji_made_of_bytes():
    words, groups = words_of("byte level", "我喜欢猫")
    assert words == ["我", "喜", "欢", "猫"]
    assert [len(group) for group in groups] == [3, 3, 3, 3]
    assert word_text(groups[0]) == "我"
    words, groups = words_of("byte level", "it 👩\u200d🚀")
    assert words == ["it", "👩\u200d🚀"]
    assert len(groups[-1]) == len("👩\u200d🚀".encode())


@pytest.mark.parametrize("kind", ["byte level", "metaspace"])
def test_hostile_text_stays_text(kind):
    trace = record(tiny_bert_for(kind), HOSTILE)
    assert trace.provenance.text == HOSTILE
    found = "".join(token for token in trace.key_tokens(0) if token != "</s>").replace("▁", " ").strip()
    assert found == HOSTILE


def test_a_special_token_that_the_user_typed_is_no_special_token():
    _, _, tokens = encode_text(tiny_bert_for("word piece"), "it [SEP] rains")
    assert [token.text for token in tokens].count("[SEP]") == 2
    assert [token.special for token in tokens if token.text == "[SEP]"] == [False, True]


@pytest.mark.parametrize("kind", TRAINERS)
def test_ids_alone_show_the_same_tokens(kind):
    loaded = tiny_bert_for(kind)
    _, tensors, tokens = encode_text(loaded, ANIMAL)
    again = record(loaded, {"input_ids": tensors["input_ids"]}).tokens["encoder"]
    assert [token.text for token in again] == [token.text for token in tokens]
    assert [token.special for token in again] == [token.special for token in tokens]


def test_what_a_tokenizer_returns_can_be_recorded():
    encoded = trained("word piece")(ANIMAL, return_tensors="pt")
    by_text = record(tiny_bert_for("word piece"), ANIMAL)
    trace = record(tiny_bert_for("word piece"), encoded)
    assert (trace.layer_attention(1) == by_text.layer_attention(1)).all()
