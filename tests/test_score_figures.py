"""The figures of why a head attends: bars of a sum, the chain to the weight, and the map of queries and keys."""

import re

import numpy as np
import pandas as pd
import pytest
import vl_convert

from app.figures.joint_map import COLOURS, MOST_LINKS, joint_map, joint_points
from app.figures.score_bars import MOST_BARS, score_bars
from app.figures.score_chain import score_chain
from app.figures.theme import theme
from model.analysis.joint_embedding import JointEmbedding
from model.analysis.score_parts import ScoreRow
from tests.hand_views import CLEANED, HOSTILE, SVG, read_svg, tags, texts

LIGHT, DARK = theme("light"), theme("dark")


def products(values) -> pd.DataFrame:
    return pd.DataFrame({"dimension": range(len(values)), "product": values, "query": 2.0, "key": np.array(values) / 2})


def row(**options) -> ScoreRow:
    """Return the row of a query (1, 2) and keys (3, 1), (0, -1), (1, 1), whose scaled scores are 2.5, -1 and 1.5."""
    given = dict(
        query=np.array([1.0, 2.0]), keys=np.array([[3.0, 1.0], [0.0, -1.0], [1.0, 1.0]]), scaling=0.5, softcap=None,
        sink=None, capped=np.array([2.5, -1.0, 1.5]), bias=np.zeros(3), allowed=np.array([True, True, True]),
    )  # fmt: skip
    return ScoreRow(**given | options)


def embedding(count: int = 3, seed: int = 0) -> JointEmbedding:
    generator = np.random.default_rng(seed)
    places, norms = np.arange(count), np.linspace(1, 2, count)
    return JointEmbedding(
        "PCA", generator.random((count, 2)), generator.random((count, 2)), places, places, norms, norms, 1.0, -0.5, -0.4
    )


def chart_svg(chart):
    return read_svg(vl_convert.vegalite_to_svg(chart.to_dict()))


def labels(root, kind: str) -> list[str]:
    return [mark.get("aria-label") for mark in root.iter() if mark.get("aria-roledescription") == kind]


def written(root) -> list[str]:
    return [text for text in texts(root) if text]


def chain(given: ScoreRow, key: int = 0, tokens=("a", "b", "c"), look=LIGHT):
    return read_svg(score_chain(given, key, tokens, theme=look, title="L3 H1", provenance={"model": "hand"}))


def hand_map(count: int = 3, links=(), colour: str = "position", tokens=None, look=LIGHT, **options):
    tokens = tokens or [f"w{place}" for place in range(count)]
    points = joint_points(embedding(count), tokens, tokens, colour)
    return joint_map(points, links, theme=look, title="Map", colour_title=colour, **options)


FIGURES = {
    "bars": lambda look: chart_svg(score_bars(products([3.0, -2.0, 1.0]), theme=look, title="Bars")),
    "chain": lambda look: chain(row(), look=look),
    **{
        f"map by {colour}": lambda look, colour=colour: chart_svg(
            hand_map(4, [(0, 1, 0.5)], colour, look=look, selected="q0")
        )
        for colour in COLOURS
    },
}


@pytest.mark.parametrize("look", [LIGHT, DARK])
@pytest.mark.parametrize("kind", FIGURES)
def test_a_figure_is_drawn_in_its_theme_in_type_that_can_be_read(kind, look):
    root = FIGURES[kind](look)
    colours = {element.get(part) for element in root.iter() for part in ("fill", "stroke")}
    other = DARK if look is LIGHT else LIGHT
    assert look.background in colours
    assert not {other.text, other.accent, other.quiet, other.background, "black"} & colours
    sizes = [text.get("font-size") for text in root.iter(f"{SVG}text") if text.text]
    assert min(float(size.removesuffix("px")) for size in sizes) >= 14


def test_bars_come_by_size_and_the_line_ends_at_the_sum():
    root = chart_svg(score_bars(products([1.0, -4.0, 2.0]), theme=LIGHT, title="Bars"))
    parts = [
        re.search(r"part: (dimension \d); adds: (\S+); sum so far: (\S+);", label) for label in labels(root, "bar")
    ]
    assert [part.groups() for part in parts] == [
        ("dimension 1", "−4.000", "−4.000"), ("dimension 2", "2.000", "−2.000"), ("dimension 0", "1.000", "−1.000"),
    ]  # fmt: skip
    assert "query × key: 2.000 × −2.000" in labels(root, "bar")[0]
    assert "q·k = −1.000" in written(root)
    assert {"adds", "takes away", "1", "2", "0"} <= set(written(root))


