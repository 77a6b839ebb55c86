"""Every page for everybody: no serious finding of axe-core, light and dark, and everything works from the keyboard."""

import re

import pytest

from app.navigation import PAGES
from app.ready_talks import READY, ready_talk
from app.scenes import shown
from app.standalone import standalone_html
from app.talk_export import talk_html
from tests.browser_actions import canvas_of, settled, wait_for_data
from tests.page_checks import TABS, THOROUGH, findings, walk_with_tab
from tests.screenshots import PAGES as WAITS
from tests.screenshots import SELECTIONS
from tests.test_export_pages import COMPONENTS, message_of

pytestmark = pytest.mark.browser

NAMES = [page.url_path for page in PAGES]
POPOVER = '[data-testid="stPopoverBody"]'
# A page of canvases and one of charts.
DIFFERENT = ("attention", "heads")


@pytest.fixture
def opened(server, chromium):
    """Return a function that opens a page in light or dark and waits until its pictures are drawn."""
    contexts = []

    def open_page(name: str, scheme: str = "light", path: str | None = None):
        # axe-core is put into pages whose policy forbids every other script.
        contexts.append(
            chromium.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 800}, bypass_csp=True)
        )
        page = contexts[-1].new_page()
        page.goto(f"{server}{path or SELECTIONS.get(name, f'/{name}')}")
        if path is None:
            WAITS[name](page)
        return page

    yield open_page
    for context in contexts:
        context.close()


def test_every_page_is_looked_at():
    assert set(NAMES) == set(WAITS)


@pytest.mark.parametrize(
    ("name", "scheme"),
    [(name, "light") for name in NAMES] + [(name, "dark") for name in (NAMES if THOROUGH else DIFFERENT)],
)
def test_nothing_serious_is_found(opened, name, scheme):
    page = opened(name, scheme)
    found = findings(page)
    popovers = page.locator('[data-testid="stMain"] [data-testid="stPopover"] button')
    for index in range(popovers.count()):
        if popovers.nth(index).is_visible() and popovers.nth(index).is_enabled():
            popovers.nth(index).click()
            page.wait_for_selector(POPOVER)
            page.wait_for_timeout(250)
            found += findings(page, POPOVER)
            page.keyboard.press("Escape")
            page.wait_for_selector(POPOVER, state="hidden")
    assert not found, "\n".join(sorted(set(found)))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_is_found_where_something_went_wrong(opened, scheme):
    page = opened("attention", scheme, f"/?text={'word%20' * 700}")
    page.get_by_role("alert").first.wait_for(timeout=60_000)
    settled(page)
    assert page.get_by_role("button", name=re.compile("Cut after")).is_visible()
    assert findings(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("component", COMPONENTS)
def test_nothing_serious_is_found_in_a_file_of_its_own(chromium, tmp_path, component, scheme):
    path = tmp_path / "page.html"
    path.write_bytes(standalone_html(component, message_of(component), {"picture": {"title": "A picture"}}))
    context = chromium.new_context(color_scheme=scheme, bypass_csp=True, offline=True)
    page = context.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector(".headscope[data-draw-milliseconds]")
    assert findings(page) == []
    stops, unreached, unseen = walk_with_tab(page)
    assert stops
    assert not unreached
    assert not unseen
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_is_found_in_a_talk_of_its_own(chromium, tmp_path, scheme):
    talk = ready_talk(next(iter(READY)))
    path = tmp_path / "talk.html"
    path.write_bytes(talk_html(talk, [shown(scene, lambda share: None) for scene in talk.scenes], scheme))
    context = chromium.new_context(bypass_csp=True, offline=True)
    page = context.new_page()
    page.goto(path.as_uri())
    wait_for_data(page, "talk_player", "scene", "0")
    for _ in talk.scenes:
        page.wait_for_timeout(600)
        assert findings(page) == []
        page.keyboard.press("PageDown")
    context.close()


@pytest.mark.parametrize("name", NAMES if THOROUGH else DIFFERENT)
def test_everything_is_reached_with_tab_and_the_focus_is_seen(opened, name):
    page = opened(name)
    stops, unreached, unseen = walk_with_tab(page)
    assert len(stops) > 12, stops
    assert len(stops) < TABS, stops[-8:]
    assert not unreached
    assert not unseen


def test_a_popover_opens_and_closes_from_the_keyboard(opened):
    page = opened("attention")
    button = page.get_by_role("button", name="More", exact=False).first
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(POPOVER)
    assert button.get_attribute("aria-expanded") == "true"
    # Streamlit hangs a popover behind everything else: Tab comes to it after the page's last control.
    inside = f"() => Boolean(document.activeElement.closest('{POPOVER}'))"
    for _ in range(TABS):
        page.keyboard.press("Tab")
        if page.evaluate(inside):
            break
    page.keyboard.press("Tab")
    assert page.evaluate(inside)
    page.keyboard.press("Escape")
    page.wait_for_selector(POPOVER, state="hidden")
    assert button.evaluate("button => button === document.activeElement")


@pytest.mark.parametrize(
    ("name", "component", "key", "tells"),
    [
        ("attention", "head_grid", "ArrowRight", ("head_view", "title", "L3 H2")),
        ("attention", "head_view", "ArrowDown", ("head_view", "selected", "q11")),
        ("coreference", "score_grid", "ArrowRight", ("head_view", "title", "L3 H2")),
        ("heads", "score_grid", "ArrowLeft", ("score_grid", "selected", "L2 H7")),
        ("why", "head_view", "ArrowUp", ("head_view", "selected", "q9")),
        ("talk", "talk_player", "ArrowRight", ("talk_player", "scene", "4")),
    ],
)
def test_arrow_keys_move_in_a_canvas(opened, name, component, key, tells):
    page = opened(name)
    if component == "talk_player":
        page.locator(".talk-player .stage").focus()
    else:
        canvas_of(page, component).focus()
    page.keyboard.press(key)
    wait_for_data(page, *tells)


@pytest.mark.parametrize(("name", "component"), [("compare", "head_comparison"), ("states", "value_matrix")])
def test_arrow_keys_draw_a_matrix_anew(opened, name, component):
    page = opened(name)
    canvas = canvas_of(page, component)
    canvas.focus()
    before = page.url, canvas.evaluate("canvas => canvas.toDataURL()")
    page.keyboard.press("ArrowDown")
    page.wait_for_timeout(1500)
    settled(page)
    assert (page.url, canvas.evaluate("canvas => canvas.toDataURL()")) != before
