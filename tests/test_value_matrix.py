"""The matrix of numbers as a message and as a vector figure: exact values, pooled by magnitude, marks, hostile names."""

import json

import numpy as np
import pytest

from app.components.value_messages import value_matrix_message
from app.figures import value_matrix as figures
from app.figures.theme import hexadecimal, theme
from app.figures.value_matrix import beyond_text, pool_strongest, value_levels, value_limit, value_matrix
from model.errors import HeadscopeError
from tests.app_session import unpack
from tests.hand_views import CLEANED, HOSTILE, SVG, pixels, read_svg, texts

LIGHT = theme("light")
HAND = np.array([[0.5, -2.0, 0.1], [0.0, 1.25, np.nan]], dtype=np.float32)
NAMES = {"rows": ("the", "bank"), "columns": ("0", "1", "2")}
TOLD = {"row_title": "token", "column_title": "dimension", "label": "state", "limit": 2.0, "diverging": True}


def figure(values=HAND, look=LIGHT, title="T", **options):
    told = {**NAMES, **TOLD, **options}
    return read_svg(value_matrix(values, theme=look, title=title, provenance={"model": HOSTILE[0]}, **told))


def message(values=HAND, **options) -> dict:
    return unpack(value_matrix_message(values, description="D", **{**NAMES, **TOLD, **options}))


def test_the_message_holds_the_exact_values_and_what_is_marked():
    found = message(marked_columns=np.array([1]), marked_rows=(0,), selected="r1c2")
    assert found["values"].dtype == np.float32
    assert np.array_equal(found["values"], HAND, equal_nan=True)
    assert (found["rows"], found["columns"], found["axes"]) == (
        ["the", "bank"],
        ["0", "1", "2"],
        ["token", "dimension"],
    )
    assert (found["marked_columns"], found["marked_rows"], found["selected"]) == ([1], [0], "r1c2")
    assert (found["missing"], found["beyond"]) == (True, "")
    assert message(np.ones((2, 3)), limit=0.5)["beyond"] == "6 beyond, the farthest 1"
    assert message(np.ones((2, 3)))["missing"] is False


def test_a_message_of_half_precision_values_is_exact():
    half = np.array([[0.1, -65504.0, 6e-5]], dtype=np.float16)
    assert np.array_equal(message(half, rows=("a",))["values"], half.astype(np.float32))


def test_too_many_cells_and_names_that_do_not_fit_are_refused():
    wide = np.zeros((1001, 1000), dtype=np.float32)
    names = {"rows": ["a"] * 1001, "columns": ["b"] * 1000}
    for make in (message, figure):
        with pytest.raises(HeadscopeError, match="1,001 by 1,000 cells, and at most 1,000,000"):
            make(wide, **names)
        with pytest.raises(ValueError, match=r"shape \(2, 3\) have 1 row and 3 column names"):
            make(rows=("a",))
        for limit in (0.0, -1.0, np.inf, np.nan):
            with pytest.raises(ValueError, match="not a positive number"):
                make(limit=limit)


def test_the_limit_is_a_magnitude_that_is_there():
    assert value_limit(HAND) == 2.0
    # The known magnitudes are 0, 0.1, 0.5, 1.25, 2: 0.75 of them do not exceed 1.25.
    assert value_limit(HAND, 0.75) == 1.25
    assert value_limit(np.zeros((2, 2))) == 1.0
    assert value_limit(np.full((2, 2), np.nan)) == 1.0
    assert value_limit(np.array([[1.0, np.inf]])) == 1.0


def test_what_lies_beyond_the_scale_is_counted():
    assert beyond_text(HAND, 1.0, True) == "2 beyond, the farthest −2"
    assert beyond_text(HAND, 2.0, True) == ""
    assert beyond_text(HAND, 2.0, False) == "1 beyond, the farthest −2"
    # The end of the scale as float64 may lie a rounding below the float32 that it comes from.
    assert beyond_text(np.array([[0.1]], dtype=np.float32), 0.1, True) == ""


def test_levels_by_hand():
    # round(255 * (0.5 + v / 4)): 159.375, 0, 133.875; 127.5 to even, 207.19.
    assert value_levels(HAND, 2.0, True).tolist() == [[159, 0, 134], [128, 207, -1]]
    assert value_levels(np.abs(HAND), 2.0, False).tolist() == [[64, 255, 13], [0, 159, -1]]


