"""Two heads and their difference as a figure: which cell stands where, in which colour, and what is written."""

import re

import numpy as np
import pytest

from app.components.comparison_messages import comparison_message
from app.components.packing import palettes
from app.figures.head_comparison import difference_limit, difference_title, grey_name, head_comparison, weight_top
from app.figures.theme import hexadecimal, theme
from model.analysis.comparison import compare_views
from tests.app_session import unpack
from tests.hand_views import CLEANED, HOSTILE, SVG, hand_view, pixels, random_view, read_svg, tags, texts

CELL = 34
FIRST = hand_view([[0.75, 0.25], [0, 1]], tokens=("the", "nurse"))
SECOND = hand_view([[0.25, 0.75], [1, 0]], tokens=("the", "nurse"), mask=[[True, True], [True, False]])
PAIR = compare_views(FIRST, SECOND)


def drawn(pair=PAIR, appearance="light", scale="linear", common=True, titles=("L0 H1", "L2 H3")):
    svg = head_comparison(
        pair, theme=theme(appearance), title="T", titles=titles, scale=scale, common=common, provenance={"model": "m"}
    )
    return read_svg(svg)


def cells(group) -> dict[tuple[int, int], str]:
    return {
        (round(float(y) / CELL), round(float(x) / CELL)): path.get("fill")
        for path in group.iter(f"{SVG}path")
        for x, y in re.findall(r"M([\d.]+) ([\d.]+)h", path.get("d"))
    }


@pytest.mark.parametrize("appearance", ["light", "dark"])
def test_both_maps_and_their_difference_stand_beside_each_other(appearance):
    chosen = theme(appearance)
    groups = list(drawn(appearance=appearance).iter(f"{SVG}g"))
    assert len(groups) == 3
    places = [tuple(map(float, re.findall(r"[\d.]+", group.get("transform")))) for group in groups]
    assert len({y for _, y in places}) == 1
    assert places[1][0] - places[0][0] == pytest.approx(places[2][0] - places[1][0])
    first, second, difference = map(cells, groups)
    weights = [chosen.sequential[round(255 * weight)] for weight in (0.75, 0.25, 0, 1)]
    assert [first[place] for place in ((0, 0), (0, 1), (1, 0), (1, 1))] == list(map(hexadecimal, weights))
    assert second[1, 1] == chosen.masked
    # Masked in one alone: the weight that it does not get counts as 0. m = 1: -1/2 at level 64, +1/2 at 191.
    levels = {(0, 0): 64, (0, 1): 191, (1, 0): 255, (1, 1): 0}
    assert difference == {place: hexadecimal(chosen.diverging[level]) for place, level in levels.items()}


def test_tokens_captions_and_legends():
    found = texts(drawn())
    assert found.count("the") == found.count("nurse") == 4  # once beside the rows, three times over columns
    assert {"T", "L0 H1", "L2 H3", "L2 H3 − L0 H1", "weight, linear scale", "difference", "masked"} <= set(found)
    assert found.count("0") == 2
    assert {"1", "−1.000", "+1.000"} <= set(found)


def test_the_difference_is_named_after_both_or_says_which_is_which():
    assert difference_title(("L0 H1", "L2 H3")) == "L2 H3 − L0 H1"
    assert difference_title(("before", "after heads 1 to 12 of layer 3 were off")) == "second − first"