def test_many_parts_end_in_one_bar_that_holds_the_rest():
    values = np.linspace(5, 0.1, 128)
    chart = score_bars(products(values.tolist()), theme=LIGHT, title="Bars")
    root = chart_svg(chart)
    bars = labels(root, "bar")
    assert len(bars) == MOST_BARS
    assert "97 more" in bars[-1]
    assert f"adds: {values[31:].sum():.3f}" in bars[-1]
    assert f"q·k = {values.sum():.3f}" in written(root)
    assert "128 parts add up to" in chart.to_dict()["description"]


def test_bars_may_be_named_and_there_may_be_none_or_one():
    frame = pd.DataFrame({"name": HOSTILE[:3], "product": [3.0, 2.0, 1.0], "text": "turns in 6 positions"})
    root = chart_svg(score_bars(frame, theme=LIGHT, title="Pairs", part="pair", sum_name="score"))
    assert "turns in 6 positions" in labels(root, "bar")[0]
    assert not tags(root) & {"script", "image"}
    assert "score = 6.000" in written(root)
    assert "There is no pair to show." in written(
        chart_svg(score_bars(frame[:0], theme=LIGHT, title="Pairs", part="pair"))
    )
    assert len(labels(chart_svg(score_bars(frame[:1], theme=LIGHT, title="Pairs")), "bar")) == 1


def test_the_chain_writes_every_number():
    shown = written(chain(row()))
    total = 1 + np.exp(-3.5) + np.exp(-1)
    numbers = ["5.000", "2.500", "1.000", f"{total:.3f}", f"{1 / total:.3f}"]
    places = [shown.index(name) for name in ("dot product", "scaled", "exponential", "sum over keys", "weight")]
    assert [shown[place + 2] for place in places] == numbers
    assert "× 0.500" in shown
    assert f"1.000 / {total:.3f}" in shown
    assert "Not in this model: softcap, position bias, sink." in shown
    assert f"a {1 / total:.3f}" in shown


def test_the_chain_has_the_steps_that_the_model_takes():
    capped = np.array([2 * np.tanh(1.25), 2 * np.tanh(-0.5), 2 * np.tanh(0.75)])
    shown = written(chain(row(softcap=2.0, capped=capped, bias=np.array([-0.25, 0, 0]), sink=1.0)))
    assert shown[shown.index("softcap") + 1 : shown.index("softcap") + 3] == ["2 tanh(scaled / 2)", f"{capped[0]:.3f}"]
    assert shown[shown.index("position bias") + 1 : shown.index("position bias") + 3] == [
        "− 0.250",
        f"{capped[0] - 0.25:.3f}",
    ]
    assert any(f"sink {np.exp(1 - capped[0] + 0.25):.3f}" in text for text in shown)
    assert not any("Not in this model" in text for text in shown)


def test_a_masked_key_is_called_so():
    root = chain(row(allowed=np.array([True, False, True])), key=1)
    shown = written(root)
    assert "masked" in shown
    assert shown[shown.index("weight") + 2] == "0.000"
    assert not any("e+38" in text or "340282" in text for text in shown)


def test_a_tiny_weight_is_not_written_as_nothing():
    shown = written(chain(row(capped=np.array([0.0, -12.0, 0.0])), key=1))
    assert shown[shown.index("weight") + 2] == "3.1e−6"


