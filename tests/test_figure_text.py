"""What the figures write: titles, alternative texts, provenance, and tokens that never become markup."""

import json

import numpy as np
import pytest

from app.figures.head_grid import head_grid
from app.figures.head_heatmap import attention_heatmap
from app.figures.svg import LONGEST_TITLE
from app.figures.theme import theme
from app.figures.token_links import token_links
from tests.hand_views import CLEANED, HOSTILE, SVG, hand_thumbnails, hand_view, read_svg, tags, texts

LIGHT = theme("light")
EXPECTED = {
    "heatmap": {"svg", "title", "desc", "metadata", "rect", "text", "g", "path"},
    "pixels": {"svg", "title", "desc", "metadata", "rect", "text", "image"},
    "links": {"svg", "title", "desc", "metadata", "rect", "text", "g", "path"},
    "grid": {"svg", "title", "desc", "metadata", "rect", "text", "image"},
}
ALLOWED = {
    "width", "height", "viewBox", "role", "x", "y", "fill", "font-size", "font-family", "font-weight", "text-anchor", "d",
    "dominant-baseline", "{http://www.w3.org/XML/1998/namespace}space", "transform", "stroke", "stroke-width",
    "stroke-opacity", "href", "preserveAspectRatio", "style",
}  # fmt: skip


def figure(kind: str, tokens, title: str = "T", provenance=None):
    """Return the parsed figure of one kind over these tokens."""
    count = 130 if kind == "pixels" else len(tokens)
    view = hand_view(np.eye(count), tokens=(tuple(tokens) * count)[:count])
    told = {"theme": LIGHT, "title": title, "provenance": provenance or {}}
    if kind == "links":
        return read_svg(token_links(view, threshold=0.1, selected="q0", **told))
    if kind == "grid":
        thumbnails = hand_thumbnails(view, view.weights[None, None], (0,))
        return read_svg(head_grid(thumbnails, selected=(0, 0), scale="log", common=True, **told))
    return read_svg(attention_heatmap(view, scale="log", common=True, **told))


@pytest.mark.parametrize("kind", EXPECTED)
def test_hostile_text_stays_text(kind):
    root = figure(kind, HOSTILE, title="".join(HOSTILE), provenance={"text": HOSTILE[0]})
    assert tags(root) == EXPECTED[kind]
    assert {name for element in root.iter() for name in element.attrib} <= ALLOWED
    for image in root.iter(f"{SVG}image"):
        assert image.get("href").startswith("data:image/png;base64,")
    assert root.find(f"{SVG}title").text == "".join(CLEANED)


@pytest.mark.parametrize("kind", ["heatmap", "links"])
@pytest.mark.parametrize(("token", "cleaned"), list(zip(HOSTILE, CLEANED, strict=True)))
def test_every_hostile_token_can_be_read_as_text(kind, token, cleaned):
    root = figure(kind, (token, "plain"))
    labels = [text for text in root.iter(f"{SVG}text") if text.text and text.text[:3] == cleaned[:3]]
    assert len(labels) == 2
    for label in labels:
        whole = label.find(f"{SVG}title")
        assert (label.text if whole is None else whole.text) == cleaned
        assert (whole is None) == (label.text == cleaned)


@pytest.mark.parametrize(("kind", "longest"), [("heatmap", 16), ("links", 18)])
def test_a_long_token_is_cut_but_whole_in_its_title(kind, longest):
    exact, over, wide = "a" * longest, "b" * (longest + 1), "字" * longest
    root = figure(kind, (exact, over, wide))
    written = texts(root)
    assert written.count(exact) == 2
    assert written.count("b" * (longest - 1) + "…") == 2
    assert written.count("字" * ((longest - 1) // 2) + "…") == 2
    titles = [title.text for text in root.iter(f"{SVG}text") for title in text.iter(f"{SVG}title")]
    assert sorted(titles) == sorted([over, over, wide, wide])


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_figure_has_a_title_and_says_in_words_what_it_shows(kind):
    root = figure(kind, ("a", "b"), title="bert L3 H1")
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text == "bert L3 H1"
    count = 130 if kind == "pixels" else 2
    expected = {
        "links": "Links between 2 queries and 2 keys. bert L3 H1",
        "grid": "Grid of 1 layers by 1 heads, one thumbnail of attention weights each. bert L3 H1",
    }.get(kind, f"Heatmap of attention weights, {count} queries by {count} keys. bert L3 H1")
    assert root.find(f"{SVG}desc").text == expected
    assert "bert L3 H1" in texts(root)


@pytest.mark.parametrize("kind", EXPECTED)
def test_provenance_reads_back_from_the_figure(kind):
    told = {"model": "m", "text": "</metadata>]]><script>“é”字\n", "picture": {"layer": 3, "threshold": 0.1}}
    assert json.loads(figure(kind, ("a", "b"), provenance=told).find(f"{SVG}metadata").text) == told


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_long_title_keeps_both_ends_and_fits(kind):
    title = f"{'organisation/' * 9}model L3 H1"
    root = figure(kind, ("a", "b"), title=title)
    shown = next(text for text in root.iter(f"{SVG}text") if text.get("font-size") == "18")
    assert shown.text.startswith("organisation/")
    assert shown.text.endswith("model L3 H1")
    assert len(shown.text) == LONGEST_TITLE
    # DejaVu Sans Bold, the widest of the fonts asked for, is 0.6 font sizes wide on average.
    assert float(root.get("width")) > 14 + 18 * 0.6 * len(shown.text)
    assert root.find(f"{SVG}title").text == title


def test_the_ground_is_the_theme_s():
    for name in ("light", "dark"):
        chosen = theme(name)
        view = hand_view(np.eye(2))
        root = read_svg(attention_heatmap(view, theme=chosen, title="T", scale="linear", common=True, provenance={}))
        ground = root.find(f"{SVG}rect")
        assert ground.get("fill") == chosen.background
        assert (ground.get("width"), ground.get("height")) == (root.get("width"), root.get("height"))
