"""CoNLL-U: words with their place in the text and their heads; broken and hostile files are refused by line."""

import gzip
from pathlib import Path

import pytest

from model.conllu import parse_conllu, read_conllu
from model.errors import HeadscopeError

DATA = Path(__file__).parent.parent.parent / "shared" / "data"


def row(number, form, head="_", relation="_", misc="_") -> str:
    return "\t".join([str(number), form, "_", "_", "_", "_", str(head), relation, "_", misc])


def block(*lines: str) -> str:
    return "\n".join(lines) + "\n\n"


DOGS = block(
    "# sent_id = s1",
    "# text = The dogs bark.",
    row(1, "The", 2, "det"),
    row(2, "dogs", 3, "nsubj"),
    row(3, "bark", 0, "root", "SpaceAfter=No"),
    row(4, ".", 3, "punct"),
)


def written(sentence) -> list[str]:
    return [sentence.text[slice(*word.span)] for word in sentence.words]


def test_words_heads_and_places():
    (sentence,) = parse_conllu(DOGS)
    assert (sentence.text, sentence.identifier) == ("The dogs bark.", "s1")
    assert [word.form for word in sentence.words] == ["The", "dogs", "bark", "."]
    assert [word.span for word in sentence.words] == [(0, 3), (4, 8), (9, 13), (13, 14)]
    assert [word.head for word in sentence.words] == [1, 2, None, 2]
    assert [word.relation for word in sentence.words] == ["det", "nsubj", "root", "punct"]


def test_without_a_text_the_forms_make_one():
    (sentence,) = parse_conllu(DOGS.replace("# text = The dogs bark.\n", ""))
    assert sentence.text == "The dogs bark."
    assert written(sentence) == ["The", "dogs", "bark", "."]


@pytest.mark.parametrize("text", ["The cats bark.", "The dogs bark. And more", "The dogs"])
def test_a_text_that_does_not_fit_its_words_is_not_taken(text):
    (sentence,) = parse_conllu(DOGS.replace("The dogs bark.", text))
    assert sentence.text == "The dogs bark."
    assert written(sentence) == ["The", "dogs", "bark", "."]


def test_other_spaces_of_the_text_are_kept():
    (sentence,) = parse_conllu(DOGS.replace("The dogs bark.", "The\u00a0dogs   bark ."))
    assert sentence.text == "The\u00a0dogs   bark ."
    assert written(sentence) == ["The", "dogs", "bark", "."]


def test_a_multiword_token_is_its_words():
    lines = ["# text = I don't!", row(1, "I", 3, "nsubj"), row("2-3", "don't", misc="SpaceAfter=No"),
             row(2, "do", 0, "root"), row(3, "n't", 2, "advmod"), row(4, "!", 2, "punct")]  # fmt: skip
    for given in (block(*lines), block(*lines[1:])):
        (sentence,) = parse_conllu(given)
        assert sentence.text == "I don't!"
        assert written(sentence) == ["I", "do", "n't", "!"]
        assert [word.head for word in sentence.words] == [2, None, 1, 1]


def test_words_that_do_not_make_up_their_token_share_its_place():
    (sentence,) = parse_conllu(
        block(row("1-2", "du"), row(1, "de", 3, "case"), row(2, "le", 3, "det"), row(3, "lac", 0, "root"))
    )
    assert sentence.text == "du lac"
    assert [word.form for word in sentence.words] == ["de", "le", "lac"]
    assert [word.span for word in sentence.words] == [(0, 2), (0, 2), (3, 6)]


def test_empty_nodes_stand_for_nothing():
    (sentence,) = parse_conllu(
        block(row(1, "tea", 0, "root"), row("1.1", "drank"), row(2, "milk", 1, "orphan"), row("2.1", "gone"))
    )
    assert (sentence.text, written(sentence)) == ("tea milk", ["tea", "milk"])
    assert [word.head for word in sentence.words] == [None, 0]


def test_words_without_annotation_have_no_head():
    (sentence,) = parse_conllu(block(row(1, "Hello"), row(2, "you")))
    assert [(word.head, word.relation) for word in sentence.words] == [(None, ""), (None, "")]


def test_sentences_lines_and_comments():
    found = parse_conllu("\n\n# only = a comment\n\n" + DOGS.replace("\n", "\r\n") + DOGS + "\n" + DOGS.rstrip("\n"))
    assert len(found) == 3
    assert set(found) == set(parse_conllu(DOGS))


def test_separators_of_unicode_and_markup_are_letters_of_a_form():
    forms = ["a\u2028b", "<script>", "\u202ex", "&amp;", "x\x0by"]
    (sentence,) = parse_conllu(block(*(row(place, form) for place, form in enumerate(forms, start=1))))
    assert written(sentence) == forms