def test_the_strip_holds_the_weights_of_all_keys():
    given = row(sink=2.5)
    root = chain(given, key=2)
    bars = [rect for rect in root.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    whole = [float(rect.get("width")) for rect in root.iter(f"{SVG}rect") if rect.get("fill") == LIGHT.masked]
    assert [float(bar.get("width")) / whole[0] for bar in bars] == pytest.approx(given.weights.tolist(), abs=1e-3)
    assert given.weights.sum() < 0.6
    assert "sink" in texts(root)
    assert "sink" not in texts(chain(row(), key=2))
    assert [bar.get("fill") == LIGHT.accent for bar in bars] == [False, False, True]
    assert bars[2].find(f"{SVG}title").text == f"c, position 2: {given.weights[2]:.3f}"


def test_hostile_tokens_stay_text():
    count = len(HOSTILE)
    given = row(
        keys=np.zeros((count, 2)), capped=np.zeros(count), bias=np.zeros(count), allowed=np.ones(count, dtype=bool)
    )
    root = chain(given, tokens=HOSTILE)
    titles = [bar.find(f"{SVG}title").text for bar in root.iter(f"{SVG}rect") if bar.find(f"{SVG}title") is not None]
    assert [title.split(", position")[0] for title in titles] == list(CLEANED)
    for colour in COLOURS:
        drawn = chart_svg(hand_map(count, [(0, 1, 0.9)], colour, list(HOSTILE)))
        assert not (tags(root) | tags(drawn)) & {"script", "image", "a"}
        assert any(CLEANED[0] in label for label in labels(drawn, "point"))


def test_every_query_and_key_stands_on_the_map_in_its_shape():
    frame = joint_points(embedding(3), ["a", "b", "c"], ["d", "e", "f"], "norm")
    assert frame["token"].tolist() == ["q0", "q1", "q2", "k0", "k1", "k2"]
    assert frame["text"].tolist() == list("abcdef")
    assert frame["colour"].tolist() == [1, 1.5, 2] * 2
    root = chart_svg(joint_map(frame, theme=LIGHT, title="Map", colour_title="norm"))
    points = [mark for mark in root.iter() if "as: " in (mark.get("aria-label") or "")]
    shapes = {}
    for mark in points:
        shapes.setdefault(re.search("as: (query|key)", mark.get("aria-label"))[1], set()).add(mark.get("d"))
    assert len(points) == 6
    assert len(shapes["query"]) == len(shapes["key"]) == 1
    assert shapes["query"] != shapes["key"]
    assert set("abcdef") | {"query", "key"} <= set(written(root))


def test_a_click_selects_a_point_by_its_token_and_units_are_equal():
    spec = hand_map(5, picking=True, width=600, height=300).to_dict()
    (param,) = spec["params"]
    assert (param["name"], param["select"]["type"], param["select"]["fields"]) == ("token", "point", ["token"])
    (points,) = [layer for layer in spec["layer"] if layer.get("name") == "tokens"]
    sides = [np.ptp(points["encoding"][axis]["scale"]["domain"]) for axis in "xy"]
    assert sides[0] / 600 == pytest.approx(sides[1] / 300)
    assert points["encoding"]["x"]["axis"] is None
    assert "params" not in hand_map(5).to_dict()


def test_lines_join_the_strongest_and_those_of_the_selected_point_are_marked():
    chart = hand_map(5, [(0, 1, 0.9), (2, 2, 0.5), (4, 9, 0.4)], selected="k2")
    root = chart_svg(chart)
    rules = [mark for mark in root.iter() if mark.get("aria-roledescription") == "rule mark"]
    told = {re.search("query → key: ([^;]+)", rule.get("aria-label"))[1]: rule for rule in rules}
    # The key 9 is not on the map.
    assert set(told) == {"w0 → w1", "w2 → w2"}
    assert told["w2 → w2"].get("stroke") == LIGHT.accent
    assert told["w0 → w1"].get("stroke") == LIGHT.quiet
    widths = [float(told[name].get("stroke-width")) for name in ("w0 → w1", "w2 → w2")]
    assert widths[0] > widths[1]
    assert "strongest line: w0 → w1 with 0.900" in chart.to_dict()["description"]


def test_a_long_text_fits_and_names_few():
    count = 500
    links = [(place, 0, 1 - place / 1000) for place in range(count)]
    for colour in COLOURS:
        spec = hand_map(count, links, colour, tokens=[f"w{place % 20}" for place in range(count)]).to_dict()
        assert sum(len(rows) for rows in spec["datasets"].values()) < 5000
        lines = next(rows for rows in spec["datasets"].values() if rows and "told" in rows[0])
        assert len(lines) == MOST_LINKS
    names = next(rows for rows in spec["datasets"].values() if rows and "dx" in rows[0])
    assert len(names) == len({name["text"] for name in names if name["token"].startswith("q")}) + 1


def test_a_map_of_nothing_says_so():
    points = joint_points(embedding(1), ["a"], ["a"])
    assert len(labels(chart_svg(joint_map(points, theme=LIGHT, title="Map")), "point")) == 2
    assert "There are no queries and keys to show." in written(
        chart_svg(joint_map(points[:0], theme=LIGHT, title="Map"))
    )
