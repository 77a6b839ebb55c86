"""The matrix of numbers in a real Chromium: exact numbers on hover, zoom, picks, marks, and the strongest cell of a pixel."""

import json

import numpy as np
import pytest

from app.components.value_messages import value_matrix_message
from app.figures.theme import theme
from app.standalone import standalone_html
from tests.browser_actions import canvas_of, read_data, wait_for_data
from tests.hand_views import HOSTILE

pytestmark = pytest.mark.browser

NAME = "value_matrix"
HAND = np.array([[0.5, -2.0, 0.1], [0.0, 1.25, np.nan]], dtype=np.float32)


@pytest.fixture
def shown(chromium, tmp_path):
    """Return a function that opens a matrix in a page of its own, with the network off; errors fail the test."""
    contexts, problems = [], []

    def show(values=HAND, rows=("the", "bank"), columns=("0", "1", "2"), width=1280, dark=False, **options):
        settings = {
            "row_title": "token",
            "column_title": "dimension",
            "label": "state",
            "limit": 2.0,
            "diverging": True,
        }
        message = value_matrix_message(values, rows=rows, columns=columns, description="D", **{**settings, **options})
        page_of_its_own = standalone_html(NAME, message, {"picture": {"title": "Values"}}).decode()
        # What would go to Python is kept in the page.
        page_of_its_own = page_of_its_own.replace("setTriggerValue: () => {}", "setTriggerValue: window.keep")
        path = tmp_path / "values.html"
        path.write_text(page_of_its_own, encoding="utf-8")
        context = chromium.new_context(
            viewport={"width": width, "height": 800},
            offline=True,
            color_scheme="dark" if dark else "light",
            # The page is changed so that it keeps what was picked: its policy would refuse that script.
            bypass_csp=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.add_init_script("window.picks = []; window.keep = (name, value) => window.picks.push([name, value]);")
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


def spot(page, row: float, column: float) -> tuple[float, float]:
    """Return the middle of a cell on the screen, while all of the matrix is shown."""
    place, box = json.loads(read_data(page, NAME, "place")), canvas_of(page, NAME).bounding_box()
    x = box["x"] + place["left"] + (column + 0.5) * place["cell"]
    return x, box["y"] + place["top"] + (row + 0.5) * place["line"]


def colour(page, row: int, column: int) -> list[int]:
    place = json.loads(read_data(page, NAME, "place"))
    at = [place["left"] + (column + 0.3) * place["cell"], place["top"] + (row + 0.3) * place["line"]]
    read = "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data]"
    return canvas_of(page, NAME).evaluate(read, at)[:3]


def tooltip(page) -> list[str]:
    return page.locator(".tooltip:not([hidden])").inner_text().splitlines()


def test_hover_says_the_number_that_was_sent_and_where_it_stands(shown):
    page = shown(HAND + np.float32(0.1234567))
    page.mouse.move(*spot(page, 0, 1))
    assert tooltip(page) == ["−1.8765433", "token the, place 0", "dimension 1"]
    assert np.float32(-1.8765433) == np.float32(-2.0) + np.float32(0.1234567)
    page.mouse.move(*spot(page, 1, 2))
    assert tooltip(page)[0] == "no value"
    page.mouse.move(*spot(page, 1, -1.2))
    assert tooltip(page) == ["bank", "token 1"]
    assert page.locator(".line").inner_text() == "bank is largest at 1 (1.3734567), 0 (0.1234567)"
    page.mouse.move(*spot(page, -0.9, 1))
    assert tooltip(page) == ["1", "dimension 1"]


@pytest.mark.parametrize("dark", [False, True])
def test_colours_are_symmetric_about_zero_and_masked_where_there_is_no_value(shown, dark):
    look = theme("dark" if dark else "light")
    page = shown(dark=dark)
    assert colour(page, 0, 1) == look.diverging[0].tolist()
    # 0.5 of 2: a quarter of the upper half, so level round(255 * 0.625) = 159.
    assert colour(page, 0, 0) == look.diverging[159].tolist()
    assert colour(page, 1, 0) == look.diverging[128].tolist()
    assert colour(page, 1, 2) == [int(look.masked[start : start + 2], 16) for start in (1, 3, 5)]
    page = shown(np.abs(HAND), dark=dark, diverging=False)
    assert colour(page, 0, 1) == look.sequential[255].tolist()
    assert colour(page, 0, 0) == look.sequential[64].tolist()


def test_the_legend_says_the_ends_and_what_lies_beyond(shown):
    page = shown(limit=1.23456)
    assert page.locator(".legends").inner_text().splitlines() == [
        "−1.235 to +1.235, state; 2 beyond, the farthest −2", "no value",
    ]  # fmt: skip


def test_a_click_picks_a_cell_a_row_or_a_column_and_a_second_one_lets_go(shown):
    page = shown()
    for row, column in ((0, 1), (0, 1), (1, -1.2), (-0.9, 2)):
        page.mouse.click(*spot(page, row, column))
    assert page.evaluate("window.picks") == [
        ["pick", {"row": 0, "column": 1}], ["pick", {"row": None, "column": None}],
        ["pick", {"row": 1, "column": None}], ["pick", {"row": None, "column": 2}],
    ]  # fmt: skip


@pytest.mark.parametrize(("selected", "found"), [("", "-1 -1"), ("r1", "1 -1"), ("c2", "-1 2"), ("r1c0", "1 0")])
def test_what_is_selected_is_said_without_hovering(shown, selected, found):
    page = shown(selected=selected)
    assert read_data(page, NAME, "selected") == read_data(page, NAME, "focus") == found
    told = page.locator(".line").inner_text()
    assert told.startswith({"": "Drag to zoom", "r1": "bank", "c2": "2", "r1c0": "0 token bank, place 1"}[selected])


def test_the_keyboard_moves_the_selection_and_what_is_zoomed_into_follows(shown):
    values = np.arange(400.0).reshape(20, 20)
    names = [str(place) for place in range(20)]
    page = shown(values, rows=names, columns=names, limit=400)
    canvas_of(page, NAME).focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    assert page.evaluate("window.picks.at(-1)") == ["pick", {"row": 1, "column": 0}]
    assert page.locator(".line").inner_text() == "20 token 1; dimension 0"
    page.mouse.move(*spot(page, 5, 5))
    page.mouse.down()
    page.mouse.move(*spot(page, 9, 12), steps=4)
    page.mouse.up()
    wait_for_data(page, NAME, "zoom", "5 x 8")
    page.mouse.move(640, 790)
    page.keyboard.press("ArrowDown")
    page.mouse.move(*spot(page, 0, 0))
    assert tooltip(page)[1:] == ["token 2", "dimension 0"]
    page.mouse.dblclick(*spot(page, 1, 1))
    wait_for_data(page, NAME, "zoom", "all")
    page.mouse.move(*spot(page, 19, 19))
    assert tooltip(page)[0] == "399"


@pytest.mark.parametrize(("rows", "columns"), [(5, 384), (200, 1024), (12, 13)])
@pytest.mark.parametrize("width", [420, 1280])
def test_every_size_fits_the_page(shown, rows, columns, width):
    names = [[f"token{place}" for place in range(rows)], [str(place) for place in range(columns)]]
    values = np.random.default_rng(0).normal(size=(rows, columns))
    page = shown(values, *names, width=width, marked_columns=(3, 4, columns - 1), marked_rows=(2,))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    place, box = json.loads(read_data(page, NAME, "place")), canvas_of(page, NAME).bounding_box()
    assert place["left"] + columns * place["cell"] <= box["width"] + 0.5
    assert place["top"] + rows * place["line"] <= box["height"] + 0.5
    assert box["height"] < 620
    accent = [int(theme("light").accent[start : start + 2], 16) for start in (1, 3, 5)]
    read = "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x - 1, y, 3, 1).data]"
    for column in (3, columns - 1):
        at = [place["left"] + (column + 0.5) * place["cell"], place["top"] - 6]
        drawn = np.reshape(canvas_of(page, NAME).evaluate(read, at), (3, 4))
        near = np.abs(drawn[:, :3] - accent).max(axis=1) < 60
        assert (near & (drawn[:, 3] > 100)).any(), column


def test_where_cells_share_a_pixel_picture_and_pointer_mean_the_strongest(shown):
    values = np.full((300, 1024), 0.01)
    values[150, 511] = -3.0
    names = [[str(place) for place in range(size)] for size in values.shape]
    page = shown(values, *names, width=420, limit=3.0)
    place = json.loads(read_data(page, NAME, "place"))
    assert place["cell"] < 0.5
    x, y = spot(page, 150, 511)
    found = []
    for away in (-1, 0, 1):
        page.mouse.move(x + away, y)
        found.append(tooltip(page))
    assert ["−3", "token 150", "dimension 511"] in found
    page.mouse.move(640, 790)
    drawn = canvas_of(page, NAME).evaluate(
        "(c, [x, y]) => [...c.getContext('2d').getImageData(x, y, 9, 9).data]",
        [round(place["left"] + 511.5 * place["cell"]) - 4, round(place["top"] + 150.5 * place["line"]) - 4],
    )
    assert theme("light").diverging[0].tolist() in np.reshape(drawn, (-1, 4))[:, :3].tolist()


def test_a_square_matrix_has_square_cells(shown):
    page = shown(np.eye(12), [f"a{place}" for place in range(12)], [f"a{place}" for place in range(12)], square=True)
    place = json.loads(read_data(page, NAME, "place"))
    assert place["cell"] == pytest.approx(place["line"])


def test_hostile_names_stay_text(shown):
    values = np.eye(len(HOSTILE))
    titles = dict.fromkeys(("row_title", "column_title", "label"), HOSTILE[0])
    page = shown(values, HOSTILE, HOSTILE, selected="r0", marked_columns=(1,), marked_rows=(2,), **titles)
    page.mouse.move(*spot(page, 0, 0))
    assert page.evaluate("document.querySelectorAll('img').length") == 0
    assert HOSTILE[0] in tooltip(page)[1]
    assert page.locator(".line").inner_text().startswith(f"1 {HOSTILE[0]} {HOSTILE[0]}, place 0")
