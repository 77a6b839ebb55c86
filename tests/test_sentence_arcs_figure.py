"""Arcs over a sentence: from the right word to the right word, as thick as their weight, with numbers that never collide."""

import json
import re
from itertools import pairwise

import pytest

from app.figures.sentence_arcs import Arc, sentence_arcs
from app.figures.sentence_lines import LONGEST_WORD, place_words
from app.figures.theme import theme
from model.errors import HeadscopeError
from tests.hand_views import CLEANED, HOSTILE, SVG, read_svg, tags, texts

LIGHT, DARK = theme("light"), theme("dark")
ANIMAL = ["The", "animal", "didn't", "cross", "the", "street", "because", "it", "was", "too", "tired", "."]
ROLES = {7: "mention", 0: "candidate", 1: "candidate", 4: "candidate", 5: "candidate"}
ARCS = [Arc(7, 1, 0.677, answer=True), Arc(7, 5, 0.052)]
LONG = [f"{'word' * (1 + index % 3)}{index}" for index in range(64)]


def drawn(words=ANIMAL, arcs=ARCS, roles=ROLES, appearance=LIGHT, **told):
    told = {"title": "T", "provenance": {}, **told}
    return read_svg(sentence_arcs(words, arcs, roles=roles, theme=appearance, **told))


def lines(root) -> list:
    """Return the paths of the arcs, the thinnest first."""
    group = root.find(f"{SVG}g")
    return [path for path in group.findall(f"{SVG}path") if path.find(f"{SVG}title") is None]


def words_of(root) -> dict[str, object]:
    return {text.text: text for text in root.findall(f"{SVG}text")}


def numbers_of(root) -> list[tuple[float, float, float, float]]:
    """Return left, top, right and bottom of the ground of every number."""
    boxes = [
        [float(box.get(side)) for side in ("x", "y", "width", "height")]
        for box in root.find(f"{SVG}g").iter(f"{SVG}rect")
    ]
    return [(x, y, x + width, y + height) for x, y, width, height in boxes]


def ends(path) -> tuple[tuple[float, float], tuple[float, float]]:
    values = [float(value) for value in re.findall(r"-?\d+(?:\.\d+)?", path.get("d"))]
    return (values[0], values[1]), (values[-2], values[-1])


def test_every_arc_runs_from_the_mention_to_its_candidate():
    root = drawn()
    places = place_words(ANIMAL)
    mention = places[7]
    # "The animal" and "the street" belong together: the arc ends over the middle of both words.
    for path, (first, last) in zip(lines(root), [(4, 5), (0, 1)], strict=True):
        (start, top), (stop, end) = ends(path)
        assert mention.left <= start <= mention.right
        assert stop == pytest.approx((places[first].left + places[last].right) / 2)
        assert top == end < float(words_of(root)["it"].get("y"))


def test_width_and_strength_grow_with_the_weight_and_are_pinned():
    weights = [-0.5, 0.0, 0.25, 0.5, 1.0, 3.0]
    root = drawn(
        arcs=[Arc(7, target, weight) for target, weight in zip(range(6), weights, strict=True)], roles={7: "mention"}
    )
    widths = [float(path.get("stroke-width")) for path in lines(root)]
    strengths = [float(path.get("stroke-opacity")) for path in lines(root)]
    assert widths[0] == widths[1] == 1.5
    assert widths[4] == widths[5] == 21.5
    assert widths[2] == pytest.approx(6.5)
    assert strengths == sorted(strengths)
    assert strengths[1] < strengths[2] < strengths[3] < strengths[4] == strengths[5] == 1


def test_numbers_have_three_decimals_and_the_answer_is_checked():
    root = drawn()
    assert [text.text for text in root.find(f"{SVG}g").iter(f"{SVG}text")] == ["0.677", "0.052"]
    marks = [path for path in root.iter(f"{SVG}path") if path.find(f"{SVG}title") is not None]
    assert [mark.find(f"{SVG}title").text for mark in marks] == ["the right answer"]
    wrong = drawn(arcs=[Arc(7, 1, 0.677), Arc(7, 5, 0.052)])
    assert not [path for path in wrong.iter(f"{SVG}path") if path.find(f"{SVG}title") is not None]


def test_the_answer_is_marked_by_more_than_colour():
    under = drawn().findall(f"{SVG}rect")[1:]
    assert sorted(float(rect.get("height")) for rect in under) == [2.5, 6]
    places = place_words(ANIMAL)
    thick = max(under, key=lambda rect: float(rect.get("height")))
    assert float(thick.get("x")) == pytest.approx(places[0].left)
    assert float(thick.get("x")) + float(thick.get("width")) == pytest.approx(places[1].right, abs=0.02)


@pytest.mark.parametrize("appearance", [LIGHT, DARK])
def test_only_the_mention_takes_the_accent(appearance):
    root = drawn(appearance=appearance)
    strong = [text.text for text in root.iter(f"{SVG}text") if text.get("fill") == appearance.accent]
    assert strong == ["it"]
    bold = [text.text for text in root.findall(f"{SVG}text")[1:] if text.get("font-weight") == "700"]
    assert bold == ["The", "animal", "the", "street", "it"]


