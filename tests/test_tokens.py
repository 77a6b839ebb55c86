"""Tokens as people read them: nothing hidden, nothing reordered, words found in every script."""

import pytest

from model.tokens import (
    Token,
    display_text,
    position_tokens,
    visible,
    word_groups,
    word_spans,
    word_text,
    words_from_pieces,
    words_from_spans,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "∅"),
        ("cat", "cat"),
        (" cat", "▁cat"),
        ("\n\t\r", "⏎⇥␍"),
        ("\x00\x1b\x7f", "␀␛␡"),
        ("\x85", "\\u0085"),
        ("a\u202eb", "a\\u202eb"),
        ("\u2066a\u2069", "\\u2066a\\u2069"),
        ("\u200b", "\\u200b"),
        ("\ufeff", "\\ufeff"),
        ("\u00a0", "\\u00a0"),
        ("\u00ad", "\\u00ad"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
        ("\ue000", "\\ue000"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("❤\ufe0f", "❤\ufe0f"),
        ("\u200d", "\\u200d"),
        ("\ufe0f", "\\ufe0f"),
        ("\u3164", "\\u3164"),
        ("\u034f", "\\u034f"),
        ("e\u0301", "e\u0301"),
        ("<b>&amp;", "<b>&amp;"),
    ],
)
def test_visible(text, shown):
    assert visible(text) == shown


def byte_level(text: str) -> str:
    """Return the characters that byte-level BPE writes for a text, from GPT-2's rule: unprintable bytes from U+0100 on."""
    kept = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    moved = [byte for byte in range(256) if byte not in kept]
    return "".join(chr(byte) if byte in kept else chr(256 + moved.index(byte)) for byte in text.encode())


@pytest.mark.parametrize(
    ("piece", "shown"),
    [
        ("Ġcat", "▁cat"),
        ("Ċ", "⏎"),
        ("cat", "cat"),
        ("Ã©", "é"),
        ("ðŁ", "<0xF0><0x9F>"),
        ("aðŁ", "a<0xF0><0x9F>"),
        ("Ġð", "▁<0xF0>"),
        (byte_level("日本"), "日本"),
        (byte_level("👩\u200d🚀"), "👩\u200d🚀"),
        (byte_level("\u202e"), "\\u202e"),
        (byte_level("\x00"), "␀"),
        ("日本", "日本"),
        ("", "∅"),
    ],
)
def test_byte_level_pieces_are_decoded(piece, shown):
    assert display_text(piece, byte_level=True) == shown


def test_every_byte_is_shown_as_itself():
    shown = [display_text(piece, byte_level=True) for piece in byte_level("".join(map(chr, range(128))))]
    assert len(set(shown)) == 128
    assert shown[ord("A")] == "A"
    high = {display_text(byte_level("ÿ")[0], byte_level=True), display_text(byte_level("ÿ")[1], byte_level=True)}
    assert high == {"<0xC3>", "<0xBF>"}


@pytest.mark.parametrize("piece", ["Ġcat", "ðŁ", "##ing", "▁cat", "<0xF0>", "</s>"])
def test_other_pieces_stay_as_they_are(piece):
    assert display_text(piece) == piece


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The animal didn't cross.", ["The", "animal", "didn't", "cross", "."]),
        ("l’homme d'hier", ["l’homme", "d'hier"]),
        ("rock'n'roll", ["rock'n'roll"]),
        ("'quoted'", ["'", "quoted", "'"]),
        ("well-known...", ["well", "-", "known", ".", ".", "."]),
        ("我喜欢 GPT2", ["我", "喜", "欢", "GPT2"]),
        ("がある", ["が", "あ", "る"]),
        ("か\u3099ある", ["か\u3099", "あ", "る"]),
        ("cafe\u0301 noir", ["cafe\u0301", "noir"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("👩\u200d👩\u200d👧 ❤\ufe0f👍🏽", ["👩\u200d👩\u200d👧", "❤\ufe0f", "👍🏽"]),
        ("🇩🇪🇫🇷", ["🇩🇪", "🇫🇷"]),
        ("  \n\t ", []),
        ("", []),
        ("\u0301", ["\u0301"]),
        ("<b>", ["<", "b", ">"]),
    ],
)
def test_word_spans(text, words):
    assert [text[start:end] for start, end in word_spans(text)] == words


def test_words_from_spans():
    text = "The animal didn't"
    spans = [(0, 0), (0, 3), (3, 10), (10, 14), (14, 17), (3, 4), (0, 0)]
    special = [True, False, False, False, False, False, True]
    # The span of " animal" begins with its space; the space alone belongs to no word.
    assert words_from_spans(text, spans, special) == (None, 0, 1, 2, 2, None, None)
    assert words_from_spans("", [(0, 0)], [False]) == (None,)
    with pytest.raises(ValueError, match="shorter"):
        words_from_spans(text, spans, special[:-1])


def test_words_from_pieces():
    no = [False] * 5
    assert words_from_pieces(["un", "##believ", "##able", "cat", "."], no) == (0, 0, 0, 1, 2)
    assert words_from_pieces(["▁un", "believ", "able", "▁cat", "s"], no) == (0, 0, 0, 1, 1)
    assert words_from_pieces(["un", "believ", "▁cat", "▁", "s"], no) == (0, 0, 1, None, 2)
    assert words_from_pieces(["a", "b"], no[:2]) == (0, 1)
    # Where no space is marked every piece is a word, but the bytes of a character belong together.
    assert words_from_pieces(["我", "<0xE5>", "<0x96>", "<0x9C>", "。"], no) == (0, 1, 1, 1, 2)
    assert words_from_pieces(["▁我", "喜", "<0xE6><0xAC>", "<0xA2>", "."], no) == (0, 1, 2, 2, 3)
    assert words_from_pieces(["▁a", "<0xFF>", "b", "⏎", "c"], no) == (0, 1, 2, None, 3)
    # A special token ends the word before it, even where the next piece would continue it.
    assert words_from_pieces(["[CLS]", "##s", "[SEP]", "##t"], [True, False, True, False]) == (None, 0, None, 1)


def tokens(*pairs):
    return [Token(text, text, word=word) for text, word in pairs]


def test_word_groups():
    sentence = tokens(("[CLS]", None), ("un", 0), ("##able", 0), ("cat", 1), ("▁", None), ("▁", None), ("s", 1))
    assert word_groups(sentence) == [[0], [1, 2], [3], [4], [5], [6]]
    assert word_groups([]) == []
    assert [position for group in word_groups(sentence) for position in group] == list(range(7))


def test_word_text():
    assert word_text(tokens(("un", 0), ("##believ", 0), ("##able", 0))) == "unbelievable"
    assert word_text(tokens(("▁didn", 0), ("'t", 0))) == "didn't"
    assert word_text(tokens(("▁cat", 0))) == "▁cat"
    assert word_text(tokens(("##", 0))) == "##"
    assert word_text(tokens(("▁", 0), ("▁", 0))) == "▁"
    assert word_text(tokens(("▁<0xE6>", 0), ("<0x88>", 0), ("<0x91>", 0))) == "我"
    assert word_text(tokens(("<0xE6>", 0), ("<0x88>", 0))) == "<0xE6><0x88>"
    assert word_text(tokens(("a", 0), ("<0xE2><0x80>", 0), ("<0xAE>", 0))) == "a\\u202e"


def test_position_tokens():
    assert [token.text for token in position_tokens(3)] == ["0", "1", "2"]
    assert position_tokens(0) == ()
