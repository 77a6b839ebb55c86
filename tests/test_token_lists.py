"""The tokens and the strongest weights as HTML: the right numbers in the right order, and no token becomes markup."""

import html
from html.parser import HTMLParser

import numpy as np
import pytest

from app.figures.token_list import token_list
from app.figures.token_strip import token_strip
from model.tokens import Token
from tests.hand_views import HOSTILE, hand_view

PLAIN = tuple(token for token in HOSTILE if "\x00" not in token)


class Reader(HTMLParser):
    """The tags, attributes and cells of a piece of HTML; text counts for the innermost open tag."""

    def __init__(self, body: str):
        super().__init__()
        self.tags, self.attributes, self.open = set(), [], []
        self.cells: list[tuple[str, str]] = []
        self.feed(body)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, *attribute) for attribute in attrs]
        self.open.append(tag)
        self.cells.append((tag, ""))

    def handle_data(self, data):
        self.cells[-1] = (self.cells[-1][0], self.cells[-1][1] + data)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.cells.append(("", ""))

    def texts(self, tag: str) -> list[str]:
        return [text for name, text in self.cells if name == tag]


WEIGHTS = [[0.1, 0.7, 0.2], [0.0006, 0.0, 0.9996], [1 / 3, 0.25, 0.41666]]
NAMES = ("first", "second", "third")


def rows(body: str) -> list[tuple[str, str]]:
    cells = [text for text in Reader(body).texts("td") if text]
    return list(zip(cells[::2], cells[1::2], strict=True))


def test_a_query_lists_its_keys_and_its_queries_with_three_decimals_the_largest_first():
    body = token_list(hand_view(WEIGHTS, tokens=NAMES), "q1", same_sequence=True)
    looks_at = [("third", "1.000"), ("first", "0.001"), ("second", "0.000")]
    is_looked_at = [("first", "0.700"), ("third", "0.250"), ("second", "0.000")]
    assert rows(body) == looks_at + is_looked_at
    assert Reader(body).texts("b") == ["second", "second"]
    assert body.index("looks at") < body.index("is looked at by")


@pytest.mark.parametrize(("selected", "expected"), [("q2", ["k2", "k0", "k1"]), ("k2", ["q1", "q2", "q0"])])
def test_across_two_sequences_only_the_token_s_own_side_is_listed(selected, expected):
    body = token_list(hand_view(WEIGHTS), selected, same_sequence=False)
    assert [token for token, _ in rows(body)] == expected
    assert Reader(body).texts("b") == [selected]


def test_bars_are_as_long_as_the_weight():
    body = token_list(hand_view([[0.25, 0.75]]), "q0", same_sequence=False)
    assert [value for tag, name, value in Reader(body).attributes if tag == "i"] == ["width:75.0%", "width:25.0%"]


def test_masked_tokens_and_more_than_a_handful_are_not_listed():
    view = hand_view([[0.5, 0.3, 0.2]], mask=[[True, False, True]])
    assert [token for token, _ in rows(token_list(view, "q0", same_sequence=False))] == ["k0", "k2"]
    many = hand_view(np.arange(10)[None] / 45)
    listed = rows(token_list(many, "q0", same_sequence=False))
    assert [token for token, _ in listed] == [f"k{key}" for key in (9, 8, 7, 6, 5, 4)]


def test_equal_tokens_are_listed_each():
    view = hand_view([[0.4, 0.6], [0.5, 0.5]], tokens=("the", "the"))
    assert rows(token_list(view, "q0", same_sequence=False)) == [("the", "0.600"), ("the", "0.400")]


def test_without_a_token_it_says_what_to_do():
    reader = Reader(token_list(hand_view(WEIGHTS), "", same_sequence=True))
    assert reader.tags == {"p"}
    assert "Click a token" in reader.texts("p")[0]


def test_hostile_tokens_stay_text_in_the_list():
    for token in PLAIN:
        body = token_list(hand_view(np.eye(2), tokens=(token, "b")), "q0", same_sequence=True)
        reader = Reader(body)
        assert reader.tags == {"div", "table", "caption", "b", "tr", "td", "i"}
        assert {name for _, name, _ in reader.attributes} == {"class", "style"}
        assert reader.texts("td")[0] == token
        assert reader.texts("b")[0] == token


def token(text: str, word: int | None = None, special: bool = False, number: int = 7) -> Token:
    return Token(text, piece=text, id=number, special=special, word=word)


SENTENCE = (
    token("[CLS]", special=True),
    token("did", 0),
    token("##n't", 0),
    token("go", 1),
    token("[SEP]", special=True),
)


def test_the_strip_marks_special_tokens_and_continued_words():
    reader = Reader(token_strip(SENTENCE, 512))
    classes = [value.split() for _, name, value in reader.attributes if name == "class"][1:-1]
    assert classes == [["token", "special"], ["token"], ["token", "continues"], ["token"], ["token", "special"]]
    assert reader.texts("span") == ["[CLS]", "did", "##n't", "go", "[SEP]", "5 of at most 512 tokens"]


def test_the_strip_says_which_side_it_is_and_counts_without_a_limit():
    reader = Reader(token_strip(SENTENCE[:1], None, side="decoder"))
    assert reader.texts("span") == ["decoder", "[CLS]", "1 token"]


def test_two_tokens_without_a_word_are_not_one_word():
    assert "continues" not in token_strip((token("1"), token("2")), None)


def test_hostile_tokens_stay_text_in_the_strip():
    for text in PLAIN:
        reader = Reader(token_strip((token(text, 0),), 5, side=text))
        assert reader.tags == {"div", "span"}
        assert {name for _, name, _ in reader.attributes} == {"class", "title"}
        assert reader.texts("span")[:2] == [text, text]
        titles = [value for _, name, value in reader.attributes if name == "title"]
        # HTML cannot hold an unpaired surrogate.
        entry = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        assert titles == [f"position 0, id 7, vocabulary entry {entry}"]
        assert html.escape(text) in token_strip((token(text, 0),), 5)