def test_adjacent_candidates_of_two_arcs_stay_apart():
    root = drawn(
        ["doctor", "nurse", "she"], [Arc(2, 0, 0.5), Arc(2, 1, 0.25)], {0: "candidate", 1: "candidate", 2: "mention"}
    )
    places = place_words(["doctor", "nurse", "she"])
    assert [ends(path)[1][0] for path in lines(root)] == [
        pytest.approx(places[1].middle),
        pytest.approx(places[0].middle),
    ]
    assert len(root.findall(f"{SVG}rect")) == 3


def meet(first, second) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


@pytest.mark.parametrize("mention", [0, 5, 20, 33, 50, 63])
def test_in_long_sentences_numbers_never_collide_nor_cover_words(mention):
    targets = [target for target in (1, 4, 11, 12, 19, 30, 41, 62) if target != mention]
    root = drawn(
        LONG, [Arc(mention, target, 0.1 * index) for index, target in enumerate(targets)], {mention: "mention"}
    )
    width, height = float(root.get("width")), float(root.get("height"))
    found = numbers_of(root)
    assert len(found) == len(targets)
    labels = [text for text in root.findall(f"{SVG}text") if text.text in set(LONG)]
    assert len(labels) == 64
    for index, box in enumerate(found):
        assert 0 <= box[0] < box[2] <= width
        assert 0 <= box[1] < box[3] <= height
        assert not any(meet(box, other) for other in found[:index])
        for label in labels:
            x, y = float(label.get("x")), float(label.get("y"))
            assert not meet(box, (x, y - 14, x + 24.4 * len(label.text), y + 14))


@pytest.mark.parametrize("mention", [0, 20, 63])
def test_arcs_between_lines_pass_no_word(mention):
    """Arcs that change lines are made of upright and level pieces; none of them crosses a word."""
    targets = [target for target in (2, 9, 26, 38, 47, 60) if target != mention]
    root = drawn(LONG, [Arc(mention, target, 0.5) for target in targets], {mention: "mention"})
    words = [text for text in root.findall(f"{SVG}text") if text.text in set(LONG)]
    boxes = [
        (float(w.get("x")), float(w.get("y")) - 18, float(w.get("x")) + 24.4 * len(w.text), float(w.get("y")) + 18)
        for w in words
    ]
    crossing = [path.get("d") for path in lines(root) if "Q" in path.get("d")]
    assert len(crossing) >= 3
    for shape in crossing:
        values = [float(value) for value in re.findall(r"-?\d+(?:\.\d+)?", shape)]
        points = list(zip(values[::2], values[1::2], strict=True))
        for (x, y), (right, below) in pairwise(points):
            piece = (min(x, right) - 1, min(y, below), max(x, right) + 1, max(y, below) + 0.1)
            assert not any(meet(piece, box) for box in boxes)


def test_lines_stay_on_the_page_and_words_keep_their_order():
    root = drawn(LONG, [Arc(60, 1, 0.5), Arc(60, 30, 0.5)], {60: "mention"})
    words = [text for text in root.findall(f"{SVG}text") if text.text in set(LONG)]
    assert [text.text for text in words] == LONG
    places = [(float(text.get("y")), float(text.get("x"))) for text in words]
    assert places == sorted(places)
    assert len({y for y, _ in places}) > 3
    assert all(x + 24.4 * len(text.text) < float(root.get("width")) for (_, x), text in zip(places, words, strict=True))


def test_the_sentence_stands_still_while_its_arcs_are_revealed():
    root = drawn()
    group = root.find(f"{SVG}g")
    assert group.get("class") == "arcs"
    assert len(list(root.iter(f"{SVG}path"))) == len(list(group.iter(f"{SVG}path"))) == 3


def test_a_full_stop_stands_at_its_word():
    places = place_words(["(", "tired", ")", "."])
    assert places[0].right == places[1].left
    assert places[1].right == places[2].left
    assert places[2].right == places[3].left


def test_hostile_words_stay_text_and_turn_nothing_around():
    words = [*HOSTILE, "w" * 90]
    root = drawn(words, [Arc(0, 2, 0.5, True)], {0: "mention", 2: "candidate"}, title=HOSTILE[0], subtitle=HOSTILE[6],
                 provenance={"text": HOSTILE[0]})  # fmt: skip
    assert tags(root) == {"svg", "title", "desc", "metadata", "rect", "text", "g", "path"}
    assert json.loads(root.find(f"{SVG}metadata").text) == {"text": HOSTILE[0]}
    titles = [title.text for text in root.iter(f"{SVG}text") for title in text.iter(f"{SVG}title")]
    assert "w" * 90 in titles
    assert CLEANED[0] in titles
    assert all("\u202e" not in text for text in texts(root))
    assert max(len(text) for text in texts(root)[2:]) <= LONGEST_WORD


def test_the_picture_is_told_in_words():
    told = drawn().find(f"{SVG}desc").text
    assert "it to The animal 0.677 (the right answer); it to the street 0.052" in told


def test_a_long_subtitle_fits():
    root = drawn(["it"], [], {}, subtitle="m" * 80)
    # DejaVu Sans is at most 0.62 font sizes wide on average in prose.
    assert float(root.get("width")) > 14 + 80 * 18 * 0.6


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(HeadscopeError, match="at most 64 words, and this text has 65"):
        drawn([*LONG, "more"], [], {})
    with pytest.raises(HeadscopeError, match="outside of the sentence"):
        drawn(arcs=[Arc(7, 12, 0.5)])
    with pytest.raises(HeadscopeError, match="mention, candidate"):
        drawn(roles={1: "subject"})
    assert texts(drawn([], [], {})) == ["T"]
