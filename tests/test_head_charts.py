"""The charts of heads: the scatter, lines through the layers, the pruning curve, and matrices of similarities."""

import re
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
import vl_convert

from app.figures.chart_extents import extent, intervals
from app.figures.head_colours import MOST_CATEGORIES, category_colours
from app.figures.head_scatter import MOST_HEADS, head_scatter
from app.figures.layer_lines import layer_lines, layer_series, looks_of
from app.figures.matrix_chart import MOST_WRITTEN, matrix_chart, tick_step
from app.figures.pruning_curve import MOST_POINTS, order_looks, pruning_curve
from app.figures.svg import clean
from app.figures.theme import theme
from tests.hand_views import HOSTILE, SVG, read_svg
from tests.test_theme import DEFICIENCIES, contrast, linear, oklab, rgb_of

LIGHT, DARK = theme("light"), theme("dark")
SCORES = dict(x_title="previous token", y_title="separators")
# A lone surrogate never comes this far: no frame can hold it.
NAMES = [name for name in HOSTILE if name != "\ud800"]


def heads(**columns) -> pd.DataFrame:
    """Return 2 layers of 3 heads; the previous-token score of head h of layer l is (3 l + h) / 10, the other 0.5 less it."""
    x = np.arange(6) / 10
    names = [f"L{layer} H{head}" for layer in range(2) for head in range(3)]
    return pd.DataFrame({"name": names, "x": x, "y": 0.5 - x, **columns})


def profile(layers: int = 4) -> pd.DataFrame:
    mean = 0.2 + np.arange(layers) / 10
    return pd.DataFrame({"layer": range(layers), "minimum": mean - 0.1, "mean": mean, "maximum": mean + 0.25})


def pruned(removed: int = 10, **powers: float) -> pd.DataFrame:
    """Return 0.8 (1 - (r / R)^p) for every r of 0 to R, by order."""
    steps = np.arange(removed + 1)
    lines = [
        pd.DataFrame(
            {"order": order.replace("_", " "), "removed": steps, "value": 0.8 * (1 - (steps / removed) ** power)}
        )
        for order, power in powers.items()
    ]
    return pd.concat(lines, ignore_index=True)


def svg_of(chart):
    return read_svg(vl_convert.vegalite_to_svg(chart.to_dict()))


def marks(root, kind: str) -> list:
    return [element for element in root.iter() if element.get("aria-roledescription") == kind]


def written(root) -> list[str]:
    return [text.text for text in root.iter(f"{SVG}text") if text.text]


def place(element) -> tuple[float, float]:
    x, y = re.findall(r"-?\d+\.?\d*", element.get("transform"))[:2]
    return float(x), float(y)


def texts_at(root, pattern: str) -> dict[str, tuple[float, float]]:
    return {one.text: place(one) for one in root.iter(f"{SVG}text") if one.text and re.fullmatch(pattern, one.text)}


def layers(spec: dict, mark: str) -> list[dict]:
    return [layer for layer in spec["layer"] if layer["mark"]["type"] == mark]


def rows_with(spec: dict, column: str) -> list[dict]:
    """Return the first data of a chart that has a column."""
    return next(rows for rows in spec["datasets"].values() if rows and column in rows[0])


def label_of(root, head: str) -> str:
    """Return what the point of a head says on hover."""
    return next(
        mark.get("aria-label") for mark in marks(root, "point") if f"head: {head}" in (mark.get("aria-label") or "")
    )


