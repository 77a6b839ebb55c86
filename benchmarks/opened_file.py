"""How long an HTML file takes until it is drawn: `python -m benchmarks.opened_file FILE SECONDS [SCRIPTS]`.

It is opened in a Chromium of its own, for at most so many seconds. SCRIPTS is a node_modules with what BertViz's files ask a CDN
for.
"""

import sys
from functools import partial
from pathlib import Path

from playwright.sync_api import TimeoutError

from benchmarks.child import Unmeasured, answer
from benchmarks.page_times import file_page, wait_at_rest
from tests.app_server import browsing

# What is asked for, and the file of node_modules that is given instead.
SCRIPTS = {
    "**/require.js/**": "requirejs/require.js",
    "**/d3/**": "d3/dist/d3.min.js",
    "**/jquery/**": "jquery/dist/jquery.min.js",
}
MARKS = "() => document.querySelectorAll('canvas, svg line, svg path, svg rect, img').length"


def seconds_to_painted(browser, file: Path, seconds: float, scripts: Path | None) -> float:
    """Return the seconds from opening a file until its last change was painted; raises Unmeasured where it draws nothing."""
    with file_page(browser) as page:
        failed: list[str] = []
        page.on("requestfailed", lambda request: failed.append(request.url))
        for pattern, name in SCRIPTS.items() if scripts else ():
            page.route(pattern, partial(_given, scripts / name))
        try:
            page.goto(file.as_uri(), wait_until="commit", timeout=1000 * seconds)
            painted = wait_at_rest(page, seconds) / 1000
        except TimeoutError:
            raise Unmeasured(f"more than {seconds:g} s") from None
        if failed:
            raise Unmeasured("its scripts could not be fetched")
        if not page.evaluate(MARKS):
            raise Unmeasured("it drew nothing")
        return painted


def _given(file: Path, route) -> None:
    route.fulfill(path=str(file))


def main() -> None:
    file, seconds, *scripts = sys.argv[1:]
    with browsing() as browser:
        found = seconds_to_painted(browser, Path(file), float(seconds), Path(scripts[0]) if scripts else None)
    answer({"seconds": found})


if __name__ == "__main__":
    main()
