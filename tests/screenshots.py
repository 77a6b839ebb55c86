"""Take the README's pictures: `python -m tests.screenshots docs`."""

import sys
from collections.abc import Callable
from pathlib import Path

from tests.app_server import browsing, serving
from tests.browser_actions import FIND, WAIT_MILLISECONDS, first_picture, settled, wait_for_data

SIZES = {"1280": (1280, 800), "1920": (1920, 1080)}


def attention(page) -> None:
    """Wait for grid and head."""
    first_picture(page, "L3 H1")


def coreference(page) -> None:
    """Wait for the arcs and the open head."""
    wait_for_data(page, "sentence_arcs", "arcs", "2")
    wait_for_data(page, "head_view", "title", "L3 H1")
    settled(page)


def heads(page) -> None:
    """Wait for the scores, the scatter and the pattern of a head with roles."""
    wait_for_data(page, "score_grid", "selected", "L2 H8")
    wait_for_data(page, "head_view", "title", "L2 H8")
    page.wait_for_function(
        "() => document.querySelectorAll('[data-testid=stVegaLiteChart] .marks').length === 1",
        timeout=WAIT_MILLISECONDS,
    )
    settled(page)


def compare(page) -> None:
    """Wait for both maps and their difference."""
    wait_for_data(page, "head_comparison", "focus", "-1 -1")
    settled(page)


def states(page) -> None:
    """Wait for the heatmap of the dimensions."""
    wait_for_data(page, "value_matrix", "updates", "1")
    settled(page)


def flow(page) -> None:
    """Wait for the routes to a token."""
    page.wait_for_function(f"() => ({FIND})('picture')?.querySelector('svg')", timeout=WAIT_MILLISECONDS)
    settled(page)


def why(page) -> None:
    """Wait for the chain of numbers and the dimensions."""
    wait_for_data(page, "head_view", "selected", "q10")
    page.wait_for_function(
        "() => document.querySelectorAll('[data-testid=stVegaLiteChart] .marks').length >= 2", timeout=WAIT_MILLISECONDS
    )
    settled(page)


def translation(page) -> None:
    """Wait for the alignment of the first example."""
    wait_for_data(page, "head_view", "title", "cross L3 mean")
    settled(page)


def position(page) -> None:
    """Wait for the charts of the sinusoids."""
    page.wait_for_function(
        "() => document.querySelectorAll('[data-testid=stVegaLiteChart] .marks').length === 4",
        timeout=WAIT_MILLISECONDS,
    )
    settled(page)


def cost(page) -> None:
    """Wait for both charts of what was counted."""
    page.wait_for_function(
        "() => document.querySelectorAll('[data-testid=stVegaLiteChart] .marks').length === 2",
        timeout=WAIT_MILLISECONDS,
    )
    settled(page)


def talk(page) -> None:
    """Wait for the talk that comes with the app, and show the arcs of its fourth scene."""
    wait_for_data(page, "talk_player", "scene", "0")
    settled(page)
    page.get_by_role("button", name="Scene 4", exact=True).click()
    page.get_by_role("button", name="Next", exact=True).click()
    page.wait_for_timeout(1200)


PAGES: dict[str, Callable] = {
    "attention": attention,
    "coreference": coreference,
    "heads": heads,
    "compare": compare,
    "states": states,
    "flow": flow,
    "why": why,
    "translation": translation,
    "position": position,
    "cost": cost,
    "talk": talk,
}
# What a page shows where that is more than its default.
SELECTIONS = {
    "attention": "/",
    "heads": "/heads?layer=2&head=8",
    "compare": "/compare?compare=sentences",
    "flow": "/flow?flow_view=routes",
}


def take(folder: Path) -> None:
    """Write every page in light and dark, at two widths, as <page>-<theme>-<width>.png."""
    folder.mkdir(parents=True, exist_ok=True)
    with serving() as address, browsing() as browser:
        for scheme in ("light", "dark"):
            for size, (width, height) in SIZES.items():
                context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
                for name, wait in PAGES.items():
                    page = context.new_page()
                    page.goto(f"{address}{SELECTIONS.get(name, f'/{name}')}")
                    wait(page)
                    page.screenshot(path=folder / f"{name}-{scheme}-{size}.png")
                    page.close()
                context.close()


if __name__ == "__main__":
    take(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
