"""The charts of the coreference benchmark: order, intervals, baselines, the held-out choice, names and exact tooltips."""

import re
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from app.figures.label_places import label_places
from app.figures.leaderboard import NAMED_GAPS, accuracy_chart, gap_chart, group_chart
from app.figures.theme import hexadecimal, theme
from tests.hand_views import SVG, read_svg

LIGHT, DARK = theme("light"), theme("dark")
BASELINES = {"nearest candidate": 0.488, "first candidate": 0.512, "random": 0.5}


@cache
def heads() -> pd.DataFrame:
    """Return 72 heads; head h of layer l has accuracy 0.3 + (12 l + h) / 200 and gap (-1)^h (12 l + h) / 500."""
    rows = [
        {"layer": layer, "head": head, "name": f"L{layer} H{head}", "accuracy": 0.3 + number / 200, "low": 0.25 + number / 200,
         "high": 0.35 + number / 200, "pro": 0.5 + (-1) ** head * number / 1000, "anti": 0.5 - (-1) ** head * number / 1000,
         "gap": (-1) ** head * number / 500}
        for layer in range(6) for head in range(12) for number in (12 * layer + head,)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def groups() -> pd.DataFrame:
    rows = [
        ("gender", value, accuracy, low, high, who)
        for value in ("feminine", "masculine", "neutral")
        for who, accuracy, low, high in (
            ("L3 H1", 0.7, 0.6, 0.8),
            ("nearest", 0.45, 0.4, 0.5),
            ("random", 0.5, np.nan, np.nan),
        )
    ]
    rows += [("stereotype", value, 0.6, 0.5, 0.7, "L3 H1") for value in ("pro", "anti")]
    return pd.DataFrame(rows, columns=["group", "value", "accuracy", "low", "high", "who"])


def svg_of(chart):
    import vl_convert

    return read_svg(vl_convert.vegalite_to_svg(chart.to_dict()))


def written(root) -> list[str]:
    return [text.text for text in root.iter(f"{SVG}text") if text.text]


def colours(root) -> set[str]:
    return {element.get(part) for element in root.iter() for part in ("fill", "stroke")} - {None}


def place(element) -> list[float]:
    return [float(part) for part in re.findall(r"-?\d+\.?\d*", element.get("transform"))[:2]]


def tooltips(chart) -> list[dict]:
    """Return the tooltip of the last layer that has one."""
    return [layer["encoding"]["tooltip"] for layer in chart.to_dict()["layer"] if "tooltip" in layer["encoding"]][-1]


def texts_at(root, pattern: str) -> dict[str, list[float]]:
    return {
        text.text: place(text) for text in root.iter(f"{SVG}text") if text.text and re.fullmatch(pattern, text.text)
    }


CHARTS = {
    "accuracy": lambda chosen: accuracy_chart(heads(), BASELINES, theme=chosen, chosen="L3 H1"),
    "gap": lambda chosen: gap_chart(heads(), theme=chosen, chosen="L3 H1"),
    "group": lambda chosen: group_chart(groups(), theme=chosen),
}


@pytest.mark.parametrize("kind", CHARTS)
@pytest.mark.parametrize("appearance", [LIGHT, DARK])
def test_a_chart_is_drawn_in_its_theme_in_type_that_can_be_read(kind, appearance):
    chart = CHARTS[kind](appearance)
    root = svg_of(chart)
    assert appearance.background in colours(root)
    assert appearance.accent in colours(root)
    other = DARK if appearance is LIGHT else LIGHT
    assert not {other.background, other.text, other.accent} & colours(root)
    sizes = [float(text.get("font-size").removesuffix("px")) for text in root.iter(f"{SVG}text")]
    assert min(sizes) >= 14
    assert len(chart.to_dict()["description"]) > 40


def test_the_best_heads_stand_in_order_with_exact_numbers():
    root = svg_of(accuracy_chart(heads(), BASELINES, theme=LIGHT, most=5))
    names = texts_at(root, r"L\d+ H\d+")
    assert sorted(names, key=lambda name: names[name][1]) == ["L5 H11", "L5 H10", "L5 H9", "L5 H8", "L5 H7"]
    numbers = texts_at(root, r"0\.\d{3}")
    # 0.3 + 71 / 200 = 0.655; each number on the line of its head.
    assert sorted(numbers, key=lambda text: numbers[text][1]) == ["0.655", "0.650", "0.645", "0.640", "0.635"]
    tips = " ".join(element.get("aria-label", "") for element in root.iter())
    assert "head: L5 H11; 95% interval: 0.6050 to 0.7050" in tips
    formats = {tip["field"]: tip.get("format") for tip in tooltips(accuracy_chart(heads(), {}, theme=LIGHT))}
    assert formats == {"name": None, "accuracy": ".4f", "interval": None}
    assert {"0", "0.5", "1"} <= set(written(root))


def test_ties_keep_the_order_of_layers_and_heads():
    tied = heads().assign(accuracy=0.5)[::-1]
    names = texts_at(svg_of(accuracy_chart(tied, {}, theme=LIGHT, most=3)), r"L\d+ H\d+")
    assert sorted(names, key=lambda name: names[name][1]) == ["L0 H0", "L0 H1", "L0 H2"]


def test_the_chosen_head_is_shown_and_named_though_it_is_not_among_the_best():
    root = svg_of(accuracy_chart(heads(), BASELINES, theme=LIGHT, chosen="L0 H3", most=4))
    names = texts_at(root, r"L\d+ H\d+")
    assert len(names) == 5
    assert max(names, key=lambda name: names[name][1]) == "L0 H3"
    accent = [text.text for text in root.iter(f"{SVG}text") if text.get("fill") == LIGHT.accent]
    assert set(accent) == {"L0 H3", "0.315", "held-out choice"}
    assert "held-out choice" not in written(svg_of(accuracy_chart(heads(), BASELINES, theme=LIGHT, most=4)))


def test_baselines_are_named_at_their_rules_and_no_name_lies_on_another():
    root = svg_of(accuracy_chart(heads(), BASELINES, theme=LIGHT))
    labels = texts_at(root, "(nearest|first|random).*")
    assert sorted(labels) == ["first candidate 0.512", "nearest candidate 0.488", "random 0.500"]
    heights = sorted(y for _, y in labels.values())
    assert all(below - above >= 16 for above, below in pairwise(heights))
    # A name ends at the left of its rule, and rules further left are shorter than to reach it.
    ordered = sorted(labels, key=lambda label: labels[label][1])
    assert [label[:5] for label in ordered] == ["first", "rando", "neare"]
    ends = [labels[label][0] for label in ordered]
    assert ends == sorted(ends, reverse=True)


def test_named_gaps_are_the_largest_and_exact():
    root = svg_of(gap_chart(heads(), theme=LIGHT, chosen="L0 H4"))
    names = texts_at(root, r"L\d+ H\d+")
    assert set(names) == {f"L5 H{head}" for head in range(12 - NAMED_GAPS, 12)} | {"L0 H4"}
    tips = " ".join(element.get("aria-label", "") for element in root.iter())
    # 12 * 5 + 11 = 71: 0.5 -+ 0.071, gap -0.142.
    assert re.search(r"head: L5 H11; pro: 0\.4290; anti: 0\.5710; gap \(pro − anti\): [−-]0\.1420", tips)
    assert {hexadecimal(LIGHT.diverging[0]), hexadecimal(LIGHT.diverging[255])} <= colours(root)
    assert "L5 H11 -0.142" in gap_chart(heads(), theme=LIGHT).to_dict()["description"]


def test_a_head_without_a_gap_on_either_side_lies_on_the_line():
    level = heads().assign(pro=0.5, anti=0.5, gap=0.0)
    assert len(written(svg_of(gap_chart(level, theme=LIGHT)))) > NAMED_GAPS


def test_groups_stand_in_panels_with_a_shape_for_each():
    chart = group_chart(groups(), theme=LIGHT)
    root = svg_of(chart)
    assert {"gender", "stereotype", "feminine", "masculine", "neutral", "pro", "anti"} <= set(written(root))
    assert written(root).count("0.700") == 3
    assert written(root).count("0.600") == 2
    rules = [element for element in root.iter() if element.get("aria-roledescription") == "rule mark"]
    # random has no interval.
    assert len(rules) == 8
    points = [element for element in root.iter() if element.get("aria-roledescription") == "point"]
    assert len(points) == 11
    assert len({element.get("d") for element in points}) == 3
    assert sum("95% interval: none" in element.get("aria-label") for element in points) == 3
    assert "gender neutral, random: 0.500" in chart.to_dict()["description"]


def test_nothing_to_show_is_said():
    none = heads().iloc[:0]
    for chart, sentence in (
        (accuracy_chart(none, BASELINES, theme=LIGHT), "No head was scored."),
        (gap_chart(none, theme=LIGHT), "No head was scored by stereotype."),
        (group_chart(groups().iloc[:0], theme=LIGHT), "These examples have no groups."),
    ):
        assert written(svg_of(chart)) == [sentence]


def test_heads_without_a_score_are_left_out():
    frame = heads().assign(accuracy=[np.nan, *heads()["accuracy"][1:]], pro=[np.nan, *heads()["pro"][1:]])
    assert "Accuracy of 71 heads" in accuracy_chart(frame, {}, theme=LIGHT, most=99).to_dict()["description"]
    doubled = pd.concat([frame.iloc[:2], frame.iloc[:2]])
    assert "Accuracy of 2 heads" in gap_chart(doubled, theme=LIGHT).to_dict()["description"]


def test_hostile_names_stay_text():
    hostile = "</text><script>alert('1')</script>\" + 1 + \""
    frame = heads().assign(name=[hostile, *heads()["name"][1:]], accuracy=0.5)
    root = svg_of(accuracy_chart(frame, {hostile: 0.4}, theme=LIGHT, chosen=hostile, most=3))
    assert hostile in written(root)
    assert f"{SVG}script" not in {element.tag for element in root.iter()}


def test_frames_are_left_as_they_were():
    before = heads().copy()
    accuracy_chart(heads(), BASELINES, theme=LIGHT, chosen="L3 H1")
    gap_chart(heads(), theme=LIGHT)
    pd.testing.assert_frame_equal(heads(), before)


def test_names_of_points_avoid_each_other_and_the_edge():
    points = [(300.0, 300.0), (305.0, 302.0), (310.0, 298.0), (555.0, 5.0), (3.0, 557.0)]
    placed = label_places(points, {index: f"L1 H{index}" for index in range(5)}, 560.0)
    boxes = []
    for index, (dx, dy, align) in placed.items():
        x, y = points[index][0] + dx, points[index][1] + dy
        width = 5 * 9.8
        left = {"left": x, "right": x - width, "center": x - width / 2}[align]
        boxes.append((left, y - 9.5, left + width, y + 9.5))
    for index, box in enumerate(boxes):
        assert 0 <= box[0] < box[2] <= 560
        assert 0 <= box[1] < box[3] <= 560
        for other in boxes[:index]:
            assert box[2] <= other[0] or other[2] <= box[0] or box[3] <= other[1] or other[3] <= box[1]
    assert label_places([(9.0, 9.0)], {}, 100.0) == {}
