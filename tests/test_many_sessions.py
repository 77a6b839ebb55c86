"""Several visitors at once in real browser contexts: nothing mixes, turns are waited for in sight, and work is cancelled."""

from contextlib import contextmanager
from urllib.parse import urlencode

import pytest

from tests.browser_actions import FIND
from tests.slow_model import TEXT, save_slow_model

pytestmark = pytest.mark.browser

# A model of many layers is slow to load, to run and to draw, also beside other work.
PATIENCE_MILLISECONDS = 180_000
NOUNS = ("banker", "farmer", "doctor", "painter", "sailor", "teacher", "soldier", "baker")
BARS = """() => [...document.querySelectorAll('[data-testid="stProgress"]')].map((bar) => bar.innerText).join("\\n")"""
CANCEL_IS_SEEN = """() => {
  const button = document.querySelector(".st-key-cancel_work button");
  return button !== null && button.checkVisibility({ visibilityProperty: true });
}"""


@contextmanager
def visitors(chromium, count: int):
    """Yield tabs of different visitors; whatever goes wrong in one is a failure."""
    contexts = [chromium.new_context(viewport={"width": 1280, "height": 800}) for _ in range(count)]
    try:
        pages, problems = [context.new_page() for context in contexts], []
        for page in pages:
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.set_default_timeout(PATIENCE_MILLISECONDS)
        yield pages
        assert problems == []
    finally:
        for context in contexts:
            context.close()


def shown_tokens(page) -> str:
    return page.locator(".tokens").first.inner_text()


def wait_for_head(page, title: str) -> None:
    """Wait until a head is drawn, with the patience of this page."""
    page.wait_for_function(f"(title) => ({FIND})('head_view')?.dataset.title === title", arg=title)


def wait_for_bar(page, text: str) -> None:
    page.wait_for_function(f"(text) => ({BARS})().includes(text)", arg=text)


@pytest.fixture(scope="module")
def slow_folder(tmp_path_factory, tiny_tokenizer):
    folder = tmp_path_factory.mktemp("slow")
    save_slow_model(folder, tiny_tokenizer)
    return str(folder)


def test_eight_visitors_see_their_own_sentences(server, chromium):
    with visitors(chromium, len(NOUNS)) as pages:
        for page, noun in zip(pages, NOUNS, strict=True):
            address = urlencode({"text": f"The {noun} waited for the train.", "layer": "2", "head": "5"})
            page.goto(f"{server}/?{address}", wait_until="commit")
        check(pages, "waited")
        # All of them type another sentence at the same time.
        for page, noun in zip(pages, NOUNS, strict=True):
            page.get_by_label("Sentence").fill(f"Then the {noun} came back again.")
        for page in pages:
            page.get_by_label("Sentence").press("Control+Enter")
        for page in pages:
            page.wait_for_function("() => document.querySelector('.tokens')?.innerText.includes('again')")
        check(pages, "again")


def check(pages, verb: str) -> None:
    """Check that every visitor sees the own noun, and nobody else's, in the tokens and in the drawn head."""
    for page, noun in zip(pages, NOUNS, strict=True):
        wait_for_head(page, "L2 H5")
        page.wait_for_function("(noun) => document.querySelector('.tokens')?.innerText.includes(noun)", arg=noun)
        tokens, everything = shown_tokens(page), page.locator("body").inner_text()
        assert noun in tokens
        assert verb in tokens
        assert [other for other in NOUNS if other != noun and other in everything] == []


def test_a_place_in_the_queue_is_shown_and_a_slow_request_freezes_nobody_else(server, chromium, slow_folder):
    address = f"{server}/?{urlencode({'model': slow_folder, 'text': TEXT})}"
    with visitors(chromium, 3) as (first, second, third):
        first.goto(address, wait_until="commit")
        wait_for_bar(first, "Running the model")
        second.goto(f"{address}%20k", wait_until="commit")
        third.goto(f"{server}/cost?text=It+rains.", wait_until="commit")
        wait_for_bar(second, "Waiting: 1 before you")
        # Another page, and another model, are served meanwhile.
        third.get_by_role("button", name="Measure here").wait_for()
        third.goto(f"{server}/?text=It+rains.&layer=2", wait_until="commit")
        wait_for_head(third, "L2 H1")
        assert "Running the model" in first.evaluate(BARS)
        assert "Waiting: 1 before you" in second.evaluate(BARS)
        # A closed tab gives its turn away.
        first.close()
        wait_for_bar(second, "Running the model")
        second.close()


def test_work_is_cancelled_and_begun_again_with_everything_typed_kept(server, chromium, slow_folder):
    text = f"{TEXT} z"
    with visitors(chromium, 1) as (page,):
        page.goto(f"{server}/?{urlencode({'model': slow_folder, 'text': text})}", wait_until="commit")
        wait_for_bar(page, "Running the model")
        page.wait_for_function(CANCEL_IS_SEEN)
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("Cancelled. What you typed is kept.").wait_for()
        assert page.get_by_label("Sentence").input_value() == text
        assert page.evaluate(BARS) == ""
        assert not page.evaluate(CANCEL_IS_SEEN)
        # It stays so: nothing begins again by itself.
        page.wait_for_timeout(1500)
        assert page.evaluate(BARS) == ""
        page.get_by_role("button", name="Run again").click()
        wait_for_bar(page, "Running the model")
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("Cancelled. What you typed is kept.").wait_for()
        # Another sentence is another request.
        page.get_by_label("Sentence").fill("a b c")
        page.get_by_label("Sentence").press("Control+Enter")
        wait_for_head(page, "L3 H1")
        page.wait_for_function("() => document.body.innerText.includes('3 of at most 2048 tokens')")
        assert page.evaluate(BARS) == ""
