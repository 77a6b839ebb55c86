"""The pages Heads and Compare in a real Chromium: click a head, a point, switch a head off, follow a cell in three maps."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser_actions import canvas_of, margin_place, read_data, settled, wait_for_data

pytestmark = pytest.mark.browser


def head_cell(page, layer: int, head: int) -> None:
    """Click a head in the first grid of scores."""
    page.mouse.click(*margin_place(page, layer, head))


def test_a_click_on_a_head_shows_its_evidence(server, tab):
    tab.goto(f"{server}/heads")
    wait_for_data(tab, "score_grid", "selected", "L3 H1")
    settled(tab)
    head_cell(tab, 0, 2)
    expect(tab.locator(".heading b", has_text="L0 H2")).to_have_count(1)
    expect(tab.locator(".heading .badge").first).to_be_visible()
    wait_for_data(tab, "head_view", "title", "L0 H2")
    tab.wait_for_url(re.compile("layer=0"))
    expect(tab.locator("table.head-table tr")).not_to_have_count(0)


def test_a_click_on_a_point_of_the_scatter_opens_its_head(server, tab):
    tab.goto(f"{server}/heads?heads_view=similar+heads&layer=2&head=8")
    chart = tab.locator('[data-testid="stVegaLiteChart"]').first
    expect(chart.locator("canvas, svg").first).to_be_visible(timeout=60_000)
    settled(tab)
    before = tab.locator(".heading b").first.text_content()
    box = chart.locator("canvas, svg").first.bounding_box()
    opened = False
    # The points stand anywhere: walk over the map until one is hit.
    for row in range(2, 18):
        for column in range(2, 18):
            tab.mouse.move(box["x"] + column * box["width"] / 20, box["y"] + row * box["height"] / 20)
            if tab.locator("#vg-tooltip-element.visible").count():
                tab.mouse.down()
                tab.mouse.up()
                opened = True
                break
        if opened:
            break
    assert opened
    expect(tab.locator(".heading b").first).not_to_have_text(before)


def test_a_head_is_switched_off_and_on_again_by_clicks(server, tab):
    tab.goto(f"{server}/heads?heads_view=interventions")
    wait_for_data(tab, "score_grid", "selected", "L3 H1")
    settled(tab)
    head_cell(tab, 2, 4)
    expect(tab.get_by_role("textbox", name="Changed heads")).to_have_value("L2H4:off")
    tab.wait_for_url(re.compile("edits=L2H4"))
    settled(tab)
    expect(tab.locator("table.effects").first).to_contain_text("L3 H1: margin")
    head_cell(tab, 2, 4)
    expect(tab.get_by_role("textbox", name="Changed heads")).to_have_value("")


def test_the_three_maps_are_hovered_together(server, tab):
    tab.goto(f"{server}/compare")
    wait_for_data(tab, "head_comparison", "focus", "-1 -1")
    settled(tab)
    place = json.loads(read_data(tab, "head_comparison", "places"))[0]
    box = canvas_of(tab, "head_comparison").bounding_box()
    tab.mouse.move(box["x"] + place["left"] + 2.5 * place["step"], box["y"] + place["top"] + 10.5 * place["step"])
    wait_for_data(tab, "head_comparison", "focus", "10 2")
    expect(tab.locator(".tooltip:visible")).to_contain_text("0.6768")
    expect(tab.locator(".figures b").first).to_have_text(re.compile(r"0\.\d{3}"))


def test_what_was_typed_survives_a_broken_intervention(server, tab):
    tab.goto(f"{server}/heads?heads_view=interventions")
    box = tab.get_by_role("textbox", name="Changed heads")
    box.fill("L3H1:offf")
    box.press("Enter")
    expect(tab.locator(".notice")).to_contain_text("names no intervention")
    expect(box).to_have_value("L3H1:offf")
