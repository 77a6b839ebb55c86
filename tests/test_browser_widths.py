"""Every page at a laptop's, a large screen's and a phone's width: nothing scrolls sideways, nothing is cut or too small."""

import pytest

from app.navigation import PAGES
from tests.page_checks import THOROUGH, WATCH_LETTERS, layout
from tests.screenshots import PAGES as WAITS
from tests.screenshots import SELECTIONS

pytestmark = pytest.mark.browser

SIZES = {"laptop": (1280, 800), "screen": (1920, 1080), "phone": (390, 844)}


@pytest.mark.parametrize("size", SIZES if THOROUGH else ["phone"])
@pytest.mark.parametrize("name", [page.url_path for page in PAGES])
def test_a_page_fits_its_width(server, chromium, name, size):
    width, height = SIZES[size]
    context = chromium.new_context(viewport={"width": width, "height": height}, has_touch=size == "phone")
    page = context.new_page()
    page.add_init_script(WATCH_LETTERS)
    page.goto(f"{server}{SELECTIONS.get(name, f'/{name}')}")
    WAITS[name](page)
    found = layout(page)
    context.close()
    assert found.pop("page") <= 0
    assert found.pop("main") <= 0
    assert found == {"small": [], "wide": [], "overlapping": [], "narrow": []}
