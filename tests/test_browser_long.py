"""A long text in a real Chromium: from afar, nearer by a drag, a pair or a search, and back; and texts from files."""

import json
from urllib.parse import urlencode

import pytest

from tests.browser_actions import canvas_of, first_picture, read_data, settled, wait_for_data
from tests.long_texts import letters, save_long_decoder

pytestmark = pytest.mark.browser
TOKENS = 1100
WHOLE = f"0,0,{TOKENS},{TOKENS}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_tokenizer):
    made = tmp_path_factory.mktemp("long decoder")
    save_long_decoder(made, tiny_tokenizer)
    return made


@pytest.fixture
def opened(server, tab, folder):
    asked = {"model": str(folder), "text": letters(TOKENS), "layer": "1", "head": "0"}
    tab.goto(f"{server}/?{urlencode(asked)}")
    first_picture(tab, "L1 H0")
    wait_for_data(tab, "head_view", "part", WHOLE)
    return tab


def part_of(page) -> list[int]:
    return [int(number) for number in read_data(page, "head_view", "part").split(",")]


def test_a_drag_shows_that_part_exactly_and_a_double_click_all_of_it(opened):
    place = json.loads(read_data(opened, "head_view", "place"))
    box = canvas_of(opened, "head_view").bounding_box()
    left, top, step = box["x"] + place["left"], box["y"] + place["top"], place["step"]
    opened.mouse.move(left + 25 * step, top + 150 * step)
    opened.mouse.down()
    opened.mouse.move(left + 75 * step, top + 180 * step, steps=4)
    opened.mouse.up()
    opened.wait_for_function("() => document.body.innerText.includes(': exact')")
    settled(opened)
    first_row, first_column, rows, columns = part_of(opened)
    # A cell stands for four tokens; the drag may begin and end within one.
    assert abs(first_row - 600) <= 4
    assert abs(first_column - 100) <= 4
    assert abs(rows - 124) <= 8
    assert abs(columns - 204) <= 8
    canvas_of(opened, "head_view").dblclick(position={"x": place["left"] + 40, "y": place["top"] + 40})
    wait_for_data(opened, "head_view", "part", WHOLE)


def test_a_strong_pair_is_gone_to_and_its_row_selected(opened):
    button = opened.locator(".strongest button").nth(3)
    query, key = (int(part.split(":")[0].split()[-1]) for part in button.get_attribute("title").split(", key"))
    button.click()
    opened.wait_for_function("() => document.body.innerText.includes(': exact')")
    settled(opened)
    first_row, first_column, rows, columns = part_of(opened)
    assert first_row <= query < first_row + rows
    assert first_column <= key < first_column + columns
    assert read_data(opened, "head_view", "selected") == f"q{query - first_row}"
    opened.wait_for_function(f"() => location.search.includes('token=q{query}')")


def test_a_word_is_found_and_the_keyboard_goes_back(opened):
    box = opened.get_by_label("Find", exact=True)
    box.fill("j j")
    box.press("Enter")
    opened.get_by_role("button", name="›").click()
    opened.wait_for_function("() => document.body.innerText.includes('1 of ')")
    settled(opened)
    assert part_of(opened)[2:] == [64, TOKENS]
    canvas_of(opened, "head_view").focus()
    opened.keyboard.press("Escape")
    wait_for_data(opened, "head_view", "part", WHOLE)


def test_a_click_in_a_pooled_cell_selects_its_strongest_query(opened):
    place = json.loads(read_data(opened, "head_view", "place"))
    box = canvas_of(opened, "head_view").bounding_box()
    opened.mouse.click(box["x"] + place["left"] + 75.5 * place["step"], box["y"] + place["top"] + 150.5 * place["step"])
    wait_for_data(opened, "head_view", "selected", "q150")
    settled(opened)
    opened.wait_for_function("() => /token=q60[0123]/.test(location.search)")
    assert "looks at" in opened.locator(".token-lists").first.inner_text()


def test_a_text_comes_from_a_file_and_a_window_of_it_is_moved(server, tab, tmp_path):
    (tmp_path / "story.md").write_text("cat " * 600 + "dog " * 600, encoding="utf-8")
    tab.goto(server)
    first_picture(tab, "L3 H1")
    tab.get_by_role("button", name="Input").click()
    tab.locator('input[type="file"]').first.set_input_files(tmp_path / "story.md")
    tab.wait_for_function("() => document.body.innerText.includes('the model takes 512')")
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="Move a window").click()
    tab.wait_for_function("() => document.body.innerText.includes('characters left out')")
    first_picture(tab, "L3 H1")
    assert tab.get_by_label("Sentence").input_value().startswith("cat cat")
    assert tab.locator(".tokens").inner_text().splitlines()[1] == "cat"
    tab.get_by_role("slider", name="First token of the window").press("End")
    tab.wait_for_function("() => document.querySelector('.tokens')?.innerText.split('\\n')[1] === 'dog'")
    assert "window_start=690" in tab.url
