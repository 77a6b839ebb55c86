"""Every script with every kind of tokenizer: what is shown joins up to the text, words are words, and spans are right."""

import re
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sentencepiece
import torch
import transformers as t

from model.tokenization import tokenize, tokens_from_ids, tokens_from_text
from model.tokens import word_groups, word_spans, word_text
from tests.tiny_tokenizers import CORPUS, trained

TEXTS = {
    "English": ("The animal didn't cross.", ["The", "animal", "didn't", "cross", "."]),
    "Chinese": ("我喜欢猫。你呢?", ["我", "喜", "欢", "猫", "。", "你", "呢", "?"]),
    "Japanese": ("東京に行くか\u3099", ["東", "京", "に", "行", "く", "か\u3099"]),
    "Arabic": ("مرحبا بالعالم!", ["مرحبا", "بالعالم", "!"]),
    "Hebrew": ("שָׁלוֹם, עולם", ["שָׁלוֹם", ",", "עולם"]),
    "Hindi": ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
    "emoji": ("it 👩\u200d👩\u200d👧 ❤\ufe0f 🇩🇪", ["it", "👩\u200d👩\u200d👧", "❤\ufe0f", "🇩🇪"]),
    "marks": ("cafe\u0301 x\u0323\u0302", ["cafe\u0301", "x\u0323\u0302"]),
    "mixed": ("GPT2喜欢 the猫", ["GPT2", "喜", "欢", "the", "猫"]),
}
# Characters that SentencePiece learns; everything else is written as bytes.
LEARNED = ["我喜欢猫。 東京に行く مرحبا שלום the cats 12"] * 20


@cache
def sentence_piece(kind: str) -> t.PreTrainedTokenizerBase:
    """Return a tokenizer that the sentencepiece package trained: BPE as Llama has it, Unigram as T5."""
    family, name = {"bpe": (t.LlamaTokenizer, "tokenizer"), "unigram": (t.T5Tokenizer, "spiece")}[kind]
    ids = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1} if kind == "unigram" else {}
    with TemporaryDirectory() as folder:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS * 5 + LEARNED), model_prefix=f"{folder}/trained", model_type=kind, minloglevel=2,
            vocab_size=340 if kind == "bpe" else 100, hard_vocab_limit=False, byte_fallback=kind == "bpe",
            normalization_rule_name="identity" if kind == "bpe" else "nmt_nfkc", **ids,
        )  # fmt: skip
        (Path(folder) / "saved").mkdir()
        shutil.copy(f"{folder}/trained.model", f"{folder}/saved/{name}.model")
        return family.from_pretrained(f"{folder}/saved")


KINDS = {"byte level": trained, "bpe": sentence_piece}


def content(tokenizer, text):
    """Return the tokens of a text that are not special."""
    return [token for token in tokens_from_text(tokenizer, text, tokenize(tokenizer, text)) if not token.special]


def joined(tokens) -> str:
    """Return what the display strings say together, bytes decoded and escapes undone."""
    shown = "".join(token.text for token in tokens).replace("▁", " ")
    shown = re.sub("(?:<0x..>)+", lambda run: bytes.fromhex(re.sub("<0x|>", "", run[0])).decode(), shown)
    return re.sub(r"\\u([0-9a-f]{4})", lambda code: chr(int(code[1], 16)), shown)


@pytest.mark.parametrize("script", TEXTS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_shown_joins_up_to_the_text(kind, script):
    text, _ = TEXTS[script]
    assert joined(content(KINDS[kind](kind), text)).removeprefix(" ") == text


@pytest.mark.parametrize("script", TEXTS)
@pytest.mark.parametrize("kind", KINDS)
def test_words_are_those_of_the_text(kind, script):
    text, words = TEXTS[script]
    tokens = content(KINDS[kind](kind), text)
    groups = [[tokens[position] for position in group] for group in word_groups(tokens)]
    groups = [group for group in groups if group[0].word is not None]
    assert [text[group[0].span[0] : group[-1].span[1]].strip() for group in groups] == words
    # Every span holds the characters of the token, and a byte the whole character that it is part of.
    for token in tokens:
        shown = joined([token]).strip() if "<0x" not in token.text else ""
        assert shown in text[slice(*token.span)]


@pytest.mark.parametrize("script", [script for script in TEXTS if script != "emoji"])
@pytest.mark.parametrize("kind", KINDS)
def test_ids_alone_give_the_same_words(kind, script):
    text = TEXTS[script][0]
    tokenizer = KINDS[kind](kind)
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    alone, known = tokens_from_ids(tokenizer, ids), tokens_from_text(tokenizer, text, tokenize(tokenizer, text))
    shared = [(a.word, b.word) for a, b in zip(alone, known, strict=True) if a.text != "▁"]
    assert [word for word, _ in shared] == [word for _, word in shared]


def test_byte_fallback_shows_learned_characters_whole():
    tokens = content(sentence_piece("bpe"), "我们 it")
    assert [token.text for token in tokens][:5] == ["▁", "我", "<0xE4>", "<0xBB>", "<0xAC>"]
    assert [token.word for token in tokens][1:5] == [0, 1, 1, 1]
    assert [token.span for token in tokens][1:5] == [(0, 1), (1, 2), (1, 2), (1, 2)]
    assert word_text(tokens[2:5]) == "们"


@pytest.mark.parametrize("script", ["English", "Chinese", "Arabic"])
def test_unigram_of_sentencepiece(script):
    text, words = TEXTS[script]
    tokenizer = sentence_piece("unigram")
    tokens = content(tokenizer, text)
    groups = [[tokens[position] for position in group] for group in word_groups(tokens)]
    found = [text[group[0].span[0] : group[-1].span[1]].strip() for group in groups if group[0].word is not None]
    assert "".join(found) == "".join(words)
    # Without byte fallback, what was not learned is unknown.
    assert (tokenizer.unk_token_id in [token.id for token in tokens]) == (script != "English")
    for token in tokens:
        if token.id != tokenizer.unk_token_id and token.text != "▁":
            assert token.text.removeprefix("▁") == text[slice(*token.span)].strip()


def test_word_piece_has_one_token_for_each_chinese_character_and_strips_accents():
    tokens = content(trained("word piece"), "the猫cafe\u0301")
    spans = [token.span for token in tokens]
    words = [token.word for token in tokens]
    assert word_spans("the猫cafe\u0301") == [(0, 3), (3, 4), (4, 9)]
    assert (spans[0][0], words[0]) == (0, 0)
    assert (3, 4) in spans
    assert tokens[spans.index((3, 4))].text == "[UNK]"
    assert sorted(set(words)) == [0, 1, 2]
