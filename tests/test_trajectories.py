"""Paths of tokens in three dimensions: lines and frames of the Plotly figure, its page, and the projection as a vector figure."""

import json
import re

import numpy as np
import pytest

from app.figures.theme import theme
from app.figures.trajectories import trajectory_figure, trajectory_page
from app.figures.trajectory_paths import MOST_LINES, MOST_WRITTEN, Paths, line_groups, token_looks, written_tokens
from app.figures.trajectory_projection import trajectory_svg, view_axes
from tests.hand_views import CLEANED, HOSTILE, SVG, read_svg, texts

LIGHT = theme("light")
# Two tokens, three states.
PLACES = np.array([[[0.0, 0, 0], [1, 0, 0], [2, 0, 0]], [[0, 0, 4], [0, 3, 4], [0, 3, 0]]])
PLAIN = Paths(PLACES, ("the", "the"), shares=(0.5, 0.25, 0.125))


def paths(count: int, **options) -> Paths:
    places = np.random.default_rng(0).normal(size=(count, 4, 3))
    return Paths(places, [f"t{token}" for token in range(count)], **options)


def figure(found: Paths, name: str = "light"):
    return trajectory_figure(found, theme=theme(name), title="T")


def test_each_token_is_a_line_of_its_own_through_all_states():
    first, second, moving = figure(PLAIN).data
    assert (first.name, second.name) == ("the (0)", "the (1)")
    assert np.array_equal(np.stack([second.x, second.y, second.z], axis=1), PLACES[1])
    assert [list(told) for told in first.customdata] == [["the (0)", "input"], ["the (0)", "L0"], ["the (0)", "L1"]]
    assert (list(moving.x), list(moving.z), list(moving.text)) == ([0, 0], [0, 4], ["the", "the"])
    assert first.line.color != second.line.color


def test_frames_move_only_the_points_and_the_slider_names_them():
    found = figure(PLAIN)
    assert [frame.name for frame in found.frames] == ["input", "L0", "L1"]
    assert [frame.traces for frame in found.frames] == [(2,)] * 3
    for state, frame in enumerate(found.frames):
        (points,) = frame.data
        assert np.array_equal(np.stack([points.x, points.y, points.z], axis=1), PLACES[:, state])
    (slider,) = found.layout.sliders
    assert [list(step.args[0]) for step in slider.steps] == [["input"], ["L0"], ["L1"]]
    assert [button.label for button in found.layout.updatemenus[0].buttons] == ["play", "pause"]


def test_two_texts_differ_in_dash_and_shape_and_count_by_themselves():
    found = figure(Paths(PLACES, ("a", "a"), texts=(0, 1), text_names=("river", "money"), chosen=(1,)))
    first, second, *points = found.data
    assert (first.name, second.name) == ("a (0) · river", "a (0) · money")
    assert (first.line.dash, second.line.dash) == ("solid", "dash")
    assert [trace.marker.symbol for trace in found.data] == ["circle", "diamond", "circle", "diamond"]
    assert (first.line.width, second.line.width) == (2, 5)
    assert len(points) == 2
    assert found.frames[2].traces == (2, 3)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_the_look_is_the_theme_s(name):
    layout = figure(PLAIN, name).layout
    assert (layout.paper_bgcolor, layout.font.color) == (theme(name).background, theme(name).text)
    assert [layout.scene[f"{axis}axis"].title.text for axis in "xyz"] == [
        "component 1, 50% variance", "component 2, 25% variance", "component 3, 12% variance",
    ]  # fmt: skip
    plain = figure(Paths(PLACES, ("a", "b"), axis="UMAP")).layout
    assert plain.scene.xaxis.title.text == "UMAP 1"


def test_many_tokens_share_a_line_with_gaps_but_for_the_chosen():
    found = paths(MOST_LINES + 1, chosen=(5,))
    assert line_groups(paths(MOST_LINES)) == [[token] for token in range(MOST_LINES)]
    rest, alone = line_groups(found)
    assert alone == [5]
    assert rest == [token for token in range(MOST_LINES + 1) if token != 5]
    line, chosen, points = figure(found).data
    assert line.name == "60 tokens"
    assert len(line.x) == 60 * 4 + 59
    assert [place for place, x in enumerate(line.x) if x is None] == list(range(4, 299, 5))
    assert np.allclose(list(line.x[10:14]), found.coordinates[2, :, 0])
    assert chosen.name == "t5 (5)"
    assert [text for text in points.text if text] == ["t5"]
    assert written_tokens(paths(MOST_WRITTEN)) == list(range(MOST_WRITTEN))


