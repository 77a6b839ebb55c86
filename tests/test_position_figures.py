"""The figures of positions, read back from their specs."""

import base64
import io
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from app.figures.position_curves import distance_curves
from app.figures.position_matrix import position_matrix
from app.figures.position_rotation import position_rotation
from app.figures.svg import NAMESPACE, SHARP_PIXELS
from app.figures.theme import theme

HOSTILE = "</title><script>alert(1)</script> & \x00 \u202e"
WORDS = dict(rows="position", across="dimension", label="encoding", provenance={"model": HOSTILE})


def elements(svg: str, tag: str) -> list:
    return list(ElementTree.fromstring(svg).iter(f"{{{NAMESPACE}}}{tag}"))


def pixels(svg: str) -> np.ndarray:
    data = elements(svg, "image")[0].get("href").partition(",")[2]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.mark.parametrize("name", ["light", "dark"])
def test_each_cell_has_the_colour_of_its_value(name):
    look = theme(name)
    svg = position_matrix(np.array([[-1.0, 0.5], [np.nan, 1.0]]), theme=look, title="A", **WORDS)
    shown, half = pixels(svg), SHARP_PIXELS // 2
    assert shown[0, 0].tolist() == look.diverging[0].tolist()
    assert shown[0, half].tolist() == look.diverging[191].tolist()
    assert shown[half, half].tolist() == look.diverging[-1].tolist()
    assert "#" + "".join(f"{part:02x}" for part in shown[half, 0]) == look.masked
    assert [text.text for text in elements(svg, "text")][:1] == ["A"]
    assert "2 rows (position) by 2 columns (dimension)" in elements(svg, "desc")[0].text


def test_a_square_picture_has_square_cells():
    svg = position_matrix(np.zeros((10, 20)), theme=theme("light"), title="A", square=True, **WORDS)
    image = elements(svg, "image")[0]
    assert float(image.get("width")) == pytest.approx(2 * float(image.get("height")))


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
    for svg in (
        position_matrix(
            np.zeros((3, 3)), theme=theme(name), title=HOSTILE, **WORDS | dict(rows=HOSTILE, label=HOSTILE)
        ),
        position_rotation(np.zeros(4), np.ones(4), **curves),
    ):
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
