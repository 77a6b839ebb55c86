"""Subwords as sentencepiece learned them, in a fast tokenizer; and the files they are learned from."""

import gzip
import io

import pytest
import sentencepiece

from model.corpora import read_lines, read_parallel
from model.errors import HeadscopeError
from model.training.subwords import as_transformers, learn_subwords
from tests.tiny_tokenizers import CORPUS

TEXTS = ["The cats' street isn't tired; it rained!", "crossing 3 animals, 4", "Ça naïve ☃ street"]


@pytest.mark.parametrize("running_text", [False, True])
def test_it_cuts_as_sentencepiece_does(running_text):
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([line.lower() for line in CORPUS]), model_writer=written, model_type="bpe",
        vocab_size=320 if running_text else 60, character_coverage=1.0, pad_id=0, bos_id=1, eos_id=2, unk_id=3,
        byte_fallback=running_text, normalization_rule_name="nfkc", minloglevel=2, hard_vocab_limit=False,
    )  # fmt: skip
    learned = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    tokenizer = as_transformers(learned, lowercase=True, running_text=running_text, limit=64)
    for text in TEXTS + CORPUS[:2]:
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == learned.encode(text.lower())
        if learned.unk_id() not in learned.encode(text.lower()):
            assert tokenizer.decode(learned.encode(text.lower())) == text.lower()


def test_a_sentence_ends_and_is_lowered():
    tokenizer = learn_subwords(CORPUS, 60, lowercase=True, limit=64)
    ids = tokenizer("  The   cats ")["input_ids"]
    assert ids[-1] == tokenizer.eos_token_id == 2
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.unk_token_id) == (0, 1, 3)
    assert tokenizer.decode(ids, skip_special_tokens=True) == "the cats"
    assert tokenizer.model_max_length == 64
    assert tokenizer("☃")["input_ids"].count(3) == 1


def test_running_text_keeps_its_lines_and_every_character():
    tokenizer = learn_subwords(CORPUS, 330, running_text=True)
    text = "The Animal ☃\nit rains 😀"
    ids = tokenizer(text)["input_ids"]
    assert 3 not in ids
    assert tokenizer.convert_ids_to_tokens(ids).count("\n") == 1
    assert tokenizer.decode(ids) == text


def test_spans_point_into_the_text():
    tokenizer = learn_subwords(CORPUS, 60, lowercase=True)
    text = "The  Cats"
    found = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    assert "".join(text[start:end] for start, end in found["offset_mapping"]).replace(" ", "") == "TheCats"


def test_too_little_text_is_said():
    with pytest.raises(HeadscopeError, match="subwords"):
        learn_subwords(["a b"], 5000)


def test_files_plain_and_gzip(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffone\r\ntwo\u2028still two\n\nfour".encode())
    with gzip.open(tmp_path / "b.gz", "wt", encoding="utf-8") as file:
        file.write("eins\nzwei\ndrei\nvier\n")
    assert read_lines(tmp_path / "a.txt") == ["one", "two\u2028still two", "", "four"]
    assert read_parallel(tmp_path / "a.txt", tmp_path / "b.gz")[1:] == [
        ("two\u2028still two", "zwei"),
        ("four", "vier"),
    ]
    (tmp_path / "short").write_text("eins\n")
    (tmp_path / "latin").write_bytes(b"\xff\xfe\xfa")
    (tmp_path / "broken.gz").write_bytes(b"\x1f\x8bnothing")
    with pytest.raises(HeadscopeError, match="4 and 1 lines"):
        read_parallel(tmp_path / "a.txt", tmp_path / "short")
    for name in ("latin", "broken.gz", "missing"):
        with pytest.raises(HeadscopeError, match=r"There is no file or folder|cannot be read"):
            read_lines(tmp_path / name)