def test_500_tokens_stay_small():
    found = figure(Paths(np.random.default_rng(0).normal(size=(500, 13, 3)), ["token"] * 500, chosen=(1,)))
    assert len(found.data) == 3
    assert len(found.to_json()) < 2_000_000


def test_the_chosen_have_colours_of_their_own():
    looks = token_looks(paths(12, chosen=range(10)), LIGHT)
    assert len(set(looks[:8])) == 8
    assert looks[8:] == [LIGHT.quiet] * 4
    assert len(set(token_looks(paths(12), LIGHT))) == 12


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"tokens": ("a",)}, "are not"), ({"coordinates": np.zeros((2, 3))}, "are not"),
        ({"coordinates": np.full((2, 3, 3), np.nan)}, "not a number"), ({"texts": (0,)}, "for every token"),
        ({"texts": (0, 2)}, "0 or 1"), ({"shares": (0.5,)}, "1 shares"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(change, match):
    with pytest.raises(ValueError, match=match):
        Paths(**{"coordinates": PLACES, "tokens": ("a", "b"), **change})


def hostile() -> Paths:
    places = np.random.default_rng(0).normal(size=(len(HOSTILE), 3, 3))
    halves = [token % 2 for token in range(len(HOSTILE))]
    return Paths(places, HOSTILE, texts=halves, text_names=(HOSTILE[0], "$x$"), axis=HOSTILE[6], shares=(0.5, 0.3, 0.1))


def test_hostile_text_is_escaped_wherever_plotly_reads_html():
    found = trajectory_figure(hostile(), theme=LIGHT, title=HOSTILE[0])
    read = [found.layout.title.text]
    for trace in found.data:
        read += [trace.name, trace.hovertemplate.removesuffix("<extra></extra>").replace("<br>", "").replace("<b>", "")]
    for trace in (*found.data, *(trace for frame in found.frames for trace in frame.data)):
        read += [str(told) for pair in trace.customdata for told in pair]
    for text in read:
        assert not re.search(r"<(?!/b>)", text), text
        assert "$" not in text
    inside = [text for trace in found.data if trace.text is not None for text in trace.text]
    inside += [found.layout.scene[f"{axis}axis"].title.text for axis in "xyz"]
    assert any("<\u2060" in text for text in inside)
    assert not [text for text in inside if re.search(r"<[^\u2060]", text)]
    json.loads(found.to_json())


def test_the_page_holds_plotly_and_names_no_other_source():
    origin = {"model": HOSTILE[0], "picture": {"title": HOSTILE[0]}}
    page = trajectory_page(trajectory_figure(hostile(), theme=LIGHT, title="T"), origin)
    page.encode()
    assert len(page) > 3_000_000
    head = page[: page.index("<body>")]
    assert "default-src 'none'" in head
    assert not re.findall(r"<script[^>]* src=", page)
    assert not re.findall(r"<link ", head)
    told = re.search(r'<script type="application/json" id="provenance">(.*?)</script>', page, flags=re.S)
    assert json.loads(told.group(1)) == origin
    for token in HOSTILE[:1] + HOSTILE[6:7]:
        assert token not in page


@pytest.mark.browser
def test_the_page_is_drawn_and_played_with_the_network_off(chromium, tmp_path):
    path = tmp_path / "paths.html"
    path.write_text(trajectory_page(trajectory_figure(hostile(), theme=LIGHT, title=HOSTILE[0]), {}), encoding="utf-8")
    context = chromium.new_context(viewport={"width": 900, "height": 700}, offline=True)
    page, problems = context.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.goto(path.as_uri())
    page.wait_for_selector(".legend .traces", timeout=60_000)
    if page.locator(".no-webgl").count():
        context.close()
        pytest.skip("This Chromium has no WebGL.")
    shown = page.locator(".gtitle").text_content()
    assert shown == HOSTILE[0]
    names = page.locator(".legendtext").all_text_contents()
    assert len(names) == len(HOSTILE)
    assert names[6].startswith("\"'><script>alert(1)</script>")
    assert page.evaluate("document.querySelectorAll('img').length") == 0
    page.evaluate("Plotly.animate(document.querySelector('.js-plotly-plot'), ['L1'], {mode: 'immediate'})")
    page.wait_for_function("document.querySelector('.slider-label')?.textContent === 'state: L1'", timeout=60_000)
    moved = page.evaluate("document.querySelector('.js-plotly-plot').data.at(-1).x[0]")
    assert moved == pytest.approx(hostile().coordinates[1, 2, 0])
    context.close()
    assert not problems


def projected(found: Paths, name: str = "light", **options):
    return read_svg(trajectory_svg(found, theme=theme(name), title="T", provenance={"model": "m"}, **options))


def test_the_directions_of_a_view_are_of_length_one_and_upright():
    # From along x: right is +y, up is +z.
    assert np.allclose(view_axes((2, 0, 0)), [[0, 1, 0], [0, 0, 1]])
    view = view_axes((1.5, 1.5, 0.9))
    assert np.allclose(view @ view.T, np.eye(2))
    assert np.allclose(view @ [1.5, 1.5, 0.9], 0)
    assert view[1, 2] > 0
    for camera in ((0, 0, 1), (0, 0, 0), (np.nan, 0, 1)):
        with pytest.raises(ValueError, match="move the camera aside"):
            view_axes(camera)


def test_a_point_is_drawn_where_the_camera_sees_it():
    root = projected(PLAIN, camera=(1, 0, 0))
    lines = [path.get("d") for path in root.iter(f"{SVG}path") if path.get("stroke-dasharray")]
    drawn = [np.array([point.split() for point in line[1:].split("L")], dtype=float) for line in lines]
    # From along x only y (across) and z (up) are seen; the first token moves along x, so it stands still.
    assert np.ptp(drawn[0], axis=0) == pytest.approx([0, 0])
    side = 640 - 2 * 70
    # The second begins at the top left of the cube, goes right by its side, then down by it.
    assert np.diff(drawn[1], axis=0) == pytest.approx(np.array([[side, 0], [0, side]]), abs=0.05)
    assert (drawn[1][0] < drawn[1][2]).all()


@pytest.mark.parametrize("name", ["light", "dark"])
def test_the_projection_names_tokens_axes_and_texts(name):
    root = projected(Paths(PLACES, ("the", "bank"), texts=(0, 1), shares=(0.5, 0.3, 0.1), chosen=(1,)), name)
    written = texts(root)
    assert {"the", "bank", "first text", "second text", "1", "2", "3"} <= set(written)
    assert " ".join(written).count("component 1, 50% variance") == 1
    assert root.find(f"{SVG}rect").get("fill") == theme(name).background
    dashes = {path.get("stroke-dasharray") for path in root.iter(f"{SVG}path")}
    assert {"none", "7 5"} <= dashes
    assert json.loads(root.find(f"{SVG}metadata").text) == {"model": "m"}


def test_one_state_or_one_place_is_no_error():
    projected(Paths(np.zeros((1, 1, 3)), ("a",)))
    figure(Paths(np.zeros((1, 1, 3)), ("a",)))


def test_many_tokens_are_bounded_in_the_projection():
    svg = trajectory_svg(
        Paths(np.random.default_rng(0).normal(size=(500, 13, 3)), ["t"] * 500, chosen=(3,)), theme=LIGHT, title="T",
        provenance={},
    )  # fmt: skip
    assert len(svg) < 400_000
    assert texts(read_svg(svg)).count("t") == 1


def test_hostile_tokens_stay_text_in_the_projection():
    root = projected(hostile())
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        "svg",
        "title",
        "desc",
        "metadata",
        "rect",
        "text",
        "path",
    }
    wholes = [title.text for text in root.iter(f"{SVG}text") for title in text.iter(f"{SVG}title")]
    assert f"{CLEANED[0]} (0)" in wholes
