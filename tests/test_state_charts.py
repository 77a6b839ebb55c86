"""Norms, anisotropy and the parting of a word through the layers: every number in its place, bounded, readable."""

import numpy as np
import pytest

from app.figures.layer_lines import layer_name
from app.figures.state_charts import MOST_NAMED, MOST_ROWS, anisotropy_chart, norm_lines, parting_chart
from app.figures.theme import theme
from tests.hand_views import CLEANED, HOSTILE
from tests.test_head_charts import layers, rows_with, svg_of, texts_at, written

LIGHT = theme("light")
NORMS = np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0], [100.0, 50.0, 40.0]])
TOKENS = ("the", "bank", "the")
CHARTS = {
    "norms": lambda look: norm_lines(NORMS, TOKENS, theme=look, title="Norms", chosen=(1,), outliers=(0,)),
    "log": lambda look: norm_lines(NORMS, TOKENS, theme=look, title="Norms", chosen=(1,), log=True),
    "anisotropy": lambda look: anisotropy_chart({"a": [0.1, 0.2], "b": [0.3, 0.4]}, theme=look, title="Anisotropy"),
    "parting": lambda look: parting_chart(
        [0, 0.2], [0.5, 0.6], spread=([0.4, 0.5], [0.6, 0.7]), word="bank", theme=look, title="Parting"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHARTS)
@pytest.mark.parametrize("name", ["light", "dark"])
def test_a_chart_is_drawn_in_its_theme_in_type_that_can_be_read(kind, name):
    look, other = theme(name), theme("dark" if name == "light" else "light")
    chart = CHARTS[kind](look)
    root = svg_of(chart)
    colours = {element.get(part) for element in root.iter() for part in ("fill", "stroke")}
    assert look.background in colours
    assert not {other.text, other.accent, other.quiet} & colours
    sizes = [float(text.get("font-size").removesuffix("px")) for text in root.iter() if text.get("font-size")]
    assert min(sizes) >= 14
    assert len(chart.to_dict()["description"]) > 30


def test_the_input_of_the_first_block_comes_before_layer_0():
    assert [layer_name(layer) for layer in (-1, 0, 11)] == ["input", "L0", "L11"]
    root = svg_of(CHARTS["norms"](LIGHT))
    places = texts_at(root, "input|L0|L1")
    assert places["input"][0] < places["L0"][0] < places["L1"][0]


def test_every_norm_stands_where_it_belongs():
    spec = CHARTS["norms"](LIGHT).to_dict()
    rows = [row for rows in spec["datasets"].values() for row in rows if "position" in row]
    found = {(row["layer"], row["position"]): row["value"] for row in rows}
    assert found == {(state - 1, place): NORMS[state, place] for state in range(3) for place in range(3)}
    assert {row["name"] for row in rows} == {"the (0)", "bank (1)", "the (2)"}
    assert {row["shown"] for row in rows} == {"input", "L0", "L1"}


def test_the_chosen_come_before_the_outliers_and_both_are_named_once():
    root = svg_of(norm_lines(NORMS, TOKENS, theme=LIGHT, title="T", chosen=(2,), outliers=(2, 0)))
    names = [text for text in written(root) if "(" in text]
    assert sorted(names) == ["the (0)", "the (2)"]
    wide = np.ones((3, 20)) * np.arange(1, 21)
    root = svg_of(norm_lines(wide, ["t"] * 20, theme=LIGHT, title="T", chosen=(19,), outliers=range(15)))
    names = {text for text in written(root) if "(" in text}
    assert names == {"t (19)", *(f"t ({place})" for place in range(MOST_NAMED - 1))}


def test_on_a_log_scale_equal_ratios_are_equal_heights():
    spec = CHARTS["log"](LIGHT).to_dict()
    scales = {layer["encoding"]["y"]["scale"]["type"] for layer in layers(spec, "line")}
    assert scales == {"log"}
    root = svg_of(CHARTS["log"](LIGHT))
    places = texts_at(root, "1|10|100")
    assert places["1"][1] - places["10"][1] == pytest.approx(places["10"][1] - places["100"][1], abs=1)
    # The name stands at the height of its line's end: 50, of 1 to 100 with 0.05 of room at both ends.
    (label,) = texts_at(root, r"bank \(1\)").values()
    share = (2 + 0.1 - np.log10(50)) / 2.2
    # Text is placed by its baseline, some five pixels below its middle.
    assert label[1] == pytest.approx(share * 340 + 5, abs=2)


def test_values_without_a_logarithm_are_left_out_of_a_log_scale():
    norms = np.array([[0.0, 1.0], [2.0, np.inf], [3.0, np.nan]])
    spec = norm_lines(norms, ("a", "b"), theme=LIGHT, title="T", chosen=(0,), log=True).to_dict()
    rows = [row for rows in spec["datasets"].values() for row in rows if "position" in row]
    assert sorted(row["value"] for row in rows) == [1, 2, 3]
    empty = norm_lines(np.zeros((2, 2)), ("a", "b"), theme=LIGHT, title="T", log=True)
    assert "There are no norms to show." in written(svg_of(empty))


def test_500_tokens_of_a_deep_model_become_a_band_with_the_named_above_it():
    norms = np.arange(1, 501.0)[None] * np.arange(1, 34)[:, None]
    spec = norm_lines(norms, ["t"] * 500, theme=LIGHT, title="T", chosen=(7,), outliers=(499,)).to_dict()
    assert sum(len(rows) for rows in spec["datasets"].values()) < 5000
    assert len(layers(spec, "area")) == 1
    band = sorted(rows_with(spec, "least"), key=lambda row: row["layer"])
    assert len(band) == 33
    # Without positions 7 and 499: 1 to 499 times the state, the median between.
    assert (band[1]["least"], band[1]["greatest"], band[1]["layer"]) == (2, 998, 0)
    assert band[1]["median"] == 2 * np.median([value for value in range(1, 500) if value != 8])
    few = norm_lines(norms[:, : MOST_ROWS // 33], ["t"] * (MOST_ROWS // 33), theme=LIGHT, title="T").to_dict()
    assert not layers(few, "area")
    with pytest.raises(ValueError, match=r"shape \(33, 500\) do not have 2 tokens"):
        norm_lines(norms, ("a", "b"), theme=LIGHT, title="T")


def test_the_lines_of_anisotropy_begin_at_the_input():
    spec = CHARTS["anisotropy"](LIGHT).to_dict()
    rows = rows_with(spec, "series")
    found = {(row["series"], row["layer"]): row["value"] for row in rows}
    assert found == {("a", -1): 0.1, ("a", 0): 0.2, ("b", -1): 0.3, ("b", 0): 0.4}
    assert {"a", "b"} <= set(written(svg_of(CHARTS["anisotropy"](LIGHT))))
    assert "There are no layers to show." in written(svg_of(anisotropy_chart({}, theme=LIGHT, title="T")))


def test_the_random_pairs_are_shaded_and_the_word_is_not():
    spec = CHARTS["parting"](LIGHT).to_dict()
    (area,) = layers(spec, "area")
    shaded = spec["datasets"][area["data"]["name"]]
    assert [(row["layer"], row["low"], row["high"], row["name"]) for row in shaded] == [
        (-1, 0.4, 0.6, "random pairs"), (0, 0.5, 0.7, "random pairs"),
    ]  # fmt: skip
    root = svg_of(CHARTS["parting"](LIGHT))
    assert {"“bank”", "random pairs"} <= set(written(root))
    plain = parting_chart([0, 0.2], [0.5, 0.6], word="bank", theme=LIGHT, title="T").to_dict()
    assert not layers(plain, "area")


def test_an_axis_holds_the_shade():
    frame_of = parting_chart([0.5, 0.5], [0.5, 0.5], spread=([0.0, 0], [1, 1]), word="w", theme=LIGHT, title="T")
    (low, high) = layers(frame_of.to_dict(), "area")[0]["encoding"]["y"]["scale"]["domain"]
    assert (low, high) == pytest.approx((-0.05, 1.05))


def test_hostile_names_stay_text():
    count = len(HOSTILE)
    root = svg_of(norm_lines(np.ones((2, count)), HOSTILE, theme=LIGHT, title=CLEANED[0], chosen=range(count)))
    assert any(text.startswith(CLEANED[0][:16]) for text in written(root) if "(" in text)
    assert {element.tag.split("}")[1] for element in root.iter()} <= {
        "svg",
        "g",
        "path",
        "rect",
        "text",
        "line",
        "defs",
        "clipPath",
    }
    parting_chart([0, 1], [0, 1], word=HOSTILE[4], theme=LIGHT, title="T").to_json()
