"""Hostile text in a real Chromium: no node, no script, no listener, no dialog and no request is the text's own."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, urlsplit

import numpy as np
import pytest

from app import talk_export
from app.components.messages import head_view_message
from app.components.talk_messages import Part
from app.figures.theme import theme
from app.figures.trajectories import trajectory_figure, trajectory_page
from app.figures.trajectory_paths import Paths
from app.navigation import PAGES
from app.scenes import Shown
from app.standalone import standalone_html
from app.talks import Scene, Talk
from tests import hostile_text as hostile
from tests.browser_actions import first_picture, settled
from tests.hand_views import hand_view
from tests.page_checks import THOROUGH

pytestmark = pytest.mark.browser

# Short enough for every page, and with something of every kind in it.
SENTENCE = (
    f'it saw </script><img src=x {hostile.MARK} onerror="{hostile.HACKED}"> the cat '
    f"<svg {hostile.MARK} onload={hostile.HACKED}> ![a](https://{hostile.HOST}/c.png) because it \u202e\u200b was $x$ **b**"
)
# Elements, in the page and in every shadow root, that the text brought: by their name or an attribute, and any that listens.
FOUND = f"""() => {{
  const all = (root) => [...root.querySelectorAll("*")].flatMap((one) => [one, ...(one.shadowRoot ? all(one.shadowRoot) : [])]);
  const own = (one) => one.localName.includes("{hostile.MARK}") ||
    [...one.attributes].some((part) => part.name === "{hostile.MARK}");
  const listens = (one) => [...one.attributes].some((part) => part.name.startsWith("on"));
  const outside = (one) => ["src", "href", "action"].some((name) => (one.getAttribute(name) || "").includes("{hostile.HOST}"));
  const elements = all(document);
  return {{
    nodes: elements.filter((one) => own(one) || outside(one)).map((one) => one.outerHTML.slice(0, 200)),
    listening: elements.filter(listens).map((one) => one.outerHTML.slice(0, 200)),
    scripts: elements.filter((one) => one.localName === "script").length,
    hacked: window.__hacked || 0,
  }};
}}"""
NAMES = [*hostile.HTML[:8], *hostile.SVG[:3], *hostile.MARKDOWN[:2]]
# What a fault elsewhere might let into a page: the policy is what is left. (No policy of a file stops a refresh of the page
# to another address, so that is left out.)
INJECTED = "".join((*hostile.HTML[1:4], *hostile.HTML[5:8], *hostile.SVG[:2], f"<script>{hostile.HACKED}</script>"))
INJECTED += (
    f"<script src='https://{hostile.HOST}/a.js'></script><link rel=stylesheet href='https://{hostile.HOST}/a.css'>"
)
LIGHT = theme("light")


def head_page() -> str:
    view = hand_view(np.full((len(NAMES), len(NAMES)), 1 / len(NAMES)), tokens=NAMES)
    look = {"scale": "log", "common": True, "threshold": 0.0, "same_sequence": True}
    message = head_view_message(view, title=SENTENCE, description=SENTENCE, opened=(0, 0), selected="q0", **look)
    return standalone_html("head_view", message, {"model": SENTENCE, "picture": {"title": SENTENCE}}).decode()


def talk_page() -> str:
    talk = Talk(SENTENCE, (Scene("talk", "text", {"text": SENTENCE}, SENTENCE),))
    shown = [Shown((Part(text=SENTENCE, label=SENTENCE),), lambda _theme: [])]
    return talk_export.talk_html(talk, shown, "dark").decode()


def paths_page() -> str:
    places = np.random.default_rng(0).normal(size=(len(NAMES), 3, 3))
    figure = trajectory_figure(Paths(places, NAMES), theme=LIGHT, title=SENTENCE)
    return trajectory_page(figure, {"picture": {"title": SENTENCE}})


FILES = {
    "head": (head_page, ".headscope[data-draw-milliseconds]"),
    "talk": (talk_page, ".headscope .caption:not(:empty)"),
    "paths": (paths_page, ".gl-container canvas"),
}


@pytest.fixture
def outside():
    """An address outside the page, and the list of what was asked of it."""
    asked: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, *said):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def opened(tab, path, body: str, drawn: str) -> dict:
    """Open a file and return what is found in it once it is drawn."""
    path.write_text(body, encoding="utf-8")
    tab.goto(path.as_uri())
    tab.wait_for_selector(drawn, state="attached")
    tab.wait_for_timeout(500)
    return tab.evaluate(FOUND)


@pytest.mark.parametrize("kind", FILES)
def test_an_exported_page_has_no_node_of_its_text_and_fetches_nothing(tab, tmp_path, kind):
    make, drawn = FILES[kind]
    body, refused = make(), []
    tab.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
    found = opened(tab, tmp_path / "page.html", body, drawn)
    assert (found["nodes"], found["listening"], found["hacked"], refused) == ([], [], 0, [])
    # The page of paths holds Plotly, in which other markup stands as text.
    assert found["scripts"] == (4 if kind == "paths" else body.count("<script"))
    assert {urlsplit(address).scheme for address in tab.requested} <= {"file", "data", "blob"}
    assert len([address for address in tab.requested if address.startswith("file")]) == 1


@pytest.mark.parametrize("kind", FILES)
def test_markup_that_got_into_an_exported_page_runs_and_fetches_nothing(tab, tmp_path, outside, kind):
    make, drawn = FILES[kind]
    address, asked = outside
    body = make().replace("<body>", f"<body>{INJECTED.replace(f'https://{hostile.HOST}', address)}", 1)
    assert opened(tab, tmp_path / "page.html", body, drawn)["hacked"] == 0
    assert asked == []
    # The same page without its policy: the markup would have done what it is there for.
    bare = re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", body, count=1)
    assert opened(tab, tmp_path / "bare.html", bare, drawn)["hacked"] > 0
    assert asked


@pytest.mark.parametrize("row", PAGES if THOROUGH else PAGES[:4], ids=lambda row: row.url_path)
def test_a_page_with_a_hostile_sentence_has_no_node_of_it(server, tab, row):
    told = quote(SENTENCE)
    tab.goto(
        f"{server}/{row.url_path}?text={told}&other={told}&english={told}&edits={told}&score={told}&vocabulary_token={told}"
    )
    tab.wait_for_selector(".brand", timeout=60_000)
    settled(tab)
    check(tab, server)


def test_a_hostile_sentence_that_is_typed_has_no_node(server, tab):
    tab.goto(server)
    first_picture(tab, "L3 H1")
    plain = tab.evaluate(FOUND)["scripts"]
    box = tab.get_by_role("textbox", name="Sentence")
    box.fill(SENTENCE)
    box.press("Control+Enter")
    settled(tab)
    assert box.input_value() == SENTENCE
    assert tab.evaluate(FOUND)["scripts"] == plain
    check(tab, server)


def check(tab, server: str) -> None:
    found = tab.evaluate(FOUND)
    assert found["hacked"] == 0
    assert (found["nodes"], found["listening"]) == ([], [])
    hosts = {urlsplit(address).netloc for address in tab.requested if address.startswith("http")}
    assert hosts == {urlsplit(server).netloc}
