"""Times of the Heads and Compare pages in a real Chromium: `python -m benchmarks.heads_pages`.

Prints the median time from a click on a head until its evidence is drawn, and from a click that switches a head off until what it
moves is drawn.
"""

import statistics
import time

from benchmarks.attention_page import CLICKS
from benchmarks.coreference_page import milliseconds_to_heads
from tests.app_server import browsing, serving
from tests.browser_actions import FIND, margin_place, settled, wait_for_data

UPDATES = f"(name) => Number(({FIND})(name)?.dataset.updates || 0)"


def opened(page, address: str) -> float:
    """Return the median milliseconds from a click on a head to its pattern."""
    page.goto(f"{address}/heads")
    wait_for_data(page, "head_view", "title", "L3 H1")
    settled(page)
    return milliseconds_to_heads(page)


def switched_off(page, address: str) -> float:
    """Return the median milliseconds from a click that switches a head off to the changed head."""
    page.goto(f"{address}/heads?heads_view=interventions")
    wait_for_data(page, "head_comparison", "focus", "-1 -1")
    settled(page)
    found = []
    for head in range(CLICKS):
        before, place = page.evaluate(UPDATES, "head_comparison"), margin_place(page, 0, head)
        began = time.perf_counter()
        page.mouse.click(*place)
        page.wait_for_function(f"([name, before]) => ({UPDATES})(name) > before", arg=["head_comparison", before])
        found.append(1000 * (time.perf_counter() - began))
        settled(page)
    return statistics.median(found)


def main() -> None:
    with serving() as address, browsing() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        print("| what | ms |\n|---|---|")
        print(f"| a head and its evidence | {opened(page, address):.0f} |")
        print(f"| a head switched off | {switched_off(page, address):.0f} |")


if __name__ == "__main__":
    main()
