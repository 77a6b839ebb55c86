"""The grid of one number per head: every cell has the colour and the number of its value, and a missing head is empty."""

import json
import re
from itertools import pairwise

import numpy as np
import pytest

from app.figures.score_grid import score_grid, written
from app.figures.theme import hexadecimal, theme
from tests.hand_views import CLEANED, HOSTILE, SVG, read_svg, tags, texts

LIGHT, DARK = theme("light"), theme("dark")


def drawn(values, appearance=LIGHT, layers=None, **options):
    values = np.array(values, dtype=np.float32)
    told = {"title": "T", "label": "margin", "provenance": {}, **options}
    return read_svg(score_grid(values, layers or range(len(values)), theme=appearance, **told))


def cells(root) -> dict[str, tuple[str, str]]:
    """Return head name -> (colour, what the cell says on hover)."""
    found = {}
    for rect in root.iter(f"{SVG}rect"):
        title = rect.find(f"{SVG}title")
        if title is not None:
            name, value = title.text.split(": ")
            assert name not in found
            found[name] = (rect.get("fill"), value)
    return found


@pytest.mark.parametrize("appearance", [LIGHT, DARK])
def test_colours_are_symmetric_about_zero(appearance):
    found = cells(drawn([[0.5, -0.5, 0.0], [0.25, -0.25, np.nan]], appearance, layers=(0, 3)))
    level = {name: hexadecimal(appearance.diverging[at]) for name, at in {"top": 255, "low": 0, "none": 128}.items()}
    assert found["L0 H0"] == (level["top"], "0.500")
    assert found["L0 H1"] == (level["low"], "−0.500")
    assert found["L0 H2"] == (level["none"], "0.000")
    # Half of the limit stands at three quarters and one quarter: levels 191 and 64.
    assert found["L3 H0"] == (hexadecimal(appearance.diverging[191]), "0.250")
    assert found["L3 H1"] == (hexadecimal(appearance.diverging[64]), "−0.250")
    assert found["L3 H2"] == ("none", "no such head")


def test_the_limit_is_the_largest_value_or_the_one_given():
    assert [text for text in texts(drawn([[0.2, -0.4]])) if "0.400" in text] == ["−0.400", "−0.400", "0.400"]
    root = drawn([[0.2, -0.4]], limit=0.8)
    assert {"−0.800", "0.800", "0"} <= set(texts(root))
    assert cells(root)["L0 H1"][0] == hexadecimal(LIGHT.diverging[64])
    empty = drawn([[np.nan, np.nan]])
    assert "1.000" in texts(empty)
    assert cells(drawn([[0.0]]))["L0 H0"][0] == hexadecimal(LIGHT.diverging[128])


def test_the_sequential_scale_runs_from_zero_to_the_limit():
    found = cells(drawn([[0.0, 0.8, 4.0, 5.0]], diverging=False, limit=4.0))
    expected = [hexadecimal(LIGHT.sequential[level]) for level in (0, 51, 255, 255)]
    assert [found[f"L0 H{head}"][0] for head in range(4)] == expected
    assert found["L0 H3"][1] == "5.000"
    named = texts(drawn([[2.0, np.nan]], diverging=False, limit=4.0))
    assert {"0", "4.000"} <= set(named)
    assert "1" not in named


def test_the_sequential_scale_is_pinned_from_zero_to_one_where_no_limit_is_given():
    found = cells(drawn([[0.0, 0.2, 1.0, 1.5]], diverging=False))
    expected = [hexadecimal(LIGHT.sequential[level]) for level in (0, 51, 255, 255)]
    assert [found[f"L0 H{head}"][0] for head in range(4)] == expected
    assert {"0", "1", "margin"} <= set(texts(drawn([[0.5]], diverging=False)))


def test_numbers_stand_in_the_cells_where_they_fit():
    values = np.linspace(-0.9, 0.9, 72).reshape(6, 12)
    shown = [text for text in texts(drawn(values)) if re.fullmatch(r"−?\d\.\d{3}", text)]
    # 72 in the cells and the two ends of the legend.
    assert len(shown) == 74
    assert len([text for text in texts(drawn(values, numbers="none")) if re.fullmatch(r"−?\d\.\d{3}", text)]) == 2
    assert len([text for text in texts(drawn(np.ones((48, 64)))) if re.fullmatch(r"−?\d\.\d{3}", text)]) == 2


@pytest.mark.parametrize("heads", [4, 12, 16, 20])
def test_a_number_is_narrower_than_its_cell(heads):
    root = drawn(-np.ones((6, heads)))
    width = float(next(r for r in root.iter(f"{SVG}rect") if r.find(f"{SVG}title") is not None).get("width"))
    for text in root.iter(f"{SVG}text"):
        if text.text == "−1.000" and text.get("text-anchor") == "middle" and float(text.get("y")) < 400:
            assert 6 * 0.61 * float(text.get("font-size")) < width


@pytest.mark.parametrize(("layers", "heads"), [(6, 12), (24, 16), (48, 64)])
def test_axes_name_layers_and_heads_without_overlap(layers, heads):
    root = drawn(np.zeros((layers, heads)), selected=(layers - 2, heads - 2))
    names = [text for text in root.iter(f"{SVG}text") if re.fullmatch(r"[LH]\d+", text.text)]
    assert {"L0", "H0", f"L{layers - 2}", f"H{heads - 2}"} <= {text.text for text in names}
    across = sorted((float(t.get("x")), len(t.text), float(t.get("font-size"))) for t in names if t.text[0] == "H")
    for (left, first, size), (right, second, _) in pairwise(across):
        assert right - left >= 0.6 * size * (first + second) / 2
    down = sorted((float(t.get("y")), float(t.get("font-size"))) for t in names if t.text[0] == "L")
    assert all(below - above >= size for (above, size), (below, _) in pairwise(down))


def test_the_selected_head_is_framed_and_named():
    def frames(selected):
        root = drawn(np.zeros((2, 3)), layers=(0, 4), selected=selected)
        boxes = [r for r in root.iter(f"{SVG}rect") if r.get("stroke") == LIGHT.text]
        strong = [t.text for t in root.iter(f"{SVG}text") if t.get("fill") == LIGHT.accent]
        return len(boxes), strong

    assert frames((4, 1)) == (1, ["L4", "H1"])
    assert frames(None) == (0, [])
    assert frames((1, 1))[0] == 0


def test_a_zero_has_no_sign():
    assert [written(value) for value in (0.0004, -0.0004, -0.0006, 0.6254)] == ["0.000", "0.000", "−0.001", "0.625"]


def test_text_stays_text_and_the_origin_is_kept():
    root = drawn([[0.5]], title="".join(HOSTILE), label=HOSTILE[0], provenance={"text": HOSTILE[0]})
    assert tags(root) == {"svg", "title", "desc", "metadata", "rect", "text"}
    assert root.find(f"{SVG}title").text == "".join(CLEANED)
    assert json.loads(root.find(f"{SVG}metadata").text) == {"text": HOSTILE[0]}


def test_the_values_are_left_as_they_were():
    values = np.array([[0.5, np.nan]], dtype=np.float32)
    values.flags.writeable = False
    drawn(values)
    assert np.isnan(values[0, 1])
