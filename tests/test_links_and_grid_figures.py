"""The figures of token links and of all heads: every line and every tile stands where it should."""

import re

import numpy as np
import pytest

from app.figures.head_grid import GAP, LEFT, SIDE, TOP, head_grid
from app.figures.theme import hexadecimal, theme
from app.figures.token_links import token_links
from tests.hand_views import SVG, hand_thumbnails, hand_view, pixels, random_view, read_svg, texts

LIGHT, DARK = theme("light"), theme("dark")
STEP = 26


def linked(view, threshold=0.1, selected="", appearance=LIGHT):
    svg = token_links(view, theme=appearance, title="T", threshold=threshold, selected=selected, provenance={})
    return read_svg(svg)


def lines(root) -> dict[tuple[int, int], dict[str, str]]:
    """Return the attributes of each line by (query, key), read from where it starts on the left and ends on the right."""
    found = {}
    for path in root.iter(f"{SVG}path"):
        values = [float(value) for value in re.findall(r"-?[\d.]+", path.get("d"))]
        assert values[0] < values[-2]
        found[tuple(round((y - 66) / STEP - 0.5) for y in (values[1], values[-1]))] = path.attrib
    return found


def gridded(thumbnails, selected=(0, 0), common=True, appearance=LIGHT, scale="linear"):
    svg = head_grid(
        thumbnails, theme=appearance, title="T", selected=selected, scale=scale, common=common, provenance={}
    )
    return read_svg(svg)


def tiles(root) -> dict[tuple[int, int], np.ndarray]:
    """Return the pixels of each tile by (row, head), read from where it stands."""
    found = {}
    for image in root.iter(f"{SVG}image"):
        place = ((float(image.get("y")) - TOP) / (SIDE + GAP), (float(image.get("x")) - LEFT) / (SIDE + GAP))
        found[place] = pixels(image)
    return found


def test_lines_run_from_the_query_on_the_left_to_the_key_on_the_right():
    view = hand_view([[0, 0, 0.5], [0.1, 0, 0.05]])
    found = lines(linked(view))
    assert set(found) == {(0, 2), (1, 0)}
    assert float(found[0, 2]["stroke-width"]) == pytest.approx(0.6 + 7 * 0.5)
    assert float(found[0, 2]["stroke-opacity"]) == pytest.approx(0.2 + 0.8 * 0.5)
    assert float(found[1, 0]["stroke-width"]) == pytest.approx(0.6 + 7 * 0.1)
    assert set(lines(linked(view, threshold=0.05))) == {(0, 2), (1, 0), (1, 2)}
    # Nothing is linked by a weight of zero, whatever the threshold.
    assert set(lines(linked(view, threshold=0.0))) == {(0, 2), (1, 0), (1, 2)}
    assert set(lines(linked(view, threshold=0.6))) == set()


def test_what_is_masked_or_no_number_has_no_line():
    view = hand_view([[0.5, 0.5], [np.nan, 0.5]], mask=[[True, False], [True, True]])
    assert set(lines(linked(view, threshold=0.0))) == {(0, 0), (1, 1)}


@pytest.mark.parametrize(
    ("selected", "strong", "side"), [("q1", {(1, 0), (1, 1)}, "end"), ("k0", {(0, 0), (1, 0)}, "start")]
)
def test_the_selected_token_and_its_lines_are_marked(selected, strong, side):
    view = hand_view([[0.5, 0.5], [0.4, 0.6]], tokens=("same", "same"))
    root = linked(view, selected=selected)
    found = lines(root)
    assert {place for place, line in found.items() if line["stroke"] == LIGHT.accent} == strong
    for place, line in found.items():
        assert (float(line["stroke-opacity"]) > 0.3) == (place in strong)
    marked = [text for text in root.iter(f"{SVG}text") if text.get("fill") == LIGHT.accent]
    assert [(text.text, text.get("text-anchor"), text.get("font-weight")) for text in marked] == [("same", side, "700")]
    assert float(marked[0].get("y")) == 66 + (int(selected[1]) + 0.5) * STEP
    # The marked lines lie over the others.
    drawn = list(found)
    assert set(drawn[-len(strong) :]) == strong
    assert all(line["stroke"] != LIGHT.accent for line in lines(linked(view)).values())


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (5, 2), (41, 3)])
def test_every_token_of_both_sides_is_written(shape):
    root = linked(random_view(*shape))
    written = texts(root)
    assert [text for text in written if re.fullmatch(r"q\d+", text)] == [f"q{row}" for row in range(shape[0])]
    assert [text for text in written if re.fullmatch(r"k\d+", text)] == [f"k{key}" for key in range(shape[1])]
    assert max(float(text.get("y")) for text in root.iter(f"{SVG}text")) < float(root.get("height"))


