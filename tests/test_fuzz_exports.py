"""Files of any text: safe names, tables that no spreadsheet runs, documents with no node of the text's own."""

import base64
import hashlib
import io
import json
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from pypdf import PdfReader

import tests.fuzz_profile as profile
from app import export
from app.components.messages import head_view_message
from app.components.talk_messages import token_row_message
from app.figures.head_scatter import head_scatter
from app.figures.matrix_chart import matrix_chart
from app.figures.state_charts import norm_lines
from app.figures.svg import clean
from app.figures.theme import theme
from app.figures.token_row import tokens_row
from app.figures.trajectories import trajectory_figure, trajectory_page
from app.figures.trajectory_paths import Paths
from app.standalone import standalone_html
from tests import hostile_text as hostile
from tests.app_session import unpack
from tests.hand_views import hand_view, read_svg
from tests.test_head_charts import heads
from tests.test_talk_page import message_of

LIGHT = theme("light")
# What Windows keeps for itself, whatever the extension.
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}
FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def view_of(names):
    return hand_view(np.full((len(names), len(names)), 1 / len(names)), tokens=names)


def provenance_of(text: str) -> dict:
    # Two halves of a pair that stand beside each other are one character to any reader of JSON.
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return {"model": text, "revision": text, "versions": {"torch": text}, "text": text, "picture": {"title": text}}


@given(
    st.lists(st.one_of(hostile.long_texts, st.sampled_from(hostile.PATHS)), max_size=5),
    st.sampled_from(list(export.MIME)),
)
def test_a_file_name_is_safe_whatever_it_is_made_from(parts, extension):
    name = export.file_name(parts, extension)
    assert re.fullmatch(r"headscope[A-Za-z0-9._-]*\.[a-z]+", name)
    assert len(name) <= 120
    assert name.endswith(f".{extension.lower()}")
    assert name.split(".")[0].lower() not in RESERVED


@given(hostile.token_lists, hostile.texts)
@example(["=1+1", "\t=1", " =1", "\r@a", "＝1"], "-2+3")
def test_a_table_runs_nothing_and_keeps_every_text(names, title):
    frame = pd.DataFrame(
        {"token": names, "value": np.arange(len(names)) - 0.5, f"{hostile.encodable(title)}1": names}, dtype=object
    )
    data = export.frame_csv(frame.assign(value=frame["value"].astype(float)), provenance_of(title))
    found = pd.read_csv(io.BytesIO(data), keep_default_na=False, dtype=str)
    assert len(found) == len(names)
    for name, column in found.items():
        for cell in (str(name), *column):
            if name != "value":
                assert not runs(cell)
    for before, after in zip(names, found["token"], strict=True):
        assert plain_lines(after).removeprefix("'") == plain_lines(clean(before)).removeprefix("'")
    assert found["value"].astype(float).tolist() == [place - 0.5 for place in range(len(names))]


def runs(cell: str) -> bool:
    """Say whether a spreadsheet would take a cell for a formula; a sign alone is none."""
    return len(cell.strip()) > 1 and bool(FORMULA.match(cell))


def plain_lines(text: str) -> str:
    # A reader of CSV may write a line's end as another.
    return re.sub("\r\n|\r", "\n", text)


@given(hostile.token_lists, hostile.texts)
def test_arrays_read_back_with_nothing_pickled(names, title):
    view = view_of(names)
    data = export.npz_bytes(export.head_arrays(view), provenance_of(title))
    with np.load(io.BytesIO(data), allow_pickle=False) as found:
        # A text that ends with NUL loses that end in any array of texts.
        assert [str(name) for name in found["key_tokens"]] == [name.rstrip("\0") for name in names]
        assert json.loads(str(found["provenance"])) == provenance_of(title)


@given(hostile.token_lists, hostile.texts)
def test_an_html_file_has_its_own_nodes_alone_and_one_script_by_hash(names, title):
    look = dict(scale="log", common=True, threshold=0.1, same_sequence=True)
    message = head_view_message(
        view_of(names), title=title, description=title, opened=(0, 0), selected="q0", **look
    )  # fmt: skip
    page = standalone_html("head_view", message, provenance_of(title)).decode()
    assert hostile.outline(page) == hostile.outline(standalone_html("head_view", b"", provenance_of("x")).decode())
    check_policy(page)
    assert message_of(page)["query_tokens"] == unpack(message)["query_tokens"]
    assert json.loads(re.search(r'id="provenance">(.*?)</script>', page, re.DOTALL).group(1)) == provenance_of(title)


