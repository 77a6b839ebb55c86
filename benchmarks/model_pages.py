"""Times of the Translation and Position pages in a real Chromium: `python -m benchmarks.model_pages`.

Prints the median time from a click on Next until the alignment has its new row, for one model, both and a beam; from a key on the
slider of the offset until the circle shows it; and from a click on a head until its map is drawn.
"""

import statistics
import time
from urllib.parse import urlencode

from benchmarks.attention_page import CLICKS, milliseconds_until
from benchmarks.coreference_page import milliseconds_to_heads
from tests.app_server import browsing, serving
from tests.browser_actions import FIND, settled, wait_for_data

TRANSLATIONS = {
    "Next, one model": {},
    "Next, side by side": {"translator": "side by side"},
    "Next, side by side with beams": {"translator": "side by side", "search": "beam"},
}
OFFSET_SHOWN = f"(text) => ({FIND})('picture')?.querySelector('desc')?.textContent.includes(text)"


def translation(page, address: str, selection: dict[str, str]) -> float:
    """Return the median milliseconds from Next to the new row."""
    page.goto(f"{address}/translation?{urlencode(selection | {'written': '1'})}")
    wait_for_data(page, "head_view", "selected", "q0")
    settled(page)
    button, found = page.get_by_role("button", name="Next", exact=True), []
    for row in range(1, CLICKS + 1):
        found.append(milliseconds_until(page, button.click, "head_view", "selected", f"q{row}"))
        settled(page)
    return statistics.median(found)


def offset(page, address: str) -> float:
    """Return the median milliseconds from a key on the slider to the circle."""
    page.goto(f"{address}/position")
    page.wait_for_function(OFFSET_SHOWN, arg="10 to 15")
    settled(page)
    slider, found = page.get_by_role("slider").first, []
    for place in range(16, 16 + CLICKS):
        began = time.perf_counter()
        slider.press("ArrowRight")
        page.wait_for_function(OFFSET_SHOWN, arg=f"10 to {place}")
        found.append(1000 * (time.perf_counter() - began))
        settled(page)
    return statistics.median(found)


def reordered_head(page, address: str) -> float:
    """Return the median milliseconds from a click on a head to its map."""
    page.goto(f"{address}/position?position_view=word+order")
    wait_for_data(page, "head_view", "title", "L3 H1 as written")
    settled(page)
    return milliseconds_to_heads(page, " as written")


def main() -> None:
    with serving() as address, browsing() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        print("| what | ms |\n|---|---|")
        for name, selection in TRANSLATIONS.items():
            print(f"| {name} | {translation(page, address, selection):.0f} |")
        print(f"| offset | {offset(page, address):.0f} |")
        print(f"| head of the word order | {reordered_head(page, address):.0f} |")


if __name__ == "__main__":
    main()