def test_a_form_may_hold_spaces():
    (sentence,) = parse_conllu(block("# text = 10 000 men", row(1, "10 000", 2, "nummod"), row(2, "men", 0, "root")))
    assert written(sentence) == ["10 000", "men"]


def test_files_plain_and_gzip(tmp_path):
    plain, packed = tmp_path / "a.conllu", tmp_path / "a.conllu.gz"
    plain.write_text(DOGS, encoding="utf-8")
    packed.write_bytes(gzip.compress(DOGS.encode()))
    assert read_conllu(plain) == read_conllu(packed) == parse_conllu(DOGS)


BROKEN = {
    "three columns": (block("1\tHello\t_"), "line 1: it has 3 columns"),
    "spaces for tabs": (block(row(1, "a").replace("\t", "  ")), "line 1: it has 1 columns"),
    "a gap in the numbers": (block(row(1, "a"), row(3, "b")), "line 2: word 2 is expected"),
    "from 0": (block(row(0, "a")), "word 1 is expected"),
    "a head that is not there": (block(row(1, "a", 3, "x"), row(2, "b")), "line 1: its head is no word"),
    "a head below 0": (block(row(1, "a", -1, "x")), "its head is no word"),
    "its own head": (block(row(1, "a", 1, "x")), "its own head"),
    "a head that is no number": (block(row(1, "a", "b", "x")), "cannot be read"),
    "a head of many digits": (block(row(1, "a", "9" * 6000, "x")), "cannot be read"),
    "a head far away": (block(row(1, "a", "9" * 4000, "x")), "its head is no word"),
    "a number far away": (block(row("9" * 4000, "a")), "word 1 is expected"),
    "a number that is none": (block(row("x", "a")), "cannot be read"),
    "a range backwards": (block(row("2-1", "a"), row(1, "a"), row(2, "b")), "cannot be read"),
    "no number": (block(row("_", "a")), "it has no number"),
    "no form": (block(row(1, "")), "it has no form"),
    "no relation": (block(row(1, "a"), row(2, "b", 1, "")), "line 2: its relation"),
    "a relation with spaces": (block(row(1, "a"), row(2, "b", 1, "all relations")), "line 2: its relation"),
    "a relation without end": (block(row(1, "a"), row(2, "b", 1, "x" * 65)), "line 2: its relation"),
    "a range past the end": (block(row("1-3", "ab"), row(1, "a"), row(2, "b")), "line 1: its words"),
    "ranges that overlap": (
        block(row("1-2", "ab"), row("2-3", "bc"), row(1, "a"), row(2, "b"), row(3, "c")), "line 2: its words",
    ),
    "a range after its words": (block(row(1, "a"), row("1-2", "ab"), row(2, "b")), "line 2: its words"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused_with_their_line(name):
    text, reason = BROKEN[name]
    with pytest.raises(HeadscopeError, match=reason) as raised:
        parse_conllu(text, name="file.conllu")
    assert "“file.conllu”" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_the_line_is_counted_in_the_file():
    with pytest.raises(HeadscopeError, match="line 9: "):
        parse_conllu(DOGS + "# text = b\n" + row(2, "b"))


@pytest.mark.parametrize("text", ["", "\n\n", "# text = alone\n\n"])
def test_a_file_without_sentences(text):
    with pytest.raises(HeadscopeError, match="no sentence"):
        parse_conllu(text)


def test_files_that_are_none(tmp_path):
    (tmp_path / "picture").write_bytes(b"\x89PNG\r\n\x00\xff")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(DOGS.encode() * 50)[:60])
    for name in ("missing", "picture", "cut.gz"):
        with pytest.raises(HeadscopeError, match=name):
            read_conllu(tmp_path / name)


def test_a_whole_corpus():
    path = DATA / "ud-ewt" / "en_ewt-ud-dev.conllu.gz"
    if not path.is_file():
        pytest.skip("the UD EWT corpus is not beside this checkout")
    sentences = read_conllu(path)
    assert len(sentences) == 2001
    assert sum(len(sentence.words) for sentence in sentences) == 25147
    with gzip.open(path, "rt", encoding="utf-8") as file:
        texts = [line.removeprefix("# text = ").strip() for line in file if line.startswith("# text = ")]
    assert [sentence.text for sentence in sentences] == texts
    assert all(sentence.text[slice(*word.span)] == word.form for sentence in sentences for word in sentence.words)
    assert all(sum(word.relation == "root" for word in sentence.words) == 1 for sentence in sentences)
