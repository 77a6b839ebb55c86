"""The exported HTML page: it loads nothing, no token becomes markup, and it holds the exact numbers; and file names."""

import base64
import gzip
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from app import export
from app.components.messages import head_grid_message, head_view_message
from app.standalone import standalone_html
from tests.app_session import unpack
from tests.hand_views import CLEANED, HOSTILE, PROVENANCE, hand_thumbnails, hand_view

MARK = "</title></script><svg onload=alert(1)>"
DESCRIBED = export.describe(PROVENANCE, title=MARK)
VIEW = hand_view(
    np.eye(len(HOSTILE)) * 0.75 + 0.03, tokens=HOSTILE, mask=np.tril(np.ones((len(HOSTILE), len(HOSTILE))))
)


class Page(HTMLParser):
    """The tags with their attributes, and the text inside each script, style and title."""

    def __init__(self, page: bytes):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.inside: dict[str, list[str]] = {}
        self.last = ""
        self.feed(page.decode("utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside.setdefault(tag, []).append("")
        self.last = tag

    def handle_data(self, data):
        if self.last:
            self.inside[self.last][-1] += data

    def handle_endtag(self, tag):
        self.last = ""

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]


def head_message(view) -> bytes:
    return head_view_message(
        view, title=MARK, description=MARK, opened=(1, 2), selected="q1", scale="log", common=False, threshold=0.1,
        same_sequence=True,
    )  # fmt: skip


def message_of(component: str) -> bytes:
    if component == "head_view":
        return head_message(VIEW)
    thumbnails = hand_thumbnails(VIEW, VIEW.weights[None, None], (0,))
    return head_grid_message(thumbnails, scale="log", common=False)


COMPONENTS = ("head_view", "head_grid")


@pytest.fixture(params=COMPONENTS)
def component(request):
    return request.param


@pytest.fixture
def page(component):
    return standalone_html(component, message_of(component), DESCRIBED)


def test_the_page_holds_three_scripts_and_only_its_own_elements(page):
    read = Page(page)
    assert [tag.get("type") for tag in read.all("script")] == ["application/json", "text/plain", "module"]
    expected = {"html", "head", "meta", "title", "style", "body", "h1", "main", "div", "canvas", "footer", "script"}
    assert {tag for tag, _ in read.tags} == expected
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    assert read.inside["title"] == read.inside["h1"] == [MARK]


def test_the_page_loads_nothing_from_outside(page):
    read = Page(page)
    policies = [meta["content"] for meta in read.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    rules = dict(rule.strip().split(" ", 1) for rule in policies[0].split(";"))
    assert rules["default-src"] == "'none'"
    # Of scripts the page's own alone, by its hash.
    assert re.fullmatch("'sha256-[A-Za-z0-9+/]{43}='", rules.pop("script-src"))
    allowed = {source for sources in rules.values() for source in sources.split()}
    assert allowed <= {"'none'", "'unsafe-inline'", "data:"}
    assert not [
        name for _, attributes in read.tags for name in attributes if name in ("src", "href", "srcset", "action")
    ]
    text = page.decode()
    assert not re.findall(r"https?://|@import|\bimport\b|\bfetch\(|XMLHttpRequest|WebSocket", text)
    assert "export default" not in text
    assert "function mount" in text


def test_no_token_stands_in_the_page_as_it_is(page):
    text = page.decode()
    for token in (*HOSTILE, *CLEANED):
        if len(token) > 2:
            assert token not in text


def test_the_message_of_a_head_reads_back_from_the_page():
    page = Page(standalone_html("head_view", head_message(VIEW), DESCRIBED))
    found = unpack(gzip.decompress(base64.b64decode(page.inside["script"][1], validate=True)))
    assert np.array_equal(found["weights"], np.where(VIEW.mask, VIEW.weights, np.nan), equal_nan=True)
    assert found["query_tokens"] == [token.replace("\ud800", "?") for token in HOSTILE]
    assert (found["selected"], found["open"], found["title"]) == ("q1", [1, 2], MARK)


def test_the_message_of_the_grid_reads_back_from_the_page():
    message = message_of("head_grid")
    page = Page(standalone_html("head_grid", message, DESCRIBED))
    assert gzip.decompress(base64.b64decode(page.inside["script"][1], validate=True)) == message
    assert unpack(message)["tiles"].shape == (1, 1, len(HOSTILE), len(HOSTILE))


def test_the_page_says_where_it_came_from(page):
    read = Page(page)
    assert json.loads(read.inside["script"][0]) == DESCRIBED
    assert read.inside["footer"] == ["org/some-model · a1b2c3 · float32 · headscope 0.1.0, torch 2.0"]


@pytest.mark.parametrize(
    ("parts", "extension", "expected"),
    [
        (["bert-base-uncased", "L3 H1", "heatmap"], "SVG", "headscope_bert-base-uncased_L3-H1_heatmap.svg"),
        (["org/some model", "L0 H0", "links"], "HTML", "headscope_org-some-model_L0-H0_links.html"),
        (["../../etc/passwd", "grid"], "npz", "headscope_etc-passwd_grid.npz"),
        (["C:\\models\\x", 'a"b\r\nc', "\x00"], "CSV", "headscope_C-models-x_a-b-c.csv"),
        (["模型", "", "...", "L1 H2"], "PDF", "headscope_L1-H2.pdf"),
        ([], "PNG", "headscope.png"),
        (["~/été", ".hidden", "-rf"], "PNG", "headscope_t_hidden_rf.png"),
    ],
)
def test_file_names_are_safe_anywhere(parts, extension, expected):
    assert export.file_name(parts, extension) == expected


def test_a_long_model_name_does_not_hide_which_head_a_file_shows():
    folder = "/srv/" + "a-very-long-folder/" * 20 + "my-model"
    names = {export.file_name([folder, f"L{layer} H1", "heatmap"], "SVG") for layer in range(3)}
    assert len(names) == 3
    assert all(re.fullmatch(r"headscope_[A-Za-z0-9.-]+my-model_L[012]-H1_heatmap\.svg", name) for name in names)
    endless = export.file_name(["part" * 20] * 20, "HTML")
    assert len(endless) == 120
    assert endless.endswith(".html")


def test_every_format_has_its_media_type():
    assert export.MIME == {
        "SVG": "image/svg+xml", "PDF": "application/pdf", "PNG": "image/png", "CSV": "text/csv",
        "NPZ": "application/octet-stream", "HTML": "text/html",
    }  # fmt: skip
