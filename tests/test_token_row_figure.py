"""The row of tokens: each in its box with its position, wrapped within the page, special ones outlined."""

import json

import pytest

from app.figures.theme import theme
from app.figures.token_row import WIDTH, tokens_row
from tests.hand_views import CLEANED, HOSTILE, SVG, read_svg, tags, texts

LIGHT = theme("light")


def drawn(tokens, special=None, appearance=LIGHT, **told):
    told = {"title": "T", "provenance": {}, **told}
    return read_svg(tokens_row(tokens, special or [False] * len(tokens), theme=appearance, **told))


def boxes(root) -> list[tuple[float, float, float, float]]:
    found = list(root.iter(f"{SVG}rect"))[1:]
    return [tuple(float(box.get(side)) for side in ("x", "y", "width", "height")) for box in found]


def test_every_token_stands_in_its_box_over_its_position():
    root = drawn(["[CLS]", "the", "##ing"])
    assert texts(root) == ["T", "[CLS]", "0", "the", "1", "##ing", "2"]
    labels = list(root.iter(f"{SVG}text"))[1:]
    for (x, y, width, height), token, position in zip(boxes(root), labels[::2], labels[1::2], strict=True):
        assert x + width / 2 == pytest.approx(float(token.get("x")), abs=0.02)
        assert y < float(token.get("y")) < y + height < float(position.get("y"))
        # As wide as the token in a font whose characters are 0.6 font sizes wide.
        assert width > 0.6 * float(token.get("font-size")) * len(token.text)


@pytest.mark.parametrize("appearance", [LIGHT, theme("dark")])
def test_special_tokens_are_outlined_and_not_filled(appearance):
    root = drawn(["[CLS]", "a"], [True, False], appearance)
    special, plain = list(root.iter(f"{SVG}rect"))[1:]
    assert (special.get("fill"), special.get("stroke")) == ("none", appearance.special)
    assert (plain.get("fill"), plain.get("stroke")) == (appearance.text, None)


def test_lines_wrap_within_the_page_and_boxes_never_overlap():
    tokens = [("word" * (1 + index % 5))[: 2 + index % 17] for index in range(64)]
    root = drawn(tokens)
    found = boxes(root)
    assert len(found) == 64
    assert len({y for _, y, _, _ in found}) > 3
    for index, (x, y, width, height) in enumerate(found):
        assert 0 < x < x + width < WIDTH
        assert y + height < float(root.get("height"))
        for other, above, across, _ in found[:index]:
            assert above < y or other + across < x


def test_a_very_long_token_is_cut_but_whole_in_its_title():
    root = drawn(["b" * 400, "字" * 30, "\x00" * 40])
    assert all(x + width < WIDTH for x, _, width, _ in boxes(root))
    titles = [title.text for text in root.iter(f"{SVG}text") for title in text.iter(f"{SVG}title")]
    assert titles == ["b" * 400, "字" * 30, "\ufffd" * 40]


def test_hostile_tokens_stay_text():
    root = drawn(list(HOSTILE), title=HOSTILE[0], provenance={"text": HOSTILE[0]})
    assert tags(root) == {"svg", "title", "desc", "metadata", "rect", "text"}
    shown = texts(root)[1::2]
    assert all(text[:3] == cleaned[:3] for text, cleaned in zip(shown, CLEANED, strict=True))
    assert json.loads(root.find(f"{SVG}metadata").text) == {"text": HOSTILE[0]}


def test_no_tokens_is_a_page_that_says_so():
    assert "0 tokens" in drawn([]).find(f"{SVG}desc").text
    assert "1 token with" in drawn(["a"]).find(f"{SVG}desc").text
