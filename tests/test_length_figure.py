"""The chart of loss against position, read back from its spec and its SVG, light and dark."""

import math
from itertools import pairwise

import pandas as pd
import pytest
import vl_convert

from app.figures.length_curves import HEIGHT, colours_of, dashes_of, length_chart
from app.figures.theme import theme
from tests.hand_views import CLEANED, HOSTILE, SVG, read_svg

KINDS = ("sinusoidal", "learned", "rotary", "alibi", "none")
TRAINED = 64


def frame(*kinds: str, last: int = 512) -> pd.DataFrame:
    """Losses 4, 4.01, 4.02, ... at each doubling; the learned curve ends at the trained length."""
    rows = []
    for place, kind in enumerate(kinds):
        end = TRAINED if kind == "learned" else last
        for step in range(int(math.log2(end)) + 1):
            first = 2**step // 2 + 1
            rows.append((kind, first, 2**step, math.sqrt(first * 2**step), 4 + place / 100 + step / 10, 0.05))
    return pd.DataFrame(rows, columns=["kind", "first", "last", "position", "loss", "error"])


def drawn(rows: pd.DataFrame, look: str = "light"):
    chart = length_chart(rows, TRAINED, theme=theme(look), title="Length")
    return chart.to_dict(), read_svg(vl_convert.vegalite_to_svg(chart.to_dict()))


def written(root) -> list[str]:
    return [text.text for text in root.iter(f"{SVG}text") if text.text]


def layers(spec: dict, mark: str) -> list[dict]:
    return [layer for layer in spec["layer"] if layer["mark"]["type"] == mark]


@pytest.mark.parametrize("look", ["light", "dark"])
def test_every_kind_is_named_and_the_trained_length_too(look):
    spec, root = drawn(frame(*KINDS), look)
    assert {"sinusoidal", "rotary", "ALiBi", "no positions", "learned: no row past 64"} <= set(written(root))
    assert {"trained length: 64 tokens", "Length", "loss (nats per token)"} <= set(written(root))
    assert {"16", "32", "64", "128", "256", "512"} <= set(written(root))
    assert spec["background"] == theme(look).background


def test_the_axis_doubles_and_holds_every_value():
    spec, _ = drawn(frame(*KINDS))
    line = layers(spec, "line")[0]["encoding"]
    assert (line["x"]["scale"]["type"], line["x"]["scale"]["base"]) == ("log", 2)
    band = layers(spec, "area")[0]["encoding"]
    low, high = band["y"]["scale"]["domain"]
    assert band["y"]["scale"] == line["y"]["scale"]
    shown = [row for rows in spec["datasets"].values() for row in rows if "low" in row]
    assert low < min(row["low"] for row in shown)
    assert max(row["high"] for row in shown) < high
    # The first eighth of the trained length is left out.
    assert min(row["first"] for row in shown) == 9
    assert all(row["high"] - row["loss"] == pytest.approx(0.05) for row in shown)
    assert all(row["loss"] - row["low"] == pytest.approx(0.05) for row in shown)


def test_the_tooltip_is_exact():
    spec, _ = drawn(frame("none"))
    tips = {tip["field"]: tip for layer in spec["layer"] for tip in layer["encoding"].get("tooltip", ())}
    assert tips["loss"]["format"] == tips["error"]["format"] == ".4f"
    spans = [row["span"] for rows in spec["datasets"].values() for row in rows if "span" in row]
    assert spans == ["9 to 16", "17 to 32", "33 to 64", "65 to 128", "129 to 256", "257 to 512"]


def test_names_do_not_cover_each_other():
    # All four lines end within a hundredth of a nat.
    spec, _ = drawn(frame("sinusoidal", "rotary", "alibi", "none").assign(loss=4.0))
    names = [layer for layer in layers(spec, "text") if layer["encoding"]["x"] == {"value": "width"}]
    heights = sorted(layer["encoding"]["y"]["value"] for layer in names)
    assert len(heights) == 4
    assert all(after - before >= 20 for before, after in pairwise(heights))
    assert 0 <= heights[0] <= heights[-1] <= HEIGHT


@pytest.mark.parametrize("look", ["light", "dark"])
def test_kinds_differ_in_colour_and_in_dash(look):
    assert len(set(colours_of(KINDS, theme(look)).values())) == len(KINDS)
    assert len(set(map(tuple, dashes_of((*KINDS, "other")).values()))) == len(KINDS) + 1
    # A kind looks alike whatever stands beside it.
    assert dashes_of(("alibi",))["alibi"] == dashes_of(KINDS)["alibi"]


def test_a_line_that_ends_has_a_cross_where_it_ends():
    spec, _ = drawn(frame(*KINDS))
    cross = layers(spec, "point")
    assert len(cross) == 1
    end = spec["datasets"][cross[0]["data"]["name"]]
    assert end == [{"position": pytest.approx(math.sqrt(33 * 64)), "loss": pytest.approx(4.61)}]
    # Without a longer line beside it there is nothing that it ends before.
    assert layers(drawn(frame("learned"))[0], "point") == []


def test_the_alternative_text_says_the_numbers():
    spec, _ = drawn(frame("learned", "none"))
    assert "Trained length: 64 tokens" in spec["description"]
    assert "learned 4.600 at 33 to 64; no positions 4.610 at 33 to 64, 4.910 at 257 to 512." in spec["description"]


@pytest.mark.parametrize("look", ["light", "dark"])
def test_hostile_names_stay_text(look):
    # A lone surrogate never comes this far: no frame can hold it.
    spec, root = drawn(frame(*(kind for kind in HOSTILE if kind != "\ud800")), look)
    assert not list(root.iter(f"{SVG}script"))
    assert not [element for element in root.iter() if element.tag.endswith("}img")]
    assert all(kind in spec["description"] for kind in CLEANED if kind != "\ufffd")


def test_nothing_measured_is_said():
    assert "No loss was measured." in written(drawn(frame())[1])
