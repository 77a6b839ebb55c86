"""The talk as a speaker has it: prepare, present with the keyboard alone, and the exported file with the network off."""

import pytest
from playwright.sync_api import expect

from app import talk_export
from app.ready_talks import READY, ready_talk
from app.scenes import shown
from tests.browser_actions import read_data, wait_for_data

pytestmark = pytest.mark.browser

NAME = next(iter(READY))


@pytest.fixture
def talk(server, tab):
    tab.goto(f"{server}/talk")
    tab.get_by_role("button", name="Begin with").click()
    tab.wait_for_selector("text=Add a scene of text alone")
    wait_for_data(tab, "talk_player", "scene", "0")
    tab.wait_for_selector('[data-testid="stStatusWidget"]', state="detached")
    # What the page showed before goes a moment after the new.
    expect(tab.get_by_label("Title")).to_have_count(1)
    return tab


def at(page) -> tuple[int, int]:
    return int(read_data(page, "talk_player", "scene")), int(read_data(page, "talk_player", "step"))


def walk(page, key: str, presses: int) -> list[tuple[int, int]]:
    places = []
    for _ in range(presses):
        page.keyboard.press(key)
        page.wait_for_timeout(60)
        places.append(at(page))
    return places


EVERY_STEP = [(0, 0), (1, 0), (2, 0), (3, 0), (3, 1), (4, 0), (4, 1), (4, 2), (4, 3), (5, 0), (6, 0), (7, 0), (8, 0)]


def test_presenting_with_the_keyboard_alone(talk):
    talk.get_by_role("button", name="Present full screen").focus()
    talk.keyboard.press("Enter")
    talk.wait_for_selector("dialog[open] .stage")
    box = talk.locator(".stage").bounding_box()
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 1280, 800)
    assert walk(talk, "PageDown", len(EVERY_STEP) - 1) == EVERY_STEP[1:]
    assert walk(talk, "ArrowRight", 1) == [(8, 0)]
    assert walk(talk, "PageUp", len(EVERY_STEP) - 1) == EVERY_STEP[-2::-1]
    assert walk(talk, "End", 1) == [(8, 0)]
    assert walk(talk, "Home", 1) == [(0, 0)]
    talk.keyboard.press("b")
    assert talk.locator(".stage .caption").is_hidden()
    assert walk(talk, "ArrowRight", 1) == [(0, 0)]
    assert talk.locator(".stage .caption").is_visible()
    talk.keyboard.press("Escape")
    talk.wait_for_selector("dialog:not([open])", state="attached")
    assert talk.locator(".talk-player > .stage").count() == 1


def test_the_arcs_come_after_the_sentence(talk):
    talk.get_by_role("button", name="Scene 4", exact=True).click()
    arcs = talk.locator(".talk-player .sentence-arcs text").first
    expect(arcs).to_have_css("opacity", "0")
    talk.get_by_role("button", name="Next", exact=True).click()
    expect(arcs).to_have_css("opacity", "1")


def test_light_and_dark(talk):
    stage = talk.locator(".stage")
    before = stage.evaluate("element => getComputedStyle(element).backgroundColor")
    stage.press("t")
    expect(stage).not_to_have_css("background-color", before)


def test_the_speaker_keeps_the_place_when_the_page_runs_again(talk):
    stage = talk.locator(".stage")
    before = stage.evaluate("element => getComputedStyle(element).backgroundColor")
    talk.get_by_role("button", name="Scene 4", exact=True).click()
    stage.press("t")
    stage.press("ArrowRight")
    assert at(talk) == (3, 1)
    talk.get_by_label("Title").fill("Another title")
    talk.get_by_label("Title").press("Enter")
    expect(talk.locator(".talk-player .name")).to_have_text("Another title")
    assert at(talk) == (3, 1)
    expect(stage).not_to_have_css("background-color", before)


def test_a_scene_is_added_from_another_page_and_survives_a_reload(server, tab):
    tab.goto(f"{server}/coreference")
    wait_for_data(tab, "sentence_arcs", "arcs", "2")
    tab.get_by_role("button", name="Add to talk").click()
    tab.get_by_label("Caption").fill("My <b>caption</b>")
    tab.get_by_label("Caption").press("Control+Enter")
    tab.get_by_role("button", name="Add", exact=True).click()
    tab.wait_for_selector("text=The talk has 1 scene.")
    tab.get_by_role("link", name="Talk").click()
    wait_for_data(tab, "talk_player", "scene", "0")
    tab.wait_for_function("() => location.search.includes('talk=')")
    tab.reload()
    wait_for_data(tab, "talk_player", "scene", "0")
    assert tab.locator(".talk-player .caption").inner_text() == "My <b>caption</b>"


def test_the_exported_file_presents_itself_with_the_network_off(chromium, tmp_path):
    made = ready_talk(NAME)
    path = tmp_path / "talk.html"
    path.write_bytes(talk_export.talk_html(made, [shown(scene, lambda share: None) for scene in made.scenes], "dark"))
    assert path.stat().st_size < 2_000_000
    context = chromium.new_context(offline=True, viewport={"width": 1920, "height": 1080})
    page, problems = context.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
    page.goto(path.as_uri())
    wait_for_data(page, "talk_player", "scene", "0")
    assert page.locator(".token-row .token").count() == 16
    assert walk(page, "ArrowRight", len(EVERY_STEP) - 1) == EVERY_STEP[1:]
    assert page.url.endswith("#9")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    wait_for_data(page, "head_view", "title", "L3 H1")
    canvas = page.locator(".head-view .matrix canvas").bounding_box()
    page.mouse.move(canvas["x"] + canvas["width"] / 2, canvas["y"] + canvas["height"] / 2)
    assert "→" in page.locator(".head-view .tooltip:not([hidden])").inner_text()
    assert not problems
    context.close()
