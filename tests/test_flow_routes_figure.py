"""The graph of routes: every edge and state where it belongs, widths by contribution, hostile tokens as text."""

import json
import re

import numpy as np
import pytest

from app.figures.flow_routes import flow_routes
from app.figures.theme import theme
from model.analysis.information_routes import information_routes
from model.errors import HeadscopeError
from tests.hand_views import CLEANED, HOSTILE, SVG, read_svg

MAPS = np.array(
    [[[1.0, 0.0, 0.0], [0.3, 0.7, 0.0], [0.05, 0.0, 0.95]], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.4, 0.6]]]
)
TOKENS = ["the", "old", "bank"]


def drawn(maps=MAPS, tokens=TOKENS, position=2, appearance="light", **options):
    routes = information_routes(maps, position, threshold=0.1)
    told = {"title": "T", "provenance": {}, **options}
    return read_svg(flow_routes(routes, tokens, theme=theme(appearance), **told))


def group(root, name: str) -> list:
    return list(next(one for one in root.findall(f"{SVG}g") if one.get("class") == name))


def said(element) -> str:
    return element.find(f"{SVG}title").text


def ends(path) -> tuple[tuple[float, float], tuple[float, float]]:
    numbers = [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?", path.get("d"))]
    return tuple(numbers[:2]), tuple(numbers[-2:])


def test_edges_run_up_from_source_to_target_as_wide_as_they_contribute():
    root = drawn()
    edges = {said(path).split(";")[0]: path for path in group(root, "routes")}
    assert set(edges) == {
        "L1: 0.400 of “bank” (2) comes from “old” (1)",
        "L1: 0.600 of “bank” (2) comes from “bank” (2)",
        "L0: 0.300 of “old” (1) comes from “the” (0)",
        "L0: 0.700 of “old” (1) comes from “old” (1)",
        "L0: 0.950 of “bank” (2) comes from “bank” (2)",
    }
    (x, y), (upper_x, upper_y) = ends(edges["L1: 0.400 of “bank” (2) comes from “old” (1)"])
    assert x < upper_x
    assert y > upper_y
    widths = {name[4:9]: float(path.get("stroke-width")) for name, path in edges.items()}
    assert widths["0.300"] < widths["0.400"] < widths["0.600"] < widths["0.700"] < widths["0.950"]


def test_what_stays_and_what_moves_differ_in_colour():
    paths = group(drawn(), "routes")
    for path in paths:
        assert (path.get("class") == "stays") == (ends(path)[0][0] == ends(path)[1][0])
    colours = {kind: {path.get("stroke") for path in paths if path.get("class") == kind} for kind in ("stays", "moves")}
    assert colours == {"stays": {theme("light").quiet}, "moves": {theme("light").accent}}


def test_states_say_their_share():
    told = [said(node) for node in group(drawn(), "states") if node.find(f"{SVG}title") is not None]
    assert "“bank” (2), after L1: 1.000 of the chosen state comes through here" in told
    assert "“the” (0), input: 0.120 of the chosen state comes through here" in told
    assert len(told) == 6


@pytest.mark.parametrize("appearance", ["light", "dark"])
def test_sixty_tokens_stay_inside_and_apart(appearance):
    maps = np.random.default_rng(0).dirichlet(np.full(60, 0.05), size=(12, 60))
    root = drawn(maps, [f"word{number}" for number in range(60)], 59, appearance)
    width, height = float(root.get("width")), float(root.get("height"))
    for node in root.iter(f"{SVG}circle"):
        assert 0 < float(node.get("cx")) < width
        assert 0 < float(node.get("cy")) < height
    places = [float(text.get("x")) for text in root.findall(f"{SVG}text") if (text.text or "").startswith("word")]
    assert np.diff(places).min() >= 20
    assert root.find(f"{SVG}rect").get("fill") == theme(appearance).background


def test_hostile_tokens_stay_text():
    maps = np.full((1, len(HOSTILE), len(HOSTILE)), 1 / len(HOSTILE))
    root = drawn(maps, HOSTILE, 0, title=HOSTILE[0], provenance={"text": HOSTILE[0]})
    assert {element.tag for element in root.iter()} <= {
        f"{SVG}{name}" for name in ("svg", "title", "desc", "metadata", "rect", "text", "line", "g", "path", "circle")
    }
    told = [said(node) for node in group(root, "states") if node.find(f"{SVG}title") is not None]
    assert all(any(token in sentence for sentence in told) for token in CLEANED)
    assert "text" in json.loads(root.find(f"{SVG}metadata").text)


def test_there_is_one_token_for_each_position():
    with pytest.raises(HeadscopeError, match="3 positions and 2 tokens"):
        drawn(tokens=TOKENS[:2])