CHARTS = {
    "roles": lambda look: head_scatter(
        heads(colour=["a", "a", "b", "", "", "c"], text=["evidence"] * 6), theme=look, selected="L1 H1", colour_title="role",
        baselines=(0.1, 0.2), **SCORES,
    ),
    "numbers": lambda look: head_scatter(
        heads(colour=np.arange(6.0)), theme=look, selected="L0 H0", colour_title="bits", **SCORES
    ),
    "map": lambda look: head_scatter(heads(colour=["a"] * 6), theme=look, selected="L0 H0", axes=False),
    "lines": lambda look: layer_lines(
        profile().assign(chosen=0.3), theme=look, title="Through the layers", value_title="mass", chosen="H3", baseline=0.05
    ),
    "series": lambda look: layer_series(
        pd.DataFrame({"layer": [0, 1] * 2, "series": ["a", "a", "b", "b"], "value": [0.1, 0.2, 0.3, 0.4]}), theme=look,
        title="Two models", value_title="bits",
    ),
    "pruning": lambda look: pruning_curve(
        pruned(greedy=3, by_effect=2, at_random=1), theme=look, title="Pruning", value_title="accuracy", plain=0.8
    ),
    "matrix": lambda look: matrix_chart(
        np.eye(3), theme=look, title="Similarity", rows="layer", across="layer", label="linear CKA", diverging=False
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHARTS)
@pytest.mark.parametrize("look", [LIGHT, DARK])
def test_a_chart_is_drawn_in_its_theme_in_type_that_can_be_read(kind, look):
    chart = CHARTS[kind](look)
    root = svg_of(chart)
    colours = {element.get(part) for element in root.iter() for part in ("fill", "stroke")}
    other = DARK if look is LIGHT else LIGHT
    assert look.background in colours
    # Numbers in cells are black or white, whatever the theme.
    assert not {other.text, other.accent, other.quiet} & colours
    assert min(float(text.get("font-size").removesuffix("px")) for text in root.iter(f"{SVG}text")) >= 14
    assert len(chart.to_dict()["description"]) > 30


def test_every_head_stands_at_its_two_scores():
    root = svg_of(
        head_scatter(heads(), theme=LIGHT, width=400, height=300, x_domain=(0, 1), y_domain=(0, 0.5), **SCORES)
    )
    points = [place(mark) for mark in marks(root, "point")]
    # The first head: 0 across, and 0.5, the top. The last: half way across, at the bottom.
    assert points[0] == (0.0, 0.0)
    assert points[5] == (200.0, 300.0)
    assert "previous token: 0.300; separators: 0.200" in label_of(root, "L1 H0")


def test_a_domain_is_widened_where_a_head_lies_outside_and_holds_the_baselines():
    assert extent([0.2, 0.4], (0, 1)) == (0, 1)
    assert extent([0.2, 1.4], (0, 1)) == (0, 1.4)
    assert extent([0.0, 1.0], None, [3.0, None]) == pytest.approx((-0.15, 3.15))
    assert extent([np.nan, np.inf, 2.0]) == pytest.approx((1.9, 2.1))
    assert extent([0.0, 0.0]) == (-0.5, 0.5)
    assert extent([]) == pytest.approx((-0.05, 1.05))


def test_a_click_selects_a_head_by_its_name_and_nothing_fades():
    spec = head_scatter(heads(colour=["a"] * 6), theme=LIGHT, picking=True, **SCORES).to_dict()
    (param,) = spec["params"]
    assert (param["name"], param["select"]["type"], param["select"]["fields"]) == ("head", "point", ["name"])
    assert param["views"] == ["heads"]
    (points,) = [layer for layer in spec["layer"] if layer.get("name") == "heads"]
    assert "head" not in str(points["encoding"].get("fillOpacity", "")) + str(points["encoding"].get("opacity", ""))
    assert {row["name"] for row in spec["datasets"][points["data"]["name"]]} == set(heads()["name"])
    assert "params" not in head_scatter(heads(), theme=LIGHT, **SCORES).to_dict()


def test_the_selected_head_is_larger_framed_named_and_has_its_intervals():
    frame = heads(x_low=0.0, x_high=0.6, y_low=[0.1, np.nan, *[0.2] * 4], y_high=0.7)

    def found(selected: str):
        root = svg_of(head_scatter(frame, theme=LIGHT, selected=selected, named=0, **SCORES))
        rules = [mark for mark in marks(root, "rule mark") if mark.get("stroke") == LIGHT.accent]
        rings = [mark for mark in marks(root, "point") if mark.get("stroke") == LIGHT.accent]
        return root, rules, rings, [name for name in written(root) if re.fullmatch(r"L\d H\d", name)]

    root, rules, rings, names = found("L1 H2")
    assert (len(rules), len(rings)) == (2, 1)
    # Once in the ground's colour, as its halo, and once in the accent.
    assert names == ["L1 H2", "L1 H2"]
    points = [mark for mark in marks(root, "point") if mark not in rings]
    assert place(rings[0]) == place(points[-1])
    assert len({mark.get("d") for mark in points}) == 2
    assert "previous token, interval: 0.000 to 0.600" in label_of(root, "L1 H2")
    # An end that is not known is called so, and no interval is drawn for it.
    root, rules, rings, names = found("L0 H1")
    assert (len(rules), len(rings)) == (1, 1)
    assert "separators, interval: none" in label_of(root, "L0 H1")
    assert found("")[1:] == ([], [], [])
    assert intervals([0.1, np.nan], [-0.25, 1]) == ["0.100 to −0.250", "none"]


def test_the_heads_farthest_from_the_middle_are_named():
    frame = heads().assign(x=[0.5, 0.5, 0.5, 0.5, 0.5, 0.9], y=[0.5, 0.5, 0.5, 0.5, 0.0, 0.5])
    root = svg_of(head_scatter(frame, theme=LIGHT, named=2, **SCORES))
    assert set(texts_at(root, r"L\d H\d")) == {"L1 H1", "L1 H2"}


@pytest.mark.parametrize(("width", "height"), [(560, 420), (300, 500)])
def test_names_stay_in_the_plot_and_apart(width, height):
    generator = np.random.default_rng(0)
    count = 72
    frame = pd.DataFrame(
        {
            "name": [f"L{one} H0" for one in range(count)],
            "x": generator.random(count),
            "y": generator.random(count) ** 4,
        }
    )
    root = svg_of(head_scatter(frame, theme=DARK, width=width, height=height, named=8, x_title="a", y_title="b"))
    boxes = []
    for text in root.iter(f"{SVG}text"):
        if re.fullmatch(r"L\d+ H0", text.text or "") and text.get("fill") == DARK.text:
            x, y = place(text)
            wide = 9.8 * len(text.text)
            left = {"start": x, "end": x - wide, "middle": x - wide / 2}[text.get("text-anchor")]
            boxes.append((left, y, left + wide, y + 14))
    assert len(boxes) == 8
    for left, top, right, bottom in boxes:
        # The place of a text is its baseline, a few pixels below its middle.
        assert -1 <= left <= right <= width + 1
        assert 0 <= top <= bottom <= height + 14
    for first, second in combinations(boxes, 2):
        assert first[2] <= second[0] or second[2] <= first[0] or abs(first[1] - second[1]) >= 18


def test_baselines_are_dashed_and_told():
    chart = head_scatter(heads(), theme=LIGHT, baselines=(0.1, None), **SCORES)
    rules = marks(svg_of(chart), "rule mark")
    assert len(rules) == 1
    assert rules[0].get("stroke-dasharray")
    assert "baseline 0.100" in written(svg_of(chart))
    assert "baseline of previous token: 0.100" in chart.to_dict()["description"]
    assert not marks(svg_of(head_scatter(heads(), theme=LIGHT, baselines=(np.nan, None), **SCORES)), "rule mark")


def test_numbers_take_the_sequential_scale_and_a_missing_one_the_masked_grey():
    root = svg_of(
        head_scatter(heads(colour=[0, 1, 2, 3, 4, np.nan]), theme=LIGHT, named=0, colour_title="bits", **SCORES)
    )
    fills = {re.search("head: (L. H.)", mark.get("aria-label"))[1]: mark.get("fill") for mark in marks(root, "point")}
    assert fills["L0 H0"] == "rgb({}, {}, {})".format(*LIGHT.sequential[0])
    assert fills["L1 H1"] == "rgb({}, {}, {})".format(*LIGHT.sequential[-1])
    assert fills["L1 H2"] == LIGHT.masked
    assert "bits: none" in label_of(root, "L1 H2")
    assert "bits: 3.000" in label_of(root, "L1 H0")
    assert {"bits", "0", "2", "4"} <= set(written(root))


def test_each_category_has_a_colour_and_a_shape_and_none_is_grey():
    roles = ["first", "second", "", "second", "", "third"]
    root = svg_of(head_scatter(heads(colour=roles), theme=LIGHT, named=0, colour_title="Role", **SCORES))
    looks: dict[str, set] = {}
    for mark in marks(root, "point"):
        role = re.search("Role: ([^;]+)", mark.get("aria-label"))[1]
        looks.setdefault(role, set()).add((mark.get("fill"), mark.get("d")))
    assert set(looks) == {"first", "second", "third", "no role"}
    assert all(len(found) == 1 for found in looks.values())
    assert next(iter(looks["no role"]))[0] == LIGHT.quiet
    named = [next(iter(looks[role])) for role in ("first", "second", "third")]
    assert [fill for fill, _ in named] == list(category_colours(["first", "second", "third"], LIGHT).values())
    assert len({shape for _, shape in named}) == 3
    assert {"first", "second", "third", "no role"} <= set(written(root))


def test_of_many_categories_the_most_frequent_keep_their_names():
    # group 1 once, group 2 twice, ..., group 10 ten times.
    groups = [f"group {number}" for number in range(1, 11) for _ in range(number)]
    frame = pd.DataFrame(
        {"name": [f"L0 H{head}" for head in range(55)], "x": range(55), "y": range(55), "colour": groups}
    )
    spec = head_scatter(frame, theme=LIGHT, colour_title="group", **SCORES).to_dict()
    (points,) = [layer for layer in spec["layer"] if layer.get("name") == "heads"]
    shown = points["encoding"]["fill"]["scale"]["domain"]
    assert shown == [*(f"group {number}" for number in range(3, 11)), "other"]
    assert len(shown) == MOST_CATEGORIES + 1
    assert sum(row["colour"] == "other" for row in spec["datasets"][points["data"]["name"]]) == 3
    assert len(set(points["encoding"]["shape"]["scale"]["range"])) == 9


@pytest.mark.parametrize("look", [LIGHT, DARK])
@pytest.mark.parametrize("seen_by", [np.eye(3), *DEFICIENCIES.values()])
def test_the_colours_of_categories_are_told_apart_without_red_or_green_cones_too(look, seen_by):
    own = [rgb_of(colour) for colour in category_colours([str(one) for one in range(8)], look).values()]

    def seen(rgb) -> np.ndarray:
        return oklab(np.clip(linear(rgb) @ seen_by.T, 0, 1))

    for first, second in combinations([*own, rgb_of(look.quiet)], 2):
        assert np.linalg.norm(seen(first) - seen(second)) > 0.07
    assert all(contrast(colour, rgb_of(look.background)) >= 3 for colour in own)
    assert category_colours([str(one) for one in range(9)], look)["8"] == look.quiet


def test_a_map_has_no_axes_and_equal_units():
    frame = heads().assign(x=[0, 4, 0, 4, 2, 2], y=[0, 0, 1, 1, 0.5, 0.5])
    spec = head_scatter(frame, theme=LIGHT, axes=False, width=400, height=200).to_dict()
    encoding = next(layer for layer in spec["layer"] if layer.get("name") == "heads")["encoding"]
    assert encoding["x"]["axis"] is None
    assert encoding["y"]["axis"] is None
    sides = [np.ptp(encoding[axis]["scale"]["domain"]) for axis in ("x", "y")]
    assert sides[0] / 400 == pytest.approx(sides[1] / 200)
    assert not {"across", "up"} & {tip["title"] for tip in encoding["tooltip"]}
    assert "map of 6 heads" in spec["description"]


def test_other_columns_can_be_drawn():
    frame = heads(entropy=np.arange(6.0), entropy_low=-1.0, entropy_high=7.0)
    spec = head_scatter(frame, theme=LIGHT, x="entropy", y="y", **SCORES).to_dict()
    assert [row["x"] for row in rows_with(spec, "x_low")] == [0, 1, 2, 3, 4, 5]
    # A score whose values stand under x.
    spec = head_scatter(heads(), theme=LIGHT, x="previous", y="separators", **SCORES).to_dict()
    assert [row["x"] for row in rows_with(spec, "chosen")] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_more_heads_than_a_chart_holds_leave_out_the_middle_and_say_so():
    count = 6000
    angle = np.linspace(0, 2 * np.pi, count)
    away = np.where(np.arange(count) < MOST_HEADS - 100, 1.0, 0.1)
    frame = pd.DataFrame(
        {"name": [f"L{one} H0" for one in range(count)], "x": away * np.cos(angle), "y": away * np.sin(angle)}
    )
    spec = head_scatter(frame, theme=LIGHT, selected="L5999 H0", **SCORES).to_dict()
    assert sum(len(rows) for rows in spec["datasets"].values()) <= 5000
    shown = {row["name"] for row in rows_with(spec, "chosen")}
    assert {f"L{one} H0" for one in range(MOST_HEADS - 100)} <= shown
    assert "L5999 H0" in shown
    assert spec["title"] == f"{count - len(shown)} heads near the middle are left out"


def test_heads_without_both_scores_are_left_out():
    frame = heads().assign(x=[np.nan, np.inf, 0.2, 0.3, 0.4, 0.5])
    assert "4 heads" in head_scatter(frame, theme=LIGHT, **SCORES).to_dict()["description"]
    assert written(svg_of(head_scatter(frame.iloc[:2], theme=LIGHT, **SCORES))) == ["No head has both scores."]
    alike = heads().assign(x=0.0, y=0.0)
    assert len(marks(svg_of(head_scatter(alike, theme=LIGHT, named=0, **SCORES)), "point")) == 6


def test_long_titles_go_into_two_lines_and_are_then_cut():
    titles = dict(x_title="share of rows whose maximum lies at one offset", y_title="word " * 40)
    spec = head_scatter(heads(), theme=LIGHT, width=300, height=300, **titles).to_dict()
    encoding = next(layer for layer in spec["layer"] if layer.get("name") == "heads")["encoding"]
    assert encoding["x"]["axis"]["title"] == ["share of rows whose maximum lies", "at one offset"]
    assert len(encoding["y"]["axis"]["title"]) == 2
    assert encoding["y"]["axis"]["title"][1].endswith("…")


def test_a_legend_has_as_many_columns_as_fit():
    def count(*names):
        frame = heads(colour=[*names, *[names[0]] * (6 - len(names))])
        spec = head_scatter(frame, theme=LIGHT, width=300, **SCORES).to_dict()
        encoding = next(layer for layer in spec["layer"] if layer.get("name") == "heads")["encoding"]
        return encoding["fill"]["legend"]["columns"]

    assert count("a", "b", "c") == 3
    assert count("a" * 15, "b" * 15, "c" * 15) == 2
    # Two columns, of which only the first is wide.
    assert count("a" * 30, "b", "c" * 30, "d") == 2
    assert count("a" * 40, "b" * 40) == 1


def assert_plain(root) -> None:
    assert not {"script", "img"} & {element.tag.rpartition("}")[2] for element in root.iter()}


def test_hostile_text_stays_text_in_the_scatter():
    frame = pd.DataFrame(
        {"name": NAMES, "x": range(len(NAMES)), "y": range(len(NAMES)), "text": NAMES, "colour": NAMES}
    )
    titles = dict(x_title=NAMES[0], y_title=NAMES[0], colour_title=NAMES[0])
    root = svg_of(head_scatter(frame, theme=LIGHT, selected=NAMES[3], named=9, **titles))
    assert_plain(root)
    assert {clean(name) for name in NAMES} <= set(written(root))
    accents = [text.text for text in root.iter(f"{SVG}text") if text.get("fill") == LIGHT.accent]
    assert accents == [clean(NAMES[3])]


def test_the_band_runs_from_the_least_to_the_greatest_head():
    spec = layer_lines(profile(), theme=LIGHT, title="T", value_title="mass").to_dict()
    rows = rows_with(spec, "minimum")
    assert [(row["minimum"], row["mean"], row["maximum"]) for row in rows[:2]] == [
        pytest.approx((0.1, 0.2, 0.45)),
        pytest.approx((0.2, 0.3, 0.55)),
    ]
    area = layers(spec, "area")[0]["encoding"]
    assert (area["y"]["field"], area["y2"]["field"]) == ("minimum", "maximum")
    assert [line["encoding"]["y"]["field"] for line in layers(spec, "line")] == ["mean"]
    assert area["y"]["scale"]["domain"] == pytest.approx([0.1 - 0.0325, 0.75 + 0.0325])
    root = svg_of(layer_lines(profile(), theme=LIGHT, title="T", value_title="mass"))
    assert {"L0", "L1", "L2", "L3", "highest head", "mean of heads", "lowest head"} <= set(written(root))
    assert "lowest head from 0.100 to 0.400" in spec["description"]


def test_the_chosen_head_and_the_baseline_have_lines_of_their_own():
    frame = profile().assign(chosen=[0.3, np.nan, 0.4, 0.45])
    chart = layer_lines(frame, theme=LIGHT, title="T", value_title="mass", chosen="H3", baseline=0.05)
    spec, root = chart.to_dict(), svg_of(chart)
    assert [line["encoding"]["y"]["field"] for line in layers(spec, "line")] == ["mean", "chosen"]
    assert layers(spec, "line")[1]["mark"]["color"] == LIGHT.accent
    assert {"H3", "baseline 0.050"} <= set(written(root))
    assert [row["chosen_told"] for row in rows_with(spec, "minimum")] == ["0.300", "none", "0.400", "0.450"]
    # A layer that no head is known of stays out.
    spec = layer_lines(
        profile().assign(mean=[0.2, 0.3, 0.4, np.nan]), theme=LIGHT, title="T", value_title="m"
    ).to_dict()
    assert len(rows_with(spec, "minimum")) == 3


def test_series_are_named_at_the_right_near_their_ends_and_apart():
    ends = {"a": 0.5, "b": 0.501, "c": 0.9}
    frame = pd.DataFrame(
        [(layer, name, end) for name, end in ends.items() for layer in range(3)], columns=["layer", "series", "value"]
    )
    chart = layer_series(frame, theme=LIGHT, title="T", value_title="bits")
    heights = {name: at[1] for name, at in texts_at(svg_of(chart), "[abc]").items()}
    assert sorted(heights, key=heights.get) == ["c", "b", "a"]
    assert all(below - above >= 20 for above, below in pairwise(sorted(heights.values())))
    assert "c ends at 0.900" in chart.to_dict()["description"]
    looks = looks_of(list(ends), LIGHT)
    assert len({look[0] for look in looks.values()}) == len({tuple(look[1]) for look in looks.values()}) == 3


def test_series_of_different_depths_share_the_axis():
    frame = pd.DataFrame({"layer": [0, 1, 2, 0], "series": ["deep", "deep", "deep", "flat"], "value": [1, 2, 3, 2.5]})
    chart = layer_series(frame, theme=DARK, title="T", value_title="bits", domain=(0, 4))
    line = layers(chart.to_dict(), "line")[0]
    assert line["encoding"]["x"]["scale"]["domain"] == [0, 2]
    assert line["encoding"]["y"]["scale"]["domain"] == [0, 4]
    # A line of one point is seen as a point.
    assert line["mark"]["point"]
    assert layer_series(frame[:1], theme=DARK, title="T", value_title="bits").to_dict()["layer"][0]["encoding"]["x"][
        "scale"
    ]["domain"] == [-0.5, 0.5]


def test_the_pruning_curve_starts_at_nothing_and_names_each_order():
    chart = pruning_curve(
        pruned(greedy=3, by_effect=2, by_gradient=1.5, at_random=1),
        theme=LIGHT,
        title="T",
        value_title="accuracy",
        plain=0.8,
    )
    spec, root = chart.to_dict(), svg_of(chart)
    line = layers(spec, "line")[0]["encoding"]
    assert line["x"]["scale"]["domain"] == [0, 10]
    assert line["color"]["scale"]["domain"] == ["greedy", "by effect", "by gradient", "at random"]
    # All end at 0 with every head off; the names stand in the order of the curves.
    names = texts_at(root, "greedy|by effect|by gradient|at random")
    assert sorted(names, key=lambda name: names[name][1]) == ["greedy", "by effect", "by gradient", "at random"]
    assert "nothing off 0.800" in written(root)
    assert "greedy: 0.000 after 10 heads" in spec["description"]
    # 0.8 (1 - 0.5^3) = 0.7
    told = [mark.get("aria-label").split("; ") for mark in marks(root, "circle")]
    assert len(told) == 44
    assert any({"order: greedy", "heads switched off: 5", "accuracy: 0.7"} <= set(words) for words in told)
    (tips,) = [layer["encoding"]["tooltip"] for layer in layers(spec, "circle")]
    assert {tip["title"]: tip.get("format") for tip in tips}["accuracy"] == ".3f"


def test_an_order_looks_alike_whatever_stands_beside_it():
    looks = order_looks({"at random", "greedy", "my order"}, LIGHT)
    assert list(looks) == ["greedy", "at random", "my order"]
    assert order_looks({"at random"}, LIGHT)["at random"] == looks["at random"]
    everything = order_looks({"greedy", "by effect", "by gradient", "at random", "my order", "yours"}, DARK)
    assert (
        len({colour for colour, _ in everything.values()}) == len({tuple(dash) for _, dash in everything.values()}) == 6
    )


def test_the_spread_of_random_orders_is_shaded_and_told():
    frame = pruned(at_random=1, greedy=2).assign(low=[*[0.1] * 11, *[np.nan] * 11], high=[*[0.9] * 11, *[np.nan] * 11])
    chart = pruning_curve(frame, theme=LIGHT, title="T", value_title="accuracy")
    spec = chart.to_dict()
    area = layers(spec, "area")[0]
    assert len(spec["datasets"][area["data"]["name"]]) == 11
    told = [mark.get("aria-label") for mark in marks(svg_of(chart), "circle")]
    assert sum("interval: 0.100 to 0.900" in label for label in told) == 11
    assert sum("interval: none" in label for label in told) == 11


def test_a_long_pruning_curve_is_thinned_and_keeps_its_ends():
    spec = pruning_curve(pruned(4000, greedy=2, by_effect=1), theme=LIGHT, title="T", value_title="accuracy").to_dict()
    rows = rows_with(spec, "removed")
    assert 4000 < len(rows) <= MOST_POINTS
    assert {(row["name"], row["removed"]) for row in rows} >= {("greedy", 0), ("greedy", 4000), ("by effect", 4000)}
    assert sum(len(found) for found in spec["datasets"].values()) <= 5000


def test_nothing_to_show_is_said():
    words = dict(theme=LIGHT, title="T", value_title="m")
    unknown = pd.DataFrame({"layer": [0], "series": "a", "value": np.nan})
    for chart, sentence in (
        (layer_lines(profile(0), **words), "There are no layers to show."),
        (layer_series(unknown, **words), "There are no layers to show."),
        (pruning_curve(pruned(greedy=1)[:0], **words), "No head was switched off yet."),
        (head_scatter(heads()[:0], theme=LIGHT, axes=False), "There are no heads to show."),
    ):
        assert written(svg_of(chart)) == [sentence]


def test_hostile_names_of_lines_stay_text():
    frame = pd.DataFrame(
        [(layer, name, 0.1) for name in NAMES for layer in range(2)], columns=["layer", "series", "value"]
    )
    hostile = "".join(NAMES)
    for chart in (
        layer_series(frame, theme=LIGHT, title="T", value_title=hostile),
        layer_lines(profile().assign(chosen=0.3), theme=LIGHT, title="T", value_title=hostile, chosen=NAMES[0]),
        pruning_curve(
            frame.rename(columns={"series": "order", "layer": "removed"}), theme=LIGHT, title="T", value_title=hostile
        ),
    ):
        root = svg_of(chart)
        assert_plain(root)
        assert any(clean(NAMES[0])[:20] in text for text in written(root))


def similarity(values, look=LIGHT, **options):
    told = dict(title="CKA", rows="layer", across="layer", label="linear CKA", diverging=False, square=True)
    return matrix_chart(values, theme=look, **told | options)


def cells(root) -> list[str]:
    return [mark.get("fill") for mark in marks(root, "rect mark")]


@pytest.mark.parametrize("look", [LIGHT, DARK])
def test_similarities_take_the_sequential_scale_from_zero_to_the_limit(look):
    values = np.array([[0.0, 0.5], [1.0, np.nan]])
    root = svg_of(similarity(values, look))
    level = ["rgb({}, {}, {})".format(*look.sequential[at]) for at in (0, 128, 255)]
    assert cells(root) == [*level, look.masked]
    # Twice the limit: the same values stand half as high.
    halved = similarity(values, look, limit=2.0)
    assert cells(svg_of(halved))[2] == level[1]
    assert {"0", "1", "2"} <= set(written(svg_of(halved)))
    assert rows_with(halved.to_dict(), "told")[3]["told"] == "none"


def test_a_small_matrix_has_its_numbers_in_the_cells_in_a_colour_that_can_be_read():
    values = np.linspace(0, 1, MOST_WRITTEN**2).reshape(MOST_WRITTEN, MOST_WRITTEN)
    values[2, 3] = np.nan
    chart = similarity(values)
    root = svg_of(chart)
    numbers = [text for text in root.iter(f"{SVG}text") if re.fullmatch(r"\d\.\d\d", text.text or "")]
    assert len(numbers) == MOST_WRITTEN**2 - 1
    assert numbers[0].get("fill") == "#000000"
    assert numbers[-1].get("fill") == "#ffffff"
    # Four characters of 14 pixels' type fit.
    assert chart.to_dict()["width"] / MOST_WRITTEN > 4 * 0.61 * 14
    for large in (
        similarity(np.ones((14, 14))),
        matrix_chart(np.ones((3, 3)), theme=LIGHT, title="", rows="", across="", label=""),
    ):
        assert not [text for text in written(svg_of(large)) if re.fullmatch(r"\d\.\d\d", text)]


def test_short_names_stand_upright_and_long_ones_aslant():
    def angle(names):
        return similarity(np.ones((len(names),) * 2), tokens=(names, names)).to_dict()["layer"][0]["encoding"]["x"][
            "axis"
        ]["labelAngle"]

    assert angle(["L0", "L1"]) == 0
    assert angle(["a long name", "another name"] * 6) == -52


def test_marks_are_few():
    assert [tick_step(count) for count in (1, 8, 9, 16, 17, 72, 144)] == [1, 1, 2, 2, 5, 10, 20]


def test_frames_are_left_as_they_were():
    frame = heads(colour=["a", "", "b", "a", "", "c"], text="t")
    kept = [one.copy() for one in (frame, profile(), pruned(greedy=1))]
    given = [one.copy() for one in kept]
    head_scatter(given[0], theme=LIGHT, selected="L0 H0", **SCORES)
    layer_lines(given[1], theme=LIGHT, title="T", value_title="m")
    pruning_curve(given[2], theme=LIGHT, title="T", value_title="m")
    for before, after in zip(kept, given, strict=True):
        pd.testing.assert_frame_equal(before, after)
