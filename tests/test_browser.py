"""The main paths in a real Chromium: paste, open a head, hover, select, link, export, dark mode, keyboard."""

import re
from urllib.parse import urlencode

import pytest

from tests.browser_actions import canvas_of, centre_of, first_picture, grid_place, wait_for_data

pytestmark = pytest.mark.browser

HOSTILE = "</script><img src=x onerror=alert(1)> it & it"


def test_paste_and_open_heads(server, tab):
    tab.goto(server)
    first_picture(tab, "L3 H1")
    box = tab.get_by_label("Sentence")
    box.fill("The nurse thanked the lawyer.")
    box.press("Control+Enter")
    tab.wait_for_function("() => document.body.innerText.includes('8 of at most 512 tokens')")
    tab.mouse.click(*grid_place(tab, layer=0, head=2))
    wait_for_data(tab, "head_view", "title", "L0 H2")
    tab.wait_for_url(re.compile(r"layer=0&head=2"))
    assert tab.get_by_label("Layer", exact=True).input_value() == "L0"


def test_arrow_keys_move_and_widgets_are_equivalent(server, tab):
    tab.goto(server)
    first_picture(tab, "L3 H1")
    canvas_of(tab, "head_grid").focus()
    tab.keyboard.press("ArrowRight")
    wait_for_data(tab, "head_view", "title", "L3 H2")
    tab.keyboard.press("ArrowUp")
    wait_for_data(tab, "head_view", "title", "L2 H2")
    tab.get_by_label("Head", exact=True).click()
    tab.get_by_role("option", name="H5", exact=True).click()
    wait_for_data(tab, "head_view", "title", "L2 H5")
    wait_for_data(tab, "head_grid", "selected", "L2 H5")


def test_hover_shows_the_exact_number(server, tab):
    tab.goto(server)
    first_picture(tab, "L3 H1")
    tab.mouse.move(*centre_of(tab, query=10, key=2))
    shown = tab.locator(".tooltip:not([hidden])").inner_text()
    assert shown.splitlines()[0] == "it → animal"
    assert re.search(r"^0\.676\d$|^0\.677\d$", shown.splitlines()[1])


def test_clicking_a_token_selects_it_everywhere(server, tab):
    tab.goto(f"{server}/?token=")
    first_picture(tab, "L3 H1")
    tab.mouse.click(*centre_of(tab, query=7, key=7))
    wait_for_data(tab, "head_view", "selected", "q7")
    tab.wait_for_function("() => document.querySelector('.token-lists caption b')?.textContent === 'the'")
    tab.wait_for_url(re.compile("token=q7"))


def test_arrow_keys_select_rows_of_the_heatmap(server, tab):
    tab.goto(server)
    first_picture(tab, "L3 H1")
    canvas_of(tab, "head_view").focus()
    tab.keyboard.press("ArrowDown")
    wait_for_data(tab, "head_view", "selected", "q11")
    tab.wait_for_function("() => document.querySelector('.token-lists caption b')?.textContent === 'was'")
    tab.keyboard.press("ArrowUp")
    wait_for_data(tab, "head_view", "selected", "q10")


def test_zoom_and_back(server, tab):
    tab.goto(server)
    first_picture(tab, "L3 H1")
    tab.mouse.move(*centre_of(tab, query=2, key=2))
    tab.mouse.down()
    tab.mouse.move(*centre_of(tab, query=5, key=7), steps=4)
    tab.mouse.up()
    wait_for_data(tab, "head_view", "zoom", "4 x 6")
    tab.mouse.dblclick(*centre_of(tab, query=0, key=0))
    wait_for_data(tab, "head_view", "zoom", "all")


def test_a_reload_and_a_copied_link_show_the_same(server, tab, chromium):
    tab.goto(server)
    first_picture(tab, "L3 H1")
    tab.mouse.click(*grid_place(tab, layer=5, head=11))
    wait_for_data(tab, "head_view", "title", "L5 H11")
    tab.wait_for_url(re.compile("head=11"))
    tab.reload()
    first_picture(tab, "L5 H11")
    other = chromium.new_context().new_page()
    other.goto(tab.url)
    first_picture(other, "L5 H11")
    wait_for_data(other, "head_grid", "selected", "L5 H11")
    other.context.close()


def test_going_back_to_the_default_empties_the_address(server, tab):
    tab.goto(f"{server}/?layer=5")
    first_picture(tab, "L5 H1")
    tab.mouse.click(*grid_place(tab, layer=3, head=1))
    wait_for_data(tab, "head_view", "title", "L3 H1")
    tab.wait_for_url(re.compile(r"^[^?]*$"))


def test_a_model_that_is_not_there_keeps_the_text(server, tab):
    tab.goto(f"{server}/?text=My+own+sentence.")
    first_picture(tab, "L3 H1")
    tab.get_by_role("radio", name="Folder").click()
    tab.get_by_label("Local folder").fill("/no/such/folder")
    tab.get_by_label("Local folder").press("Enter")
    assert "neither a folder" in tab.locator(".notice").inner_text()
    assert tab.get_by_label("Sentence").input_value() == "My own sentence."
    tab.get_by_role("radio", name="Bundled").click()
    first_picture(tab, "L3 H1")
    tab.wait_for_url(re.compile(r"\?text="))
    assert "model=" not in tab.url


def brightness(page) -> float:
    """Return the mean green of what is drawn in the heatmap's canvas."""
    return canvas_of(page, "head_view").evaluate(
        """canvas => { const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        let sum = 0, count = 0;
        for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) { sum += data[i + 1]; count++; }
        return sum / count; }"""
    )


def test_dark_mode_follows_the_system(server, chromium):
    context = chromium.new_context(color_scheme="dark", viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(server)
    first_picture(page, "L3 H1")
    assert brightness(page) < 90
    context.close()


def test_dark_mode_follows_the_menu(server, tab):
    tab.goto(server)
    first_picture(tab, "L3 H1")
    assert brightness(tab) > 170
    tab.locator('[data-testid="stMainMenu"] button').click()
    tab.get_by_role("menuitemradio", name="Dark").click()
    tab.wait_for_timeout(1000)
    assert brightness(tab) < 90


def test_hostile_text_adds_nothing_to_the_page(server, tab):
    tab.goto(server)
    first_picture(tab, "L3 H1")
    count = "() => [document.querySelectorAll('script').length, document.querySelectorAll('img[src=\"x\"]').length]"
    before = tab.evaluate(count)
    tab.goto(f"{server}/?{urlencode({'text': HOSTILE, 'token': 'q3'})}")
    first_picture(tab, "L3 H1")
    assert tab.evaluate(count) == [before[0], 0]
    assert "script" in tab.locator(".tokens").inner_text()


def test_nothing_is_fetched_from_elsewhere(server, tab):
    tab.goto(server)
    first_picture(tab, "L3 H1")
    outside = [
        url for url in tab.requested if not url.startswith((server, server.replace("http", "ws"), "data:", "blob:"))
    ]
    assert not outside


def test_both_pages_width_show_grid_and_head_without_scrolling(server, tab):
    for width, height in ((1280, 800), (1920, 1080)):
        tab.set_viewport_size({"width": width, "height": height})
        tab.goto(server)
        first_picture(tab, "L3 H1")
        for name in ("head_grid", "head_view"):
            box = canvas_of(tab, name).bounding_box()
            assert box["x"] + box["width"] <= width
            assert box["y"] + box["height"] <= height
