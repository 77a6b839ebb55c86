"""Times of the Coreference page in a real Chromium: `python -m benchmarks.coreference_page`.

Prints for one sentence and for a minimal pair the median time from a click on a head's margin until the arcs and the head in
full are drawn, and from a click on a word until its arc is drawn.
"""

import statistics
from urllib.parse import urlencode

from benchmarks.attention_page import CLICKS, milliseconds_until
from tests.app_server import browsing, serving
from tests.browser_actions import margin_place, settled, wait_for_data

PAIR = "The animal didn't cross the street because it was too wide."


def measure(page, address: str, **selection: str) -> tuple[float, float]:
    """Return the median milliseconds from click to head, and from click to arc."""
    page.goto(f"{address}/coreference?{urlencode(selection)}")
    wait_for_data(page, "sentence_arcs", "arcs", "2")
    settled(page)
    head, words = milliseconds_to_heads(page), []
    for index in range(CLICKS):
        word = page.get_by_role("button", name="cross", exact=True).first
        words.append(milliseconds_until(page, word.click, "sentence_arcs", "arcs", str(3 - index % 2)))
        settled(page)
    return head, statistics.median(words)


def milliseconds_to_heads(page, ending: str = "") -> float:
    """Return the median time from a click on a head in a grid of scores until its map, named so, is drawn."""
    found = []
    for index in range(CLICKS):
        layer, head = index % 6, (5 * index + 2) % 12
        place = margin_place(page, layer, head)
        click = lambda place=place: page.mouse.click(*place)  # noqa: E731
        found.append(milliseconds_until(page, click, "head_view", "title", f"L{layer} H{head}{ending}"))
        settled(page)
    return statistics.median(found)


def main() -> None:
    with serving() as address, browsing() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        print("| shown | click to head, ms | click to arc, ms |\n|---|---|---|")
        for name, selection in (("one sentence", {}), ("a minimal pair", {"other": PAIR})):
            head, word = measure(page, address, **selection)
            print(f"| {name} | {head:.0f} | {word:.0f} |")


if __name__ == "__main__":
    main()
