"""Times and bytes of the Attention page in a real Chromium: `python -m benchmarks.attention_page`.

Prints a table: for a decoder of 12 x 12 heads (GPT-2-small's size, random weights) and for the bundled encoder, at several
lengths, the bytes of the grid of all heads, the time from their arrival in the browser until the grid is drawn, from a new text
until all is drawn, from a click that changes all heads until they are drawn anew, and from a click on a thumbnail until that
head is drawn. Before it, the time from starting the server to the first picture.
"""

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.child import ask
from benchmarks.page_times import app_page, app_visitor, last_click, message_before, page_clock, wait_drawn
from tests.app_server import browsing, serving
from tests.browser_actions import grid_place, settled, wait_for_data

WORDS = (Path(__file__).parent / "words.txt").read_text(encoding="utf-8").split()
# An address holds 12,000 characters of text, so that 4,096 words of it must be short ones.
SHORT_WORDS = ["a", "I", "we", "to", "in", "is", "it", "of", "on", "he", "my", "us"]
LENGTHS = (128, 512, 4096)
BUNDLED_LENGTHS = (32, 128, 256)
CLICKS = 8
PATIENCE_SECONDS = 90
COLD_STARTS, WARM_STARTS = 2, 5
OPEN_HEAD = "L3 H1"


@dataclass(frozen=True)
class PageTimes:
    """What one length comes to: bytes, then milliseconds; `head` is the median and `slowest` the longest of the clicks."""

    bytes: int
    drawn: float | None
    all_drawn: float
    new_grid: float
    head: float
    slowest: float


def text_of(tokens: int) -> str:
    """Return a text of common words that the bundled tokenizer splits into `tokens` tokens, two of them special."""
    words = WORDS if tokens <= 1024 else SHORT_WORDS
    return " ".join(words[index % len(words)] for index in range(tokens - 2))


def milliseconds_until(page, act, component: str, name: str, value: str) -> float:
    """Return the time from an action until a component says that it has drawn `value`."""
    started = time.perf_counter()
    act()
    wait_for_data(page, component, name, value)
    return 1000 * (time.perf_counter() - started)


def cold_starts(browser) -> list[float]:
    """Return the seconds from starting a server to the bundled model's first picture, for several new servers."""
    found = []
    for _ in range(COLD_STARTS):
        started = time.perf_counter()
        with serving() as address, app_page(browser) as page:
            page.goto(address)
            wait_drawn(page, "head_view", PATIENCE_SECONDS, title=OPEN_HEAD)
            found.append(time.perf_counter() - started)
    return found


def warm_starts(browser, address: str) -> tuple[list[float], list[float]]:
    """Return the seconds from asking a warm server for the page to its first picture: of new visitors, and when they return.

    The browser of one who returns has kept Streamlit's own scripts.
    """
    new, returning = [], []
    for _ in range(WARM_STARTS + 1):
        with app_visitor(browser) as visitor:
            for found in (new, returning):
                page = visitor.new_page()
                page.goto(address, wait_until="commit")
                found.append(wait_drawn(page, "head_view", PATIENCE_SECONDS, title=OPEN_HEAD).time / 1000)
                settled(page)
                page.close()
    # The first visitor warms the server.
    return new[1:], returning[1:]


def visit(browser, address: str, model: str) -> None:
    """Open the page with a short text, so that the server has loaded the model."""
    with app_page(browser) as page:
        page.goto(f"{address}/?{urlencode({'model': model, 'text': text_of(16)})}", wait_until="commit")
        wait_drawn(page, "head_view", PATIENCE_SECONDS, title=OPEN_HEAD)


def page_times(browser, address: str, model: str, tokens: int) -> PageTimes:
    """Return the times of the page for a text of so many tokens, which nobody has looked at before."""
    with app_page(browser) as page:
        page.goto(f"{address}/?{urlencode({'model': model, 'text': text_of(tokens)})}", wait_until="commit")
        grid = wait_drawn(page, "head_grid", PATIENCE_SECONDS)
        all_drawn = max(grid.time, wait_drawn(page, "head_view", PATIENCE_SECONDS, title=OPEN_HEAD).time)
        settled(page)
        arrived = message_before(page, grid)
        heads = open_heads(page)
        return PageTimes(
            grid.bytes,
            None if arrived is None else grid.time - arrived,
            all_drawn,
            new_grid(page),
            statistics.median(heads),
            max(heads),
        )


def open_heads(page) -> list[float]:
    """Return the milliseconds from each of several clicks on a thumbnail until that head is drawn."""
    found = []
    for index in range(CLICKS):
        layer, head = index % 6, (5 * index + 2) % 12
        before = page_clock(page)
        page.mouse.click(*grid_place(page, layer=layer, head=head))
        drawn = wait_drawn(page, "head_view", PATIENCE_SECONDS, title=f"L{layer} H{head}", after=before)
        found.append(drawn.time - last_click(page))
        page.wait_for_timeout(200)
    return found


def new_grid(page) -> float:
    """Return the milliseconds from the click that hides special tokens until all heads are drawn without them."""
    before = page_clock(page)
    page.get_by_text("Hide special").click()
    return wait_drawn(page, "head_grid", PATIENCE_SECONDS, after=before).time - last_click(page)


def main() -> None:
    """Run every measurement and print the table."""
    with tempfile.TemporaryDirectory() as folder, browsing() as browser:
        ask("benchmarks.random_models", folder)
        print(f"server start to first picture: {', '.join(f'{one:.1f} s' for one in cold_starts(browser))}")
        with serving() as address:
            new, returning = map(statistics.median, warm_starts(browser, address))
            print(f"page load to first picture, server warm: {new:.2f} s, when one returns {returning:.2f} s\n")
            print(
                "| heads | tokens | grid, MB | arrived to drawn, ms | text to all, ms | to new grid, ms | to head, ms |"
            )
            print("|---|---|---|---|---|---|---|")
            for name, model, lengths in (
                ("6 x 12 (bundled)", "minilm", BUNDLED_LENGTHS),
                ("12 x 12 (random)", folder, LENGTHS),
            ):
                visit(browser, address, model)
                for tokens in lengths:
                    found = page_times(browser, address, model, tokens)
                    drawn = "?" if found.drawn is None else f"{found.drawn:.0f}"
                    print(
                        f"| {name} | {tokens} | {found.bytes / 1e6:.3f} | {drawn} | {found.all_drawn:.0f} "
                        f"| {found.new_grid:.0f} | {found.head:.0f} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