def test_the_scales():
    assert weight_top(PAIR, common=True) == 1
    small = compare_views(hand_view([[0.5, 0.25]]), hand_view([[0.5, 0.125]]))
    assert weight_top(small, common=False) == 0.5
    assert difference_limit(small) == 0.125
    # What is next to nothing is not blown up.
    assert difference_limit(compare_views(FIRST, FIRST)) == 0.01
    assert grey_name(small) == ""
    other = hand_view([[0.5, 0.5], [0.5, 0.5]], tokens=("the", "cook"))
    assert grey_name(compare_views(FIRST, other)) == "no such token"
    assert grey_name(compare_views(SECOND, other)) == "masked, no such token"


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (40, 3), (3, 150), (129, 129)])
def test_every_shape_stays_inside(shape):
    view = hand_view(np.full(shape, 1 / shape[1]))
    root = drawn(compare_views(view, view), titles=("a" * 60, "b" * 60))
    width, height = float(root.get("width")), float(root.get("height"))
    for text in root.iter(f"{SVG}text"):
        size, x = float(text.get("font-size")), float(text.get("x"))
        assert 0 < x < width
        assert 0 < float(text.get("y")) < height
        if text.get("text-anchor") is None and text.get("transform") is None:
            assert x + len(text.text) * 0.5 * size < width
    if shape == (129, 129):
        images = [pixels(image) for image in root.iter(f"{SVG}image")]
        assert [image.shape[:2] for image in images] == [(129, 129)] * 3
        assert (images[2] == theme("light").diverging[128]).all()


def test_tokens_of_one_alone_are_quiet_where_they_are_missing():
    pair = compare_views(hand_view([[1.0, 0], [0, 1]], tokens=("the", "nurse")), hand_view([[1.0]], tokens=("the",)))
    fills = [text.get("fill") for text in drawn(pair).iter(f"{SVG}text") if text.text == "nurse"]
    light = theme("light")
    # Beside the rows and over the first map it is there; over the second and the difference it is not.
    assert fills == [light.text, light.text, light.special, light.special]


def test_hostile_tokens_are_text():
    view = hand_view(np.full((8, 8), 1 / 8), tokens=HOSTILE)
    root = drawn(compare_views(view, view), titles=(HOSTILE[0], HOSTILE[1]))
    assert tags(root) <= {"svg", "title", "desc", "metadata", "rect", "text", "g", "path"}
    assert any(text == CLEANED[1] for text in texts(root))


def message(pair=PAIR, **options) -> dict:
    settings = {"selected": "q1", "scale": "log", "common": True, **options}
    return unpack(comparison_message(pair, titles=("A", "B"), description="D", **settings))


def test_the_component_is_sent_exact_numbers():
    found = message()
    for name, expected in (("first", PAIR.first), ("second", PAIR.second), ("difference", PAIR.difference)):
        assert found[name].dtype == np.float32
        assert np.array_equal(found[name], expected, equal_nan=True)
    assert np.isnan(found["second"][1, 1])
    assert found["total_variation"].tolist() == [0.5, 1.0]
    told = {name: found[name] for name in ("titles", "selected", "scale", "maximum", "limit", "masked")}
    assert told == {
        "titles": ["A", "B", "B − A"], "selected": "q1", "scale": "log", "maximum": 1.0, "limit": 1.0, "masked": "masked",
    }  # fmt: skip
    assert found["palettes"] == palettes()


def test_the_component_knows_which_token_is_in_which():
    first = hand_view([[1.0, 0], [0, 1]], tokens=("[CLS]", "nurse"), special={0})
    found = message(compare_views(first, hand_view([[1.0, 0], [0, 1]], tokens=("<s>", "cook"), special={0})))
    assert found["key_tokens"] == ["[CLS] | <s>", "nurse", "cook"]
    assert found["key_present"] == [[True, True, False], [True, False, True]]
    assert found["key_quiet"] == [[True, False, True], [True, True, False], [True, True, True]]
    assert np.isnan(found["total_variation"]).tolist() == [False, True, True]


def test_the_pair_is_left_as_it_was():
    pair = compare_views(random_view(5, 5), random_view(5, 5, causal=True))
    arrays = [array.copy() for array in (pair.first, pair.second, pair.difference)]
    for array in (pair.first, pair.second, pair.difference):
        array.flags.writeable = False
    drawn(pair)
    message(pair)
    for array, before in zip((pair.first, pair.second, pair.difference), arrays, strict=True):
        assert np.array_equal(array, before, equal_nan=True)