def check_policy(page: str) -> None:
    """A page that may fetch nothing, and whose scripts are those named by their hash and no others."""
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page).group(1)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert not re.search(r"https?:|\*|self", policy)
    assert "'unsafe-inline'" not in rules["script-src"]
    # Policy first: what stands before it is not held to it.
    assert page.index("Content-Security-Policy") < page.index("<script")
    run = [
        body
        for kind, body in re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL)
        if "type=" not in kind or "javascript" in kind or "module" in kind
    ]
    named = [f"'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'" for body in run]
    assert named
    assert [part for part in rules["script-src"].split() if part.startswith("'sha256-")] == named


@profile.slow(20)
@given(hostile.token_lists, hostile.texts)
def test_a_page_of_paths_has_its_own_nodes_alone(names, title):
    places = np.random.default_rng(0).normal(size=(len(names), 3, 3))
    page = trajectory_page(trajectory_figure(Paths(places, names), theme=LIGHT, title=title), provenance_of(title))
    page.encode()
    check_policy(page)
    # Plotly's own script is full of markup in strings: the page is read without what its scripts hold.
    read = re.sub(r"(<script[^>]*>).*?(</script>)", r"\1\2", page, flags=re.DOTALL)
    assert not [found for found in hostile.outline(read) if hostile.MARK in str(found)]
    assert [tag for tag, _ in hostile.outline(read)].count("script") == read.count("<script") == 4


def _held(names) -> list[str]:
    return [name.encode(errors="replace").decode() for name in (names * 6)[:6]]


CHARTS = {
    # pandas holds no unpaired surrogate.
    "scatter": lambda names, title: head_scatter(
        heads(colour=_held(names), text=_held(names)), theme=LIGHT, x_title=title, y_title=title, colour_title=title,
        selected=title,
    ),
    "norms": lambda names, title: norm_lines(np.ones((2, len(names))), names, theme=LIGHT, title=title, chosen=(0,)),
    "matrix": lambda names, title: matrix_chart(
        np.eye(len(names)), theme=LIGHT, title=title, rows=title, across=title, label=title, tokens=(names, names)
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHARTS)
def test_a_chart_of_any_text_is_a_document_without_nodes_of_the_text(kind):
    @profile.slow(10)
    @given(hostile.token_lists, hostile.texts)
    # Separators of lines end a string in an expression, and a backslash begins something else.
    @example(["\u2028", "a\\"], "\u2029\\")
    @example(['" style="background:url(https://headscope.invalid/b.png)'], "")
    def search(names, title):
        svg = export.chart_svg(CHARTS[kind](names, title), title, provenance_of(title))
        root = read_svg(svg)
        written = {part for element in root.iter() for part in (element.tag, *element.attrib)}
        assert not [part for part in written if hostile.MARK in part or part.rsplit("}", 1)[-1].startswith("on")]
        assert not [one for one in written if one.endswith(("}script", "}foreignObject", "}a", "}iframe"))]
        # A label is read out and never applied, whatever it says.
        applied = [one for element in root.iter() for one in element.attrib.items() if one[0] != "aria-label"]
        assert not any("url(http" in value for name, value in applied)

    search()


@profile.slow(10)
@given(hostile.token_lists, hostile.texts)
@example(["a"], "\ud800")
def test_a_picture_of_any_text_becomes_a_pdf_and_a_png(names, title):
    svg = tokens_row(names[:4], [False] * len(names[:4]), theme=LIGHT, title=title, provenance=provenance_of(title))
    origin = provenance_of(title)
    reader = PdfReader(io.BytesIO(export.pdf_bytes(svg, origin)))
    assert len(reader.pages) == 1
    assert json.loads(reader.metadata["/Subject"]) == origin
    assert "/JavaScript" not in str(reader.trailer["/Root"])
    image = Image.open(io.BytesIO(export.png_bytes(svg, origin)))
    assert json.loads(image.text["Provenance"]) == origin


@given(hostile.token_lists, hostile.texts)
def test_a_vector_file_names_nothing_outside_itself(names, title):
    svg = tokens_row(names, [False] * len(names), theme=LIGHT, title=title, provenance=provenance_of(title))
    assert "<!" not in svg.split("<svg", 1)[0]
    for element in ElementTree.fromstring(svg).iter():
        assert not any(name.endswith("href") or name.startswith("on") for name in element.attrib)
    assert unpack(token_row_message(names, [1] * len(names), [""] * len(names)))["ids"] == [1] * len(names)
