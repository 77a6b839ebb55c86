"""The Coreference page in a real Chromium: arcs, clicking and keying words, the grid of margins, minimal pairs, exports."""

import io
import json
import re

import pandas as pd
import pytest
from pypdf import PdfReader

from tests.browser_actions import canvas_of, download, margin_place, wait_for_data

pytestmark = pytest.mark.browser

HOSTILE = "</script><img src=x onerror=alert(1)> it saw the dog and the cat because it ran"


@pytest.fixture
def page(server, tab):
    tab.goto(f"{server}/coreference")
    wait_for_data(tab, "sentence_arcs", "arcs", "2")
    return tab


def test_the_arcs_stand_over_their_words(page):
    assert page.locator(".sentence-arcs text").all_text_contents() == ["0.050", "✓ 0.677"]
    word = page.get_by_role("button", name="animal", exact=True).bounding_box()
    arc = page.locator(".sentence-arcs path").nth(1)
    end = arc.evaluate(
        "arc => { const point = arc.getPointAtLength(arc.getTotalLength()); return [point.x, point.y]; }"
    )
    drawn = page.locator(".sentence-arcs svg").bounding_box()
    assert drawn["x"] + end[0] == pytest.approx(word["x"] + word["width"] / 2, abs=2)
    assert drawn["y"] + end[1] == pytest.approx(word["y"], abs=4)


def test_a_click_on_a_head_shows_it_in_arcs_and_in_full(page):
    page.mouse.click(*margin_place(page, 5, 11))
    wait_for_data(page, "sentence_arcs", "title", "L5 H11")
    wait_for_data(page, "head_view", "title", "L5 H11")
    page.wait_for_url(re.compile("layer=5&head=11.*choice=one"))
    canvas_of(page, "score_grid").focus()
    page.keyboard.press("ArrowLeft")
    wait_for_data(page, "head_view", "title", "L5 H10")


def test_words_are_chosen_with_mouse_and_keyboard(page):
    page.get_by_role("button", name="cross", exact=True).click()
    wait_for_data(page, "sentence_arcs", "arcs", "3")
    page.get_by_role("button", name="cross", exact=True).press("Enter")
    wait_for_data(page, "sentence_arcs", "arcs", "2")
    page.get_by_role("button", name="tired", exact=True).press("m")
    page.wait_for_url(re.compile("mention=10"))
    page.get_by_role("button", name="was", exact=True).click(modifiers=["Shift"])
    page.wait_for_url(re.compile("mention=8"))
    page.wait_for_selector(".sentence-arcs .word.mention:has-text('was')")


def test_hovering_a_word_tells_its_weight(page):
    page.get_by_role("button", name="animal", exact=True).hover()
    shown = page.locator(".sentence-arcs .tooltip:not([hidden])").inner_text().splitlines()
    assert shown[0] == "animal"
    assert shown[1].startswith("0.67")


def test_a_minimal_pair_is_one_click_away(page):
    page.get_by_role("button", name="Minimal pairs").click()
    page.get_by_role("button", name="doctors, patients").click()
    page.wait_for_function("() => location.search.includes('other=')")
    page.wait_for_timeout(500)
    page.wait_for_selector('[data-testid="stStatusWidget"]', state="detached")
    assert page.get_by_label("Second sentence").input_value().endswith("ill.")
    assert page.locator(".sentence-arcs").count() == 2
    assert page.locator(".score-grid").count() == 3


def test_hostile_text_is_text(server, tab):
    tab.goto(f"{server}/coreference")
    wait_for_data(tab, "sentence_arcs", "arcs", "2")
    box = tab.get_by_label("Sentence", exact=True)
    box.fill(HOSTILE)
    box.press("Control+Enter")
    tab.wait_for_selector(".sentence-arcs .word:has-text('onerror')")
    assert tab.locator(".sentence-arcs img").count() == 0


def test_the_arcs_are_exported(page, tmp_path):
    page.get_by_role("button", name="Export").click()
    formats = ("SVG", "PDF", "CSV", "HTML")
    files = {extension: download(page, "arcs", extension, tmp_path).read_bytes() for extension in formats}
    frame = pd.read_csv(io.BytesIO(files["CSV"]))
    assert frame[frame.text == "animal"].weight.item() == pytest.approx(0.677, abs=1e-3)
    assert frame[frame.role == "mention"].text.item() == "it"
    subject = json.loads(PdfReader(io.BytesIO(files["PDF"])).metadata["/Subject"])
    assert subject["picture"]["heads"] == ["L3 H1"]
    assert b"0.677" in files["SVG"]
    assert b"Content-Security-Policy" in files["HTML"]
