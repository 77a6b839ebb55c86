"""The pages States, Flow and Why in a real Chromium."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser_actions import FIND, canvas_of, read_data, settled, wait_for_data

pytestmark = pytest.mark.browser


def drawn(page) -> None:
    """Wait until the matrix is drawn and the page has come to rest."""
    page.wait_for_function(f"() => Number(({FIND})('value_matrix')?.dataset.updates) >= 1", timeout=60_000)
    settled(page)


def test_a_cell_of_the_states_says_its_exact_value(server, tab):
    tab.goto(f"{server}/states")
    drawn(tab)
    box = canvas_of(tab, "value_matrix").bounding_box()
    tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(tab.locator(".tooltip:visible")).to_contain_text(re.compile(r"\d\.\d{3}"))


def test_a_row_that_is_clicked_becomes_the_token(server, tab):
    tab.goto(f"{server}/states?states_view=similarity&position=2")
    drawn(tab)
    box = canvas_of(tab, "value_matrix").bounding_box()
    tab.mouse.click(box["x"] + 20, box["y"] + box["height"] / 2)
    tab.wait_for_url(re.compile("position=(?!2)"))


def test_trajectories_stand_in_three_dimensions(server, tab):
    tab.goto(f"{server}/states?states_view=trajectories")
    expect(tab.locator(".js-plotly-plot")).to_have_count(1, timeout=60_000)
    expect(tab.get_by_text("play", exact=True)).to_be_visible(timeout=60_000)


def test_methods_are_one_click_apart_from_the_weights(server, tab):
    tab.goto(f"{server}/flow")
    wait_for_data(tab, "head_comparison", "focus", "-1 -1")
    settled(tab)
    before = read_data(tab, "head_comparison", "updates")
    tab.get_by_role("combobox", name=re.compile("Beside the weights")).click()
    tab.get_by_role("option", name="ALTI contributions", exact=True).click()
    tab.wait_for_url(re.compile("flow_method=ALTI"))
    settled(tab)
    assert int(read_data(tab, "head_comparison", "updates")) > int(before)


def test_a_click_on_a_row_asks_why(server, tab):
    tab.goto(f"{server}/why")
    wait_for_data(tab, "head_view", "selected", "q10")
    settled(tab)
    place = json.loads(read_data(tab, "head_view", "place"))
    box = canvas_of(tab, "head_view").bounding_box()
    tab.mouse.click(box["x"] + place["left"] + 2.5 * place["step"], box["y"] + place["top"] + 6.5 * place["step"])
    tab.wait_for_url(re.compile("position=6"))
    wait_for_data(tab, "head_view", "selected", "q6")
