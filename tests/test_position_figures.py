"""The figures of positions, read back from their specs."""

from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from app.export import chart_svg
from app.figures.component_path import component_path
from app.figures.matrix_chart import matrix_chart
from app.figures.position_curves import distance_curves
from app.figures.position_rotation import position_rotation
from app.figures.svg import NAMESPACE
from app.figures.term_chart import term_chart
from app.figures.theme import theme
from app.figures.wavelengths import wavelength_chart

HOSTILE = "</title><script>alert(1)</script> & \x00 \u202e"
WORDS = dict(rows="position", across="dimension", label="encoding")


def elements(svg: str, tag: str) -> list:
    return list(ElementTree.fromstring(svg).iter(f"{{{NAMESPACE}}}{tag}"))


def rows_of(chart) -> list[dict]:
    return next(iter(chart.to_dict()["datasets"].values()))


def test_a_matrix_has_every_value_under_its_own_row_and_column():
    values = np.array([[-1.0, 0.5, 0.25], [np.nan, 1.0, 0.0]])
    spec = matrix_chart(values, theme=theme("light"), title="A", **WORDS)
    rows = rows_of(spec)
    assert [(row["row"], row["column"], row["value"]) for row in rows[:4]] == [
        (0, 0, -1.0),
        (0, 1, 0.5),
        (0, 2, 0.25),
        (1, 0, None),
    ]
    assert [row["told"] for row in rows[:4]] == ["−1", "0.5", "0.25", "none"]
    marks = elements(chart_svg(spec, "A", {}), "path")
    fills = [mark.get("fill") for mark in marks if mark.get("aria-roledescription") == "rect mark"]
    assert fills[0] == "rgb({}, {}, {})".format(*theme("light").diverging[0])
    assert fills[3] == theme("light").masked
    spec = spec.to_dict()
    scale = spec["encoding"]["color"]["scale"]
    assert [scale["domain"][place] for place in (0, 8, 16)] == [-1, 0, 1]
    assert "2 rows (position) by 3 columns (dimension)" in spec["description"]


def test_equal_tokens_keep_rows_of_their_own():
    tokens = ["the", "cat", "the"]
    chart = matrix_chart(np.zeros((3, 3)), theme=theme("dark"), title="A", tokens=(tokens, tokens), **WORDS)
    assert [row["row_text"] for row in rows_of(chart)[::3]] == ["the (0)", "cat (1)", "the (2)"]
    axis = chart.to_dict()["encoding"]["x"]["axis"]
    assert axis["labelExpr"] == '["the", "cat", "the"][datum.value]'


def test_a_square_matrix_has_square_cells():
    spec = matrix_chart(np.zeros((10, 20)), theme=theme("light"), title="A", square=True, **WORDS).to_dict()
    assert spec["width"] == pytest.approx(2 * spec["height"])
    with pytest.raises(ValueError, match="cells"):
        matrix_chart(np.zeros((65, 65)), theme=theme("light"), title="A", **WORDS)


def test_components_run_through_the_positions():
    coordinates = np.array([[0.0, 1.0], [2.0, -1.0], [0.5, 0.25]])
    spec = component_path(coordinates, np.array([0.75, 0.25]), theme=theme("light"), title="A").to_dict()
    assert "75%" in spec["layer"][0]["encoding"]["x"]["title"]
    domains = [spec["layer"][0]["encoding"][axis]["scale"]["domain"] for axis in ("x", "y")]
    assert domains == [pytest.approx([-0.08, 2.08]), pytest.approx([-1.08, 1.08])]
    assert "100 per cent" in spec["description"]


def test_wavelengths_name_the_chosen_pair():
    spec = wavelength_chart(np.array([6.28, 62.8, 628.0]), 1, theme=theme("light"), title="A").to_dict()
    assert "pair 1 has 62.80" in spec["description"]
    assert any(rows == [{"pair": 1, "wavelength": 62.8}] for rows in spec["datasets"].values())


def test_bars_of_terms_stand_in_the_order_of_their_names():
    strengths = pd.DataFrame({"head": [0, 0, 1, 1], "term": ["a", "b", "a", "b"], "strength": [1.0, 2.0, 3.0, 0.5]})
    shares = pd.Series({0: 0.8, 1: 0.1})
    spec = term_chart(strengths, shares, {"b": "place", "a": HOSTILE}, theme=theme("dark"), title="A").to_dict()
    bars = next(rows for rows in spec["datasets"].values() if len(rows) == 4)
    assert [(row["term_name"], row["order"]) for row in bars[:2]] == [(HOSTILE, 1), ("place", 0)]
    assert "from 0.10 (H1) to 0.80 (H0)" in spec["description"]


def test_the_circle_turns_by_the_offset():
    places = np.arange(20)
    svg = position_rotation(
        np.sin(0.1 * places),
        np.cos(0.1 * places),
        position=0,
        offset=5,
        turn=0.5,
        theme=theme("light"),
        title="A",
        provenance={},
    )
    outline, first, second = elements(svg, "circle")
    middle = np.array([float(outline.get("cx")), float(outline.get("cy"))])
    angles = []
    for dot in (first, second):
        x, y = np.array([float(dot.get("cx")), float(dot.get("cy"))]) - middle
        angles.append(np.arctan2(-y, x))
    assert angles == pytest.approx([0, 0.5], abs=1e-3)
    assert "28.65" in elements(svg, "desc")[0].text


@pytest.mark.parametrize("name", ["light", "dark"])
def test_hostile_text_stays_text(name):
    curves = dict(position=1, offset=90, turn=9.0, theme=theme(name), title=HOSTILE, provenance={"text": HOSTILE})
    drawn = position_rotation(np.zeros(4), np.ones(4), **curves)
    words = WORDS | dict(rows=HOSTILE, label=HOSTILE, tokens=([HOSTILE] * 3, ['"]; alert(1); ["'] * 3))
    chart = matrix_chart(np.zeros((3, 3)), theme=theme(name), title=HOSTILE, **words)
    for svg in (drawn, chart_svg(chart, HOSTILE, {})):
        assert not elements(svg, "script")
        assert "<script" not in svg


def test_curves_of_heads_over_distance():
    frame = pd.DataFrame({"distance": [0, 1, 0, 1], "head": ["H0", "H0", "H1", "H1"], "bias": [0.0, -0.5, 0.0, -0.25]})
    words = dict(value="bias", curve="head", title="ALiBi", value_title="bias", distance_title="distance")
    spec = distance_curves(frame, theme=theme("dark"), **words).to_dict()
    assert spec["encoding"]["color"]["scale"]["domain"] == ["H0", "H1"]
    assert len(set(spec["encoding"]["color"]["scale"]["range"])) == 2
    assert "values -0.500 to 0.000" in spec["description"]
    rows = next(iter(spec["datasets"].values()))
    assert [row["value"] for row in rows] == [0.0, -0.5, 0.0, -0.25]
    assert "no curves" in distance_curves(frame.iloc[:0], theme=theme("light"), **words).to_dict()["description"]
