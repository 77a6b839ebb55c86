"""Why a text is split as it is: the kind of every token, and sentences that the vocabulary itself bears out."""

import re
from types import SimpleNamespace

import pytest

from model import load_model
from model.segmentation import KINDS, explain_tokens
from model.tokenization import tokenize, tokens_from_ids, tokens_from_text
from model.tokens import Token
from tests.test_chat import chat_model
from tests.test_text_pairs import pair_tokenizer
from tests.tiny_tokenizers import TRAINERS, trained


def explained(tokenizer, text):
    return explain_tokens(tokenizer, text, tokens_from_text(tokenizer, text, tokenize(tokenizer, text)))


@pytest.fixture(scope="module")
def minilm():
    return load_model("minilm", device="cpu").tokenizer


def test_kinds_of_a_real_vocabulary(minilm):
    rows = explained(minilm, "Unbelievably, café 3.14 \u1c5a…")
    assert [(row.display, row.kind) for row in rows] == [
        ("[CLS]", "special"), ("un", "piece of a word"), ("##bel", "piece of a word"), ("##ie", "piece of a word"),
        ("##va", "piece of a word"), ("##bly", "piece of a word"), (",", "punctuation"), ("cafe", "whole word"),
        ("3", "number"), (".", "punctuation"), ("14", "number"), ("[UNK]", "unknown"), ("…", "punctuation"),
        ("[SEP]", "special"),
    ]  # fmt: skip
    assert [row.position for row in rows] == list(range(len(rows)))
    assert (rows[2].entry, rows[2].id, rows[2].span) == ("##bel", minilm.convert_tokens_to_ids("##bel"), (2, 5))
    assert [row.word for row in rows[1:7]] == [0, 0, 0, 0, 0, 1]


def test_a_number_is_split_where_the_vocabulary_says(minilm):
    rows = [row for row in explained(minilm, "1234567") if row.kind == "number"]
    assert {row.reason for row in rows} == {
        "“1234567” is not one of the 30522 entries of the vocabulary; the longest entries that make it up, taken from the "
        "left, are “123”, “##45”, “##6” and “##7”."
    }
    vocabulary = minilm.get_vocab()
    assert "1234567" not in vocabulary
    rest = "1234567"
    for row in rows:
        piece = row.entry.removeprefix("##")
        longer = [rest[:end] for end in range(len(piece) + 1, len(rest) + 1)]
        assert rest.startswith(piece)
        assert not any((("##" if rest != "1234567" else "") + candidate) in vocabulary for candidate in longer)
        rest = rest.removeprefix(piece)


def test_whole_words_need_no_reason(minilm):
    rows = explained(minilm, "The animal is tired 2000 .")
    assert {(row.kind, row.reason) for row in rows if row.kind != "special"} == {
        ("whole word", ""), ("number", ""), ("punctuation", ""),
    }  # fmt: skip


def test_what_is_divided_before_entries_are_looked_for(minilm):
    rows = explained(minilm, "It didn't")
    assert {row.reason for row in rows if row.word == 1} == {
        "The tokenizer divides “didn't” into “didn”, “'” and “t” before it looks for entries of the vocabulary; the tokens "
        "are “didn”, “'” and “t”."
    }
    assert [row.kind for row in rows if row.word == 1] == ["piece of a word", "punctuation", "piece of a word"]


@pytest.mark.parametrize(
    ("kind", "choice"),
    [
        ("word piece", "the longest entries that make it up, taken from the left, are"),
        ("byte level", "joining its characters in the order of the merge table ends at"),
        ("metaspace", "the most probable entries that make it up are"),
    ],
)
def test_each_family_chooses_its_own_way(kind, choice):
    tokenizer = trained(kind)
    rows = [row for row in explained(tokenizer, "it animals") if row.kind == "piece of a word" and "l" in row.display]
    assert rows
    start = f"“animals” is not one of the {len(tokenizer.get_vocab())} entries of the vocabulary; {choice} "
    assert all(row.reason.startswith(start) for row in rows)
    listed = re.findall("“(.*?)”", rows[0].reason)[1:]
    assert "".join(listed).replace("##", "").replace("▁", "") == "animals"


@pytest.mark.parametrize("kind", TRAINERS)
@pytest.mark.parametrize("text", ["it 12 猫 👩\u200d🚀 مرحبا\n\n", "e\u0301  ...", "<b>x</b> \u202e"])
def test_every_token_has_a_kind_and_its_own_place(kind, text):
    tokens = tokens_from_text(trained(kind), text, tokenize(trained(kind), text))
    rows = explain_tokens(trained(kind), text, tokens)
    assert {row.kind for row in rows} <= set(KINDS)
    assert [(row.position, row.display, row.entry, row.id, row.word, row.span) for row in rows] == [
        (place, token.text, token.piece, token.id, token.word, token.span) for place, token in enumerate(tokens)
    ]


def test_bytes():
    rows = explained(trained("byte level"), "it 猫\n")
    assert [row.kind for row in rows][-4:] == ["byte", "byte", "byte", "space"]
    assert {row.reason for row in rows if row.kind == "byte"} == {
        "“猫” is not one of the 300 entries of the vocabulary, so it is written as its bytes in UTF-8: “<0xE7>”, “<0x8C>” and "
        "“<0xAB>”."
    }
    assert [byte for row in rows if row.kind == "byte" for byte in bytes.fromhex(row.display[3:5])] == list(
        "猫".encode()
    )


def test_unknown_and_special_tokens():
    rows = explained(trained("word piece"), "it 猫 [SEP]")
    unknown, typed, added = rows[-3:]
    assert unknown.reason == (
        "“猫” cannot be made up from the 60 entries of the vocabulary, so the model reads [UNK] and "
        "cannot tell it from any other."
    )
    assert (typed.kind, typed.reason) == (
        "special", "“[SEP]” stands in the text, and the model reads it as its special token of that name.",
    )  # fmt: skip
    assert (added.kind, added.reason[:15]) == ("special", "A special token")
    ids = tokens_from_ids(trained("word piece"), trained("word piece")("猫", return_tensors="pt")["input_ids"])
    assert explain_tokens(trained("word piece"), None, ids)[1].reason.startswith("What stands here cannot be made up")


def test_a_pair_reads_each_word_in_its_own_text():
    from model.text_pairs import tokenize_pair, tokens_from_pair

    texts = ("it it it", "animals")
    tokens = tokens_from_pair(pair_tokenizer(), texts, tokenize_pair(pair_tokenizer(), texts))
    reasons = {row.reason for row in explain_tokens(pair_tokenizer(), texts, tokens) if row.word == 3}
    assert len(reasons) == 1
    assert reasons.pop().startswith("“animals” is not one of the 60 entries")


def test_without_a_tokenizer_the_kinds_remain():
    tokens = [Token("<s>", "<s>", special=True), Token("▁ani", "▁ani", word=0), Token("mal", "mal", word=0)]
    rows = explain_tokens(None, None, tokens)
    assert [(row.kind, row.reason) for row in rows] == [("special", "")] + [("piece of a word", "")] * 2
    assert explain_tokens(SimpleNamespace(get_vocab=dict, all_special_ids=[]), None, tokens) == rows


def test_template_tokens_are_special():
    tokenizer = chat_model().tokenizer
    text = "<s><|user|>it</s>"
    tokens = tokens_from_text(tokenizer, text, tokenize(tokenizer, text, as_chat=True))
    assert [row.kind for row in explain_tokens(tokenizer, text, tokens)] == ["special"] * 2 + ["whole word", "special"]