def grid_of(view, layers=(0, 2), heads=3):
    weights = np.zeros((len(layers), heads, *view.weights.shape), dtype=np.float32)
    weights[1, 2, 0, 2] = 1.0
    weights[0, 1, 1, 0] = 0.25
    return hand_thumbnails(view, weights, layers)


@pytest.mark.parametrize("appearance", [LIGHT, DARK])
def test_layers_are_rows_heads_are_columns_and_queries_are_rows_of_a_tile(appearance):
    view = hand_view(np.zeros((3, 3)), mask=[[True, True, True], [True, True, True], [True, True, False]])
    root = gridded(grid_of(view), appearance=appearance)
    found = tiles(root)
    assert set(found) == {(row, head) for row in range(2) for head in range(3)}
    side = found[1, 2].shape[0] // 3
    small = {place: tile[side // 2 :: side, side // 2 :: side] for place, tile in found.items()}
    top, zero = appearance.sequential[255], appearance.sequential[0]
    assert np.argwhere((small[1, 2] == top).all(axis=2)).tolist() == [[0, 2]]
    # Weight 0.25 is code 127, that is (127 / 254)^2 = 0.25, level 64.
    assert np.argwhere((small[0, 1] == appearance.sequential[64]).all(axis=2)).tolist() == [[1, 0]]
    for tile in small.values():
        assert hexadecimal(tile[2, 2]) == appearance.masked != hexadecimal(zero)
        assert (tile == zero).all(axis=2).sum() >= 7


def test_each_head_its_own_scale():
    view = hand_view(np.zeros((3, 3)))
    found = tiles(gridded(grid_of(view), common=False))
    assert (found[0, 1] == LIGHT.sequential[255]).all(axis=2).any()
    assert (found[0, 0] == LIGHT.sequential[0]).all()
    assert not (tiles(gridded(grid_of(view), common=True))[0, 1] == LIGHT.sequential[255]).all(axis=2).any()


def test_layers_keep_their_own_numbers():
    written = texts(gridded(grid_of(hand_view(np.zeros((3, 3))))))
    assert [text for text in written if re.fullmatch(r"[LH]\d+", text)] == ["H0", "H1", "H2", "L0", "L2"]


def test_the_open_head_is_framed_once():
    thumbnails = grid_of(hand_view(np.zeros((3, 3))))

    def frames(selected):
        found = gridded(thumbnails, selected=selected).iter(f"{SVG}rect")
        return [(float(r.get("x")), float(r.get("y"))) for r in found if r.get("stroke") == LIGHT.accent]

    assert frames((2, 1)) == [(LEFT + SIDE + GAP - 2, TOP + SIDE + GAP - 2)]
    assert frames((0, 0)) == [(LEFT - 2, TOP - 2)]
    assert frames((1, 1)) == []


def test_the_arrays_are_left_as_they_were():
    view = random_view(3, 3, causal=True)
    thumbnails = grid_of(view)
    arrays = [view.weights, view.mask, thumbnails.tiles, thumbnails.maxima, thumbnails.strongest]
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    linked(view, selected="q1")
    gridded(thumbnails, common=False)
    assert all(np.array_equal(array, old) for array, old in zip(arrays, before, strict=True))
