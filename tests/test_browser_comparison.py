"""Two heads and their difference in a real Chromium: one hover, one zoom, one selection for all three, at every width."""

import json

import numpy as np
import pytest

from app.components.comparison_messages import comparison_message
from app.figures.theme import diverging_position, theme
from app.standalone import standalone_html
from model.analysis.comparison import compare_views
from tests.browser_actions import read_data, wait_for_data
from tests.hand_views import HOSTILE, hand_view, random_view

pytestmark = pytest.mark.browser

NAME = "head_comparison"
FIRST = hand_view([[0.75, 0.25, 0], [0.5, 0.25, 0.25], [0, 0.5, 0.5]], tokens=("the", "nurse", "ran"))
SECOND = hand_view(
    [[0.25, 0.25, 0.5], [0.5, 0.5, 0], [0, 0.125, 0.875]], tokens=("the", "doctor", "ran"),
    mask=[[True, True, True], [True, True, False], [True, True, True]],
)  # fmt: skip


@pytest.fixture
def shown(chromium, tmp_path):
    """Return a function that opens a comparison in a page of its own, with the network off; errors fail the test."""
    contexts, problems = [], []

    def show(first=FIRST, second=SECOND, width=1280, dark=False, **options):
        settings = {"selected": "", "scale": "linear", "common": True, **options}
        message = comparison_message(compare_views(first, second), titles=("A", "B"), description="Both.", **settings)
        path = tmp_path / "comparison.html"
        path.write_bytes(standalone_html(NAME, message, {"picture": {"title": "A and B"}}))
        context = chromium.new_context(
            viewport={"width": width, "height": 800}, offline=True, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.on("console", lambda told: problems.append(told.text) if told.type == "error" else None)
        page.goto(path.as_uri())
        page.wait_for_selector(".headscope[data-draw-milliseconds]")
        page.wait_for_timeout(100)
        return page

    yield show
    for context in contexts:
        context.close()
    assert not problems


def spot(page, side: int, query: float, key: float) -> tuple[float, float]:
    """Return the middle of a cell of one of the three maps on the screen."""
    place, box = json.loads(read_data(page, NAME, "places"))[side], boxes(page)[side]
    return box["x"] + place["left"] + (key + 0.5) * place["step"], box["y"] + place["top"] + (query + 0.5) * place[
        "step"
    ]


def boxes(page) -> list[dict]:
    return [canvas.bounding_box() for canvas in page.query_selector_all(".headscope canvas")]


def colour(page, side: int, query: int, key: int) -> list[int]:
    """Return the colour of a cell, a little beside its middle."""
    place = json.loads(read_data(page, NAME, "places"))[side]
    x, y = (place[start] + (index + 0.3) * place["step"] for start, index in (("left", key), ("top", query)))
    canvas = page.query_selector_all(".headscope canvas")[side]
    return canvas.evaluate("(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data]", [x, y])[:3]


def tooltip(page) -> list[str]:
    return page.locator(".tooltip:not([hidden])").inner_text().splitlines()


@pytest.mark.parametrize("side", [0, 1, 2])
def test_hover_says_the_exact_numbers_of_all_three_and_marks_the_same_cell_everywhere(shown, side):
    page = shown()
    page.mouse.move(*spot(page, side, 0, 3))
    assert tooltip(page) == ["the → ran", "0.0000  A", "0.5000  B", "+0.5000 B − A"]
    assert read_data(page, NAME, "focus") == "0 3"
    accent = [0xC2, 0x41, 0x0C]
    for canvas, place in zip(
        page.query_selector_all(".headscope canvas"), json.loads(read_data(page, NAME, "places")), strict=True
    ):
        at = [place["left"] + 0.5 * place["step"], place["top"]]
        drawn = canvas.evaluate("(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data]", at)
        assert np.abs(np.array(drawn[:3]) - accent).max() < 40
    page.mouse.move(640, 700)
    assert read_data(page, NAME, "focus") == "-1 -1"
    assert page.locator(".tooltip").is_hidden()


def test_what_is_masked_or_missing_is_said(shown):
    page = shown()
    # Rows and columns: the, nurse, doctor, ran.
    page.mouse.move(*spot(page, 2, 1, 2))
    assert tooltip(page) == ["nurse → doctor", "no such token A", "no such token B"]
    page.mouse.move(*spot(page, 0, 2, 3))
    assert tooltip(page) == ["doctor → ran", "no such token A", "masked  B"]
    page.mouse.move(*spot(page, 0, 1, 0))
    assert page.locator(".line").inner_text() == "nurse is not in both"
    assert page.locator(".legends").inner_text().splitlines() == [
        "0 to 1, linear", "−0.500 to +0.500, difference", "masked, no such token",
    ]  # fmt: skip


@pytest.mark.parametrize("dark", [False, True])
def test_the_difference_is_symmetric_about_zero(shown, dark):
    page = shown(dark=dark)
    scale = theme("dark" if dark else "light").diverging
    for key, difference in ((0, -0.5), (3, 0.5)):
        expected = scale[round(255 * float(diverging_position(np.array(difference), 0.5)))]
        assert colour(page, 2, 0, key) == expected.tolist()
    assert colour(page, 2, 3, 0) == scale[128].tolist()
    assert colour(page, 0, 0, 0) == theme("dark" if dark else "light").sequential[round(255 * 0.75)].tolist()


@pytest.mark.parametrize("side", [0, 2])
def test_a_dragged_rectangle_zooms_all_three_and_a_double_click_goes_back(shown, side):
    view = random_view(12, 12)
    page = shown(view, hand_view(np.flip(view.weights).copy(), view.query_tokens, view.key_tokens))
    step = json.loads(read_data(page, NAME, "places"))[0]["step"]
    page.mouse.move(*spot(page, side, 2, 3))
    page.mouse.down()
    page.mouse.move(*spot(page, side, 5, 9), steps=4)
    page.mouse.up()
    wait_for_data(page, NAME, "zoom", "4 x 7")
    places = json.loads(read_data(page, NAME, "places"))
    assert len({place["step"] for place in places}) == 1
    assert places[0]["step"] > step
    for other in (0, 1, 2):
        page.mouse.move(*spot(page, other, 0, 0))
        assert tooltip(page)[0] == "q2 → k3"
    page.mouse.dblclick(*spot(page, 1, 0, 0))
    wait_for_data(page, NAME, "zoom", "all")
    page.mouse.move(*spot(page, 1, 0, 0))
    assert tooltip(page)[0] == "q0 → k0"


def test_the_keyboard_selects_rows_and_zooms(shown):
    page = shown(random_view(9, 9), random_view(9, 9))
    page.query_selector_all(".headscope canvas")[1].focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    wait_for_data(page, NAME, "selected", "q1")
    assert page.locator(".line").inner_text().startswith("q1 moves 0.000 of its attention")
    before = read_data(page, NAME, "places")
    page.keyboard.press("+")
    wait_for_data(page, NAME, "zoom", "7 x 7")
    page.keyboard.press("Escape")
    wait_for_data(page, NAME, "zoom", "all")
    assert read_data(page, NAME, "places") == before


def test_a_click_selects_in_all_three_and_a_second_one_lets_go(shown):
    page = shown()
    page.mouse.click(*spot(page, 2, 3, 1))
    wait_for_data(page, NAME, "selected", "q3")
    page.mouse.move(640, 700)
    assert page.locator(".line").inner_text() == "ran moves 0.375 of its attention, most at ran +0.375"
    page.mouse.click(*spot(page, 0, -0.7, 0))
    wait_for_data(page, NAME, "selected", "k0")
    page.mouse.click(*spot(page, 1, -0.7, 0))
    wait_for_data(page, NAME, "selected", "")


@pytest.mark.parametrize("length", [3, 10, 128])
@pytest.mark.parametrize("width", [420, 1280])
def test_three_maps_of_one_cell_size_fit_any_width(shown, width, length):
    view = random_view(length, length, causal=True)
    page = shown(view, view, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    places, drawn = json.loads(read_data(page, NAME, "places")), boxes(page)
    assert len({place["step"] for place in places}) == 1
    assert len({box["height"] for box in drawn}) == 1
    beside = len({box["y"] for box in drawn}) == 1
    assert beside == (width > 760)
    for place, box in zip(places, drawn, strict=True):
        assert place["left"] + length * place["step"] <= box["width"] + 0.5
        assert place["top"] + length * place["step"] <= box["height"] + 0.5
        assert box["x"] + box["width"] <= width


def test_hostile_tokens_stay_text(shown):
    view = hand_view(np.full((8, 8), 1 / 8), tokens=HOSTILE)
    page = shown(view, view, selected="q0")
    assert page.evaluate("document.querySelectorAll('img').length") == 0
    assert page.locator(".line").inner_text().startswith("</script><img src=x onerror=alert(1)>")
