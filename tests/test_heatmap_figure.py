"""The heatmap figure: which cell stands where and in which colour, as vectors and as pixels."""

import re

import numpy as np
import pytest

from app.figures.head_heatmap import attention_heatmap, cell_levels
from app.figures.svg import clipped, columns
from app.figures.theme import hexadecimal, theme
from tests.hand_views import SVG, hand_view, pixels, random_view, read_svg, tags, texts

CELL = 34
LIGHT = theme("light")


def drawn(view, scale="linear", common=True, appearance=LIGHT, title="T"):
    svg = attention_heatmap(view, theme=appearance, title=title, scale=scale, common=common, provenance={})
    return read_svg(svg)


def cells(root) -> dict[tuple[int, int], str]:
    """Return the colour of each cell (row, column) from the coordinates of the paths."""
    found = {}
    for path in root.iter(f"{SVG}path"):
        for x, y in re.findall(r"M([\d.]+) ([\d.]+)h", path.get("d")):
            place = (round(float(y) / CELL), round(float(x) / CELL))
            assert place not in found
            found[place] = path.get("fill")
    return found


def labels(root) -> tuple[list[tuple[float, str]], list[tuple[float, str]]]:
    """Return (y, token) of the row labels and (x, token) of the turned column labels."""
    rows, turned = [], []
    for text in root.iter(f"{SVG}text"):
        if "rotate" in (text.get("transform") or ""):
            turned.append((float(text.get("x")), text.text))
        elif text.get("text-anchor") == "end":
            rows.append((float(text.get("y")), text.text))
    return rows, turned


