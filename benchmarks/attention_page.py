"""Times and bytes of the Attention page in a real Chromium: `python -m benchmarks.attention_page`.

Prints a table: for a 12-layer, 12-head encoder (random weights at BERT-base size) and for the bundled model, at 32, 128
and 512 tokens, the bytes of the head grid, the time from the click that asks for a new grid (hide special tokens) until it
is drawn, and the time from a click on a thumbnail until that head is drawn. Before it, the time from starting the server
to the first picture.
"""

import statistics
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

from tests.app_server import browsing, serving
from tests.browser_actions import FIND, first_picture, grid_place, wait_for_data

WORDS = (Path(__file__).parent / "words.txt").read_text(encoding="utf-8").split()
LENGTHS = (32, 128, 512)
CLICKS = 8


def text_of(tokens: int) -> str:
    """Return a text of common words that the bundled tokenizer splits into `tokens` tokens, two of them special."""
    return " ".join(WORDS[index % len(WORDS)] for index in range(tokens - 2))


def save_random_encoder(folder: Path) -> None:
    """Write a BERT-base-sized encoder with random weights and the bundled model's tokenizer."""
    from transformers import AutoTokenizer, BertConfig, BertModel

    from model.sources import locate

    tokenizer = AutoTokenizer.from_pretrained(locate("minilm").folder)
    BertModel(BertConfig(vocab_size=len(tokenizer))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def grid_bytes(page) -> int:
    """Return the size of the grid's message as it arrived in the browser."""
    return int(page.evaluate(f"(name) => Number(({FIND})(name).dataset.bytes)", "head_grid"))


def milliseconds_until(page, act, component: str, name: str, value: str) -> float:
    """Return the time from an action until a component says that it has drawn `value`."""
    started = time.perf_counter()
    act()
    wait_for_data(page, component, name, value)
    return 1000 * (time.perf_counter() - started)


def measure(page, address: str, model: str, tokens: int) -> tuple[int, float, float]:
    """Return bytes of the grid, milliseconds to a new grid, and median milliseconds from click to head."""
    page.goto(f"{address}/?{urlencode({'model': model, 'text': text_of(tokens)})}")
    first_picture(page, "L3 H1")
    size = grid_bytes(page)
    draws = int(page.evaluate(f"(name) => Number(({FIND})(name).dataset.updates)", "head_grid"))
    toggle = page.get_by_text("Hide special")
    new_grid = milliseconds_until(page, toggle.click, "head_grid", "updates", str(draws + 1))
    page.wait_for_timeout(500)
    clicks = []
    for index in range(CLICKS):
        layer, head = index % 6, (5 * index + 2) % 12
        place = grid_place(page, layer=layer, head=head)
        click = lambda place=place: page.mouse.click(*place)  # noqa: E731
        clicks.append(milliseconds_until(page, click, "head_view", "title", f"L{layer} H{head}"))
        page.wait_for_timeout(200)
    return size, new_grid, statistics.median(clicks)


def main() -> None:
    """Run every measurement and print the table."""
    with tempfile.TemporaryDirectory() as folder, browsing() as browser:
        save_random_encoder(Path(folder))
        started = time.perf_counter()
        with serving() as address:
            page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
            page.goto(address)
            wait_for_data(page, "head_view", "title", "L3 H1")
            print(f"server start to first picture, nothing loaded yet: {time.perf_counter() - started:.1f} s")
            warm = milliseconds_until(page, lambda: page.goto(address), "head_view", "title", "L3 H1")
            print(f"page load to first picture, server warm: {warm / 1000:.1f} s\n")
            print("| heads | tokens | grid, MB | click to new grid, ms | click to head, ms |\n|---|---|---|---|---|")
            for name, model in (("6 x 12 (bundled)", "minilm"), ("12 x 12 (random)", folder)):
                for tokens in LENGTHS:
                    size, grid, head = measure(page, address, model, tokens)
                    print(f"| {name} | {tokens} | {size / 1e6:.3f} | {grid:.0f} | {head:.0f} |", flush=True)


if __name__ == "__main__":
    main()
