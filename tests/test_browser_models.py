"""The pages of architecture and position in a real Chromium: a translation step by step, positions, what a layer costs."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser_actions import canvas_of, margin_place, read_data, settled, wait_for_data

pytestmark = pytest.mark.browser


def charts(page, count: int) -> None:
    """Wait until so many charts are drawn, none of them empty."""
    found = page.locator('[data-testid="stVegaLiteChart"] canvas, [data-testid="stVegaLiteChart"] svg')
    expect(found).to_have_count(count, timeout=60_000)
    assert all(found.nth(place).bounding_box()["width"] > 200 for place in range(count))


def test_a_translation_is_walked_through_with_its_beam(server, tab):
    tab.goto(f"{server}/translation?translator=side+by+side&search=beam&written=2")
    wait_for_data(tab, "head_view", "title", "cross L3 mean")
    lattice = tab.locator(".headscope.picture svg").first
    expect(lattice.locator("desc")).to_contain_text("2 of 11 steps")
    tab.get_by_role("button", name="Next", exact=True).click()
    expect(lattice.locator("desc")).to_contain_text("3 of 11 steps")
    expect(tab.locator(".german .now").first).to_have_text("mädchen")
    assert tab.locator(".german").count() == 2
    tab.wait_for_url(re.compile("written=3"))


def test_the_lattice_says_each_score_on_hover_and_keeps_its_end_in_sight(server, tab):
    tab.goto(f"{server}/translation?search=beam")
    picture = tab.locator(".headscope.picture").first
    expect(picture.locator("svg")).to_be_visible(timeout=60_000)
    assert picture.evaluate("frame => frame.scrollWidth > frame.clientWidth")
    assert picture.evaluate("frame => frame.scrollLeft + frame.clientWidth >= frame.scrollWidth - 2")
    assert any("mean" in title for title in picture.locator("g title, text title, rect title").all_text_contents())


def test_positions_from_the_sinusoids_to_the_first_layer(server, tab):
    tab.goto(f"{server}/position")
    charts(tab, 4)
    tab.get_by_role("radio", name="First layer").click()
    charts(tab, 5)
    tab.wait_for_url(re.compile("position_view=first\\+layer"))
    tab.get_by_role("radio", name="Length").click()
    charts(tab, 1)


def test_a_head_of_the_word_order_is_opened_by_a_click(server, tab):
    tab.goto(f"{server}/position?position_view=word+order&order=no+positions")
    wait_for_data(tab, "head_view", "title", "L3 H1 as written")
    settled(tab)
    tab.mouse.click(*margin_place(tab, 4, 7))
    wait_for_data(tab, "head_view", "title", "L4 H7 as written")
    canvas_of(tab, "score_grid").focus()
    tab.keyboard.press("ArrowRight")
    wait_for_data(tab, "head_view", "title", "L4 H8 as written")
    assert read_data(tab, "score_grid", "selected") == "L4 H8"


def test_costs_are_counted_and_their_sizes_stay_in_the_address(server, tab):
    tab.goto(f"{server}/cost?cost_length=128&cost_kernel=5")
    charts(tab, 2)
    box = tab.get_by_label("n, length")
    expect(box).to_have_value("128")
    box.fill("64")
    box.press("Enter")
    tab.wait_for_url(re.compile("cost_length=64"))
    assert "cost_kernel=5" in tab.url