def test_pooling_keeps_the_largest_magnitude_with_its_sign():
    values = np.array([[1.0, -3.0, 2.0, np.nan], [0.5, 2.9, np.nan, np.nan]])
    assert np.array_equal(pool_strongest(values, 2, 2), [[-3, 2], [2.9, np.nan]], equal_nan=True)
    assert np.array_equal(pool_strongest(values, 1, 1), [[-3]])
    assert pool_strongest(values, 2, 4) is values
    rng = np.random.default_rng(0).normal(size=(37, 53))
    pooled = pool_strongest(rng, 10, 7)
    assert pooled.shape == (10, 7)
    assert np.isin(pooled, rng).all()
    assert np.abs(pooled).max() == np.abs(rng).max()


@pytest.mark.parametrize("look", [LIGHT, theme("dark")])
def test_cells_are_vectors_of_the_scale(look):
    root = figure(look=look)
    found = {path.get("fill"): path.get("d") for path in root.iter(f"{SVG}path")}
    expected = {hexadecimal(look.diverging[level]) for level in (159, 0, 134, 128, 207)} | {look.masked}
    assert set(found) == expected
    # Row 0, column 1: 40 wide and 26 high, less the gap.
    assert found[hexadecimal(look.diverging[0])] == "M40 0h39v25h-39z"
    assert "−2" in texts(root)
    assert "+2" in texts(root)
    assert "state" in texts(root)


def test_many_cells_are_pixels_of_the_strongest_values():
    values = np.zeros((200, 4000), dtype=np.float32)
    values[100, 2001] = -5.0
    names = {"rows": ["a"] * 200, "columns": [str(place) for place in range(4000)]}
    (image,) = figure(values, **names, limit=5.0).iter(f"{SVG}image")
    drawn = pixels(image)
    assert drawn.shape == (200, 1800, 3)
    dark = np.argwhere((drawn == LIGHT.diverging[0]).all(axis=2))
    assert dark.tolist() == [[100, 2001 * 1800 // 4000]]


def test_marked_columns_are_named_and_ticked_and_others_keep_clear():
    columns = [str(place) for place in range(384)]
    root = figure(np.zeros((2, 384)), columns=columns, marked_columns=(100, 308), marked_rows=(1,))
    accent = [element for element in root.iter(f"{SVG}rect") if element.get("fill") == LIGHT.accent]
    assert len(accent) == 3
    marked = [text.text for text in root.iter(f"{SVG}text") if text.get("fill") == LIGHT.accent]
    assert marked == ["100", "308"]
    plain = [text.text for text in root.iter(f"{SVG}text") if text.get("fill") == LIGHT.quiet and text.text.isdigit()]
    # Every 50th, but not 100; 300 is 18.75 units from 308, nearer than half a name and its room: 0.5 (3 * 13 * 0.61 + 8).
    assert plain[:2] == ["0", "50"]
    assert "100" not in plain
    assert ("300" in plain) == (8 * 900 / 384 >= (3 * 13 * 0.61 + 8) / 2)


def test_square_cells_for_things_with_themselves():
    names = [f"token{place}" for place in range(30)]
    root = figure(np.eye(30), rows=names, columns=names, square=True)
    shapes = {path.get("d").split("z")[0].split("h", 1)[1] for path in root.iter(f"{SVG}path")}
    # 560 / 30 less the gap of one.
    assert shapes == {"17.67v17.67h-17.67"}


def test_hostile_names_stay_text():
    values = np.eye(len(HOSTILE))
    root = figure(values, rows=HOSTILE, columns=HOSTILE, title="".join(HOSTILE), marked_columns=(0,), marked_rows=(1,))
    assert {element.tag for element in root.iter()} == {
        f"{SVG}{tag}" for tag in ("svg", "title", "desc", "metadata", "rect", "text", "g", "path")
    }
    assert json.loads(root.find(f"{SVG}metadata").text) == {"model": HOSTILE[0]}
    wholes = [title.text for text in root.iter(f"{SVG}text") for title in text.iter(f"{SVG}title")]
    assert wholes.count(CLEANED[0]) == 2


def test_the_figure_says_in_words_what_it_shows_and_fits():
    root = figure()
    assert root.find(f"{SVG}desc").text == "Matrix of state: 2 rows (token) by 3 columns (dimension). T"
    wide = figure(np.zeros((2, 384)), columns=[str(place) for place in range(384)])
    assert 940 < float(wide.get("width")) < 1100
    assert figures.MOST_CELLS >= 500 * 1024
