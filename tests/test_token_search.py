"""Where a string stands among tokens, however they cut it: through spans, through display forms, and by a token's own form."""

import pytest

from model import Token
from model.analysis.token_search import find_tokens
from model.tokenization import tokenize, tokens_from_strings, tokens_from_text
from tests.tiny_tokenizers import TRAINERS, trained

TEXT = "The cats sat. The CAT slept: café, İstanbul, cat"


def tokens_of(*pieces, text=TEXT):
    """Return tokens with spans, found one after the other in the text, between two special ones."""
    found, place = [Token("<s>", "<s>", special=True)], 0
    for piece in pieces:
        start = text.index(piece, place)
        place = start + len(piece)
        found.append(Token(piece, piece, span=(start, place)))
    return (*found, Token("</s>", "</s>", special=True))


SPANNED = tokens_of("The", "ca", "ts", "sat", ".", "The", "CAT", "slept", ":", "caf", "é", ",", "İstanbul", ",", "cat")


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ("cat", [(2, 4), (7, 8), (15, 16)]),
        ("CAT", [(7, 8)]),
        ("Cat", []),
        ("the", [(1, 2), (6, 7)]),
        ("  the  ", [(1, 2), (6, 7)]),
        ("s sat. T", [(3, 7)]),
        ("CAFÉ", []),
        ("café", [(10, 12)]),
        ("İstanbul", [(13, 14)]),
        (".*", []),
        ("", []),
        ("   ", []),
        ("<s>", [(0, 1)]),
        ("nowhere", []),
    ],
)
def test_through_spans(wanted, places):
    assert [(found.start, found.stop) for found in find_tokens(SPANNED, TEXT, wanted)] == places


def test_a_token_that_holds_several_occurrences_is_returned_once():
    tokens = tokens_of("banana", "ana", text="banana ana")
    assert find_tokens(tokens, "banana ana", "an") == (range(1, 2), range(2, 3))


def test_pieces_that_share_a_character():
    text = "a👩b"
    spans = [(0, 1), (1, 2), (1, 2), (1, 2), (2, 3)]
    tokens = [Token(str(place), str(place), span=span) for place, span in enumerate(spans)]
    assert find_tokens(tokens, text, "👩") == (range(1, 4),)
    assert find_tokens(tokens, text, "👩b") == (range(1, 5),)


@pytest.mark.parametrize(
    ("pieces", "wanted", "expected"),
    [
        (["[CLS]", "the", "un", "##able", "cat", "[SEP]"], "unable cat", [(2, 5)]),
        (["[CLS]", "the", "un", "##able", "cat", "[SEP]"], "##able", [(3, 4)]),
        (["[CLS]", "the", "un", "##able", "cat", "[SEP]"], "[sep]", [(5, 6)]),
        (["ĠThe", "Ġun", "able", "Ġcat"], "unable CAT", []),
        (["ĠThe", "Ġun", "able", "Ġcat"], "unable cat", [(1, 4)]),
        (["ĠThe", "Ġun", "able", "Ġcat"], "▁cat", [(3, 4)]),
        (["▁a", "b", "▁ab"], "ab", [(0, 2), (2, 3)]),
    ],
)
def test_through_display_forms_where_there_is_no_text(pieces, wanted, expected):
    tokens = tokens_from_strings(pieces)
    for text in (None, "a text that the tokens know nothing of"):
        assert [(found.start, found.stop) for found in find_tokens(tokens, text, wanted)] == expected


@pytest.mark.parametrize("kind", TRAINERS)
def test_every_word_of_a_text_is_found_where_it_stands(kind):
    text = "The animal didn't cross the street, because it was too tired: unstreetable cats."
    tokens = tokens_from_text(trained(kind), text, tokenize(trained(kind), text))
    for word in ("animal", "didn't cross", "unstreetable", "because"):
        (found,) = find_tokens(tokens, text, word)
        start = text.index(word)
        covered = "".join(text[slice(*tokens[place].span)] for place in found)
        assert word.replace(" ", "") in covered.replace(" ", "")
        assert tokens[found[0]].span[0] <= start < tokens[found[0]].span[1]
    assert len(find_tokens(tokens, text, "the")) == 2
    assert find_tokens((), text, "the") == ()


def test_a_long_text_is_searched_in_a_moment():
    text = "a" * 20_000
    tokens = [Token("a", "a", span=(place, place + 1)) for place in range(20_000)]
    assert len(find_tokens(tokens, text, "a" * 50)) == 400