@pytest.mark.parametrize("name", ["light", "dark"])
def test_rows_are_queries_and_columns_are_keys_from_the_first_token_on(name):
    chosen = theme(name)
    root = drawn(hand_view([[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]), appearance=chosen)
    found = cells(root)
    assert len(found) == 12
    strong = [place for place, colour in found.items() if colour == hexadecimal(chosen.sequential[255])]
    assert strong == [(0, 2)]
    assert {found[place] for place in found if place != (0, 2)} == {hexadecimal(chosen.sequential[0])}


def test_labels_stand_beside_their_rows_and_over_their_columns():
    root = drawn(hand_view(np.zeros((3, 4))))
    left, top = map(float, re.findall(r"[\d.]+", root.find(f"{SVG}g").get("transform")))
    rows, turned = labels(root)
    assert [token for _, token in rows] == ["q0", "q1", "q2"]
    assert [token for _, token in turned] == ["k0", "k1", "k2", "k3"]
    assert [y for y, _ in rows] == pytest.approx([top + (row + 0.5) * CELL for row in range(3)], abs=0.01)
    assert [x for x, _ in turned] == pytest.approx([left + (key + 0.5) * CELL for key in range(4)], abs=0.01)


def test_equal_tokens_keep_rows_and_columns_of_their_own():
    root = drawn(hand_view(np.eye(3), tokens=("the", "the", "the")))
    assert texts(root).count("the") == 6
    assert len({y for y, _ in labels(root)[0]}) == len({x for x, _ in labels(root)[1]}) == 3
    strong = [place for place, colour in cells(root).items() if colour == hexadecimal(LIGHT.sequential[255])]
    assert strong == [(0, 0), (1, 1), (2, 2)]


def test_special_tokens_are_quiet():
    root = drawn(hand_view(np.eye(2), tokens=("[CLS]", "word"), special={0}))
    fills = [(text.text, text.get("fill")) for text in root.iter(f"{SVG}text")]
    assert fills.count(("[CLS]", LIGHT.special)) == fills.count(("word", LIGHT.text)) == 2


@pytest.mark.parametrize("size", [3, 129])
def test_masked_cells_and_what_is_no_number_have_the_masked_colour(size):
    view = random_view(size, size, causal=True)
    view.weights[size - 1, 0] = np.nan
    levels = cell_levels(view, "linear", 1.0)
    assert (levels[~view.mask] == -1).all()
    assert levels[size - 1, 0] == -1
    assert (levels[view.mask] >= 0).sum() == view.mask.sum() - 1
    root = drawn(view)
    assert "masked" in texts(root)
    assert LIGHT.masked != hexadecimal(LIGHT.sequential[0])
    if size == 3:
        assert {place for place, colour in cells(root).items() if colour == LIGHT.masked} == {
            (0, 1),
            (0, 2),
            (1, 2),
            (2, 0),
        }
    else:
        shown = pixels(root.find(f"{SVG}image"))
        assert (hexadecimal(shown[0, 1]), hexadecimal(shown[128, 0])) == (LIGHT.masked, LIGHT.masked)
        assert hexadecimal(shown[1, 0]) != LIGHT.masked


def test_masked_is_not_in_the_scale_of_a_head_that_masks_nothing():
    assert "masked" not in texts(drawn(random_view(3, 3)))


def test_the_same_colours_as_vectors_and_as_pixels():
    view = hand_view(np.zeros((128, 128)))
    assert "image" not in tags(drawn(view))
    larger = hand_view(np.zeros((129, 200)))
    larger.weights[0, 2] = 1
    larger.weights[128, 199] = 0.5
    root = drawn(larger)
    assert "path" not in tags(root)
    shown = pixels(root.find(f"{SVG}image"))
    assert shown.shape == (129, 200, 3)
    strong = (shown == LIGHT.sequential[255]).all(axis=2)
    assert np.argwhere(strong).tolist() == [[0, 2]]
    assert (shown[128, 199] == LIGHT.sequential[128]).all()
    assert (shown == LIGHT.sequential[0]).all(axis=2).sum() == 129 * 200 - 2


def test_one_scale_for_all_heads_or_each_its_own():
    view = hand_view([[0.5, 0.25], [0.0, 0.1]])
    common, alone = drawn(view, common=True), drawn(view, common=False)
    assert cells(common)[0, 0] == hexadecimal(LIGHT.sequential[128])
    assert cells(alone)[0, 0] == hexadecimal(LIGHT.sequential[255])
    assert cells(alone)[0, 1] == hexadecimal(LIGHT.sequential[128])
    assert "0 to 1, linear scale" in texts(common)
    assert "0 to 0.500, linear scale" in texts(alone)
    # A weight under a mask is not seen, so that it does not set the scale.
    hidden = hand_view([[0.5, 0.25], [0.0, 0.1]], mask=[[False, True], [True, True]])
    assert cells(drawn(hidden, common=False))[0, 1] == hexadecimal(LIGHT.sequential[255])


def test_the_scale_is_applied():
    view = hand_view([[0.04, 0.25]])
    expected = {"linear": (10, 64), "square root": (51, 128), "log": (166, 217)}
    for scale, levels in expected.items():
        found = cells(drawn(view, scale=scale))
        assert [found[0, 0], found[0, 1]] == [hexadecimal(LIGHT.sequential[level]) for level in levels], scale


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 5), (40, 3), (3, 300)])
def test_every_shape_keeps_everything_inside_the_figure(shape):
    root = drawn(
        hand_view(np.full(shape, 0.5), mask=np.arange(shape[0] * shape[1]).reshape(shape) > 0), "square root", False
    )
    width, height = float(root.get("width")), float(root.get("height"))
    for text in root.iter(f"{SVG}text"):
        assert 0 < float(text.get("x")) < width
        assert 0 < float(text.get("y")) < height
        if text.get("text-anchor") != "end" and text.get("transform") is None:
            assert float(text.get("x")) + len(text.text) * 0.5 * float(text.get("font-size")) < width
    assert sum(path.get("d").count("M") for path in root.iter(f"{SVG}path")) == shape[0] * shape[1]


def test_labels_are_cut_by_the_room_they_take():
    assert clipped("abcdef", 6) == "abcdef"
    assert clipped("abcdefg", 6) == "abcde…"
    assert columns("注意a") == 5
    assert clipped("注意力机制", 10) == "注意力机制"
    assert clipped("注意力机制", 9) == "注意力机…"
    assert clipped("a注意力机制", 6) == "a注意…"


def test_the_view_is_left_as_it_was():
    view = random_view(5, 5, causal=True)
    weights, mask = view.weights.copy(), view.mask.copy()
    for array in (view.weights, view.mask):
        array.flags.writeable = False
    drawn(view)
    assert np.array_equal(view.weights, weights)
    assert np.array_equal(view.mask, mask)
