"""What a study reads: annotated files, lines, sentences and windows."""

import gzip

import numpy as np
import pytest

from model.encoding import encode
from model.errors import HeadscopeError
from model.study.corpus import StudyText, read_corpus, sentences, windows
from model.study.encoding import NOT_RUN, TOO_LONG, TextEncoder
from model.study.survey import SAMPLE, survey
from tests.tiny_studies import ANNOTATED, LINES, annotated_corpus, lines_corpus, tiny_loaded
from tests.tiny_tokenizers import trained


def texts_of(*paths, **options):
    return [one.text for one in read_corpus(paths, **options).texts(trained("word piece"))]


def test_sentences_end_at_marks_before_capitals_and_at_empty_lines():
    text = "Mr. Fox ran\nfar. “Did he?” She saw J. S. Bach! it was 3.5 miles\n\nA new day"
    assert list(sentences(text)) == [
        "Mr. Fox ran far.",
        "“Did he?”",
        "She saw J. S. Bach! it was 3.5 miles",
        "A new day",
    ]


def test_a_file_without_empty_lines_is_read_by_line_and_one_with_them_by_sentence(tmp_path):
    (tmp_path / "lines.txt").write_text("One. Two.\nThree.\n", encoding="utf-8")
    (tmp_path / "prose.md").write_text("One. Two.\n\nThree\nfour.\n", encoding="utf-8")
    assert texts_of(tmp_path / "lines.txt") == ["One. Two.", "Three."]
    assert texts_of(tmp_path / "prose.md") == ["One.", "Two.", "Three four."]
    assert texts_of(tmp_path / "lines.txt", unit="sentence") == ["One.", "Two.", "Three."]


def test_a_folder_is_read_by_name_with_compressed_files_and_without_its_licence(tmp_path):
    (tmp_path / "b.txt").write_text("Last.", encoding="utf-8")
    (tmp_path / "a.conllu.gz").write_bytes(gzip.compress(ANNOTATED.encode()))
    (tmp_path / "LICENSE.txt").write_text("All of it.", encoding="utf-8")
    (tmp_path / "picture.png").write_bytes(b"no text")
    corpus = read_corpus([tmp_path])
    found = list(corpus.texts())
    assert [one.text for one in found] == ["The cats cross the streets;", "The animal was tired.", "Last."]
    assert [one.sentence is None for one in found] == [False, False, True]


def test_windows_have_the_asked_number_of_tokens_and_begin_with_a_word():
    tokenizer, text = trained("word piece"), " ".join(LINES * 3)
    found = list(windows(text, tokenizer, 12))
    assert {len(tokenizer(one)["input_ids"]) for one in found} == {12}
    places = [text.index(found[0])]
    for one in found[1:]:
        places.append(text.index(one, places[-1] + 1))
    assert all(place == 0 or text[place - 1] == " " for place in places)
    # Nothing is left out between two windows but the rest of a word, and nothing is read twice.
    gaps = [text[a + len(one) : b] for a, b, one in zip(places, places[1:], found, strict=False)]
    assert all(" " not in gap.strip() for gap in gaps)
    assert all(b >= a + len(one) for a, b, one in zip(places, places[1:], found, strict=False))
    with pytest.raises(HeadscopeError, match="--unit sentence"):
        next(windows(text, None, 12))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "none.txt", "no file or folder"),
        (lambda folder: folder, "holds no file of"),
        (lambda folder: _written(folder / "x.pdf", b""), "is none of"),
        (lambda folder: _written(folder / "x.txt", b"\xff\xfe\xfa"), "cannot be read as UTF-8"),
        (lambda folder: _written(folder / "x.txt.gz", b"\x1f\x8bnot"), "cannot be read as UTF-8"),
        (lambda folder: _written(folder / "x.conllu", b"1\tone"), "line 1"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(tmp_path, make, message):
    with pytest.raises(HeadscopeError, match=message):
        texts_of(make(tmp_path))


def _written(path, content: bytes):
    path.write_bytes(content)
    return path


def test_unknown_units_and_short_windows_are_refused(tmp_path):
    with pytest.raises(HeadscopeError, match="line, sentence, window"):
        read_corpus([tmp_path], unit="page")
    with pytest.raises(HeadscopeError, match="at least 8"):
        read_corpus([tmp_path], unit="window", window=4)


def test_texts_encoded_together_are_encoded_as_alone(tmp_path):
    loaded = tiny_loaded()
    texts = [*map(StudyText, LINES), *annotated_corpus(tmp_path, 1).texts()]
    for one, found in zip(texts, TextEncoder(loaded).encode(texts), strict=True):
        alone = encode(loaded, one.text)
        assert list(found.tensors) == list(alone.tensors)
        assert all(found.tensors[name].equal(alone.tensors[name]) for name in alone.tensors)
        same = ("text", "piece", "id", "special") + (("span",) if one.sentence is not None else ())
        for ours, theirs in zip(found.tokens, alone.tokens, strict=True):
            assert all(getattr(ours, name) == getattr(theirs, name) for name in same)


def test_texts_too_long_are_left_out_and_counted(tmp_path):
    loaded = tiny_loaded()
    path = tmp_path / "long.txt"
    path.write_text("It rains.\n" + "it " * 70 + "\nIt rains.", encoding="utf-8")
    encoder = TextEncoder(loaded)
    found = survey(read_corpus([path]), encoder)
    assert (found.count, found.left_out) == (3, {TOO_LONG: 1})
    assert encoder.encode([StudyText("it " * 70)]) == [TOO_LONG]
    assert NOT_RUN not in found.left_out


def test_the_survey_counts_tokens_and_relations_and_spreads_its_sample(tmp_path):
    loaded = tiny_loaded()
    encoder = TextEncoder(loaded)
    found = survey(lines_corpus(tmp_path, 40), encoder)
    ids = loaded.tokenizer(list(LINES))["input_ids"]
    assert (found.tokens, found.count) == (40 * sum(map(len, ids)), 40 * len(LINES))
    period = loaded.tokenizer.convert_tokens_to_ids(".")
    assert found.frequencies[period] == 40 * sum(one.count(period) for one in ids)
    numbers = [number for number, _ in found.sample]
    assert numbers == sorted(set(numbers))
    assert SAMPLE / 2 <= len(numbers) <= SAMPLE
    assert max(numbers[0], *np.diff(numbers), found.count - numbers[-1]) < 20
    annotated = survey(annotated_corpus(tmp_path, 30), encoder)
    # 30 times 3 determiners, 2 subjects, 1 object, 1 copula, 2 marks; fewer than 50 of the objects and copulas.
    assert annotated.relations == ("all relations", "det", "nsubj", "punct")
    assert annotated.digest != found.digest
    assert survey(annotated_corpus(tmp_path, 30), encoder, limit=2).count == 2


def test_an_empty_corpus_is_refused(tmp_path):
    (tmp_path / "empty.txt").write_text("\n\n", encoding="utf-8")
    with pytest.raises(HeadscopeError, match="no text that can be studied: it is empty"):
        survey(read_corpus([tmp_path]), TextEncoder(tiny_loaded()))
