"""The chart of layer costs: marks, lines and names read back from its SVG, on log axes, light and dark."""

from itertools import pairwise

import pandas as pd
import pytest
import vl_convert

from app.figures.cost_chart import HEIGHT, cost_chart
from app.figures.label_places import spread
from app.figures.theme import theme
from tests.hand_views import SVG, read_svg

SIZES = [64, 128, 256, 512]
WORDS = dict(title="Time", size="length n", value="seconds", unit="s")


def frame(**exponents: float) -> pd.DataFrame:
    rows = [(kind, size, 1e-6 * size**power) for kind, power in exponents.items() for size in SIZES]
    return pd.DataFrame(rows, columns=["kind", "size", "value"])


def drawn(points: pd.DataFrame, names: dict, look: str = "light"):
    chart = cost_chart(points, points[points["size"] >= 256], names, theme=theme(look), **WORDS)
    return chart, read_svg(vl_convert.vegalite_to_svg(chart.to_dict()))


def written(root) -> list[str]:
    return [text.text for text in root.iter(f"{SVG}text") if text.text]


@pytest.mark.parametrize("look", ["light", "dark"])
def test_every_kind_is_named_beside_its_line(look):
    names = {"recurrence": "recurrence  n^1.00 ± 0.01", "convolution": "<b>convolution</b>"}
    chart, root = drawn(frame(recurrence=1.0, convolution=2.0), names, look)
    assert set(names.values()) <= set(written(root))
    assert {"64", "128", "256", "512", "length n", "seconds"} <= set(written(root))
    assert chart.to_dict()["background"] == theme(look).background
    assert "n^1.00" in chart.description


def test_axes_are_logarithmic_and_hold_every_value():
    points = frame(recurrence=1.0, convolution=2.0)
    layer = drawn(points, {})[0].to_dict()["layer"][1]["encoding"]
    assert layer["x"]["scale"]["type"] == layer["y"]["scale"]["type"] == "log"
    low, high = layer["y"]["scale"]["domain"]
    assert low <= points["value"].min() < points["value"].max() <= high
    assert (low, high) == pytest.approx((1e-5, 1.0))


def test_a_constant_has_an_axis_too():
    chart, root = drawn(frame(recurrence=0.0), {})
    assert chart.to_dict()["layer"][1]["encoding"]["y"]["scale"]["domain"] == pytest.approx([1e-6, 1e-5])
    assert "1 µs" in written(root)


def test_names_never_cover_each_other_and_keep_their_order():
    placed = spread({"a": 100.0, "b": 101.0, "c": 99.0, "d": HEIGHT}, HEIGHT)
    assert list(placed) == ["c", "a", "b", "d"]
    heights = list(placed.values())
    assert all(after - before >= 22 for before, after in pairwise(heights))
    assert max(heights) <= HEIGHT
    assert spread({"a": 10.0, "b": 200.0}, HEIGHT) == {"a": 10.0, "b": 200.0}


def test_nothing_measured_is_said():
    chart = cost_chart(frame(), frame(), {}, theme=theme("light"), **WORDS)
    assert "Nothing was measured." in written(read_svg(vl_convert.vegalite_to_svg(chart.to_dict())))
