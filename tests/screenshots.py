"""Take the README's pictures: `python -m tests.screenshots docs`."""

import sys
from pathlib import Path

from tests.app_server import browsing, serving
from tests.browser_actions import first_picture

SIZES = {"1280": (1280, 800), "1920": (1920, 1080)}


def take(folder: Path) -> None:
    """Write the Attention page in light and dark, at two widths, as attention-<theme>-<width>.png."""
    folder.mkdir(parents=True, exist_ok=True)
    with serving() as address, browsing() as browser:
        for scheme in ("light", "dark"):
            for name, (width, height) in SIZES.items():
                context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
                page = context.new_page()
                page.goto(address)
                first_picture(page, "L3 H1")
                page.screenshot(path=folder / f"attention-{scheme}-{name}.png")
                context.close()


if __name__ == "__main__":
    take(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
