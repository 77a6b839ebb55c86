"""Pictures and numbers as files: each opens in an ordinary reader, holds what was shown, and says where it came from."""

import io
import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pypdf import PdfReader

from app import export
from app.attention_exports import grid_makers, head_makers
from app.figures.theme import theme
from model import record, wrap
from model.analysis.thumbnails import decode_tiles, head_thumbnails
from model.analysis.views import attention_view, head_weights
from tests.hand_views import HOSTILE, PROVENANCE, SVG, hand_view, random_view, read_svg
from tests.tiny_models import tiny
from tests.tiny_tokenizers import trained

SETTINGS = {
    "layer": 1, "head": 2, "combination": "head", "words": True, "hide_special": True, "scale": "square root",
    "common": True, "threshold": 0.05,
}  # fmt: skip
TITLE = "some-model L1 H2"
DESCRIBED = export.describe(PROVENANCE, title=TITLE, kind="heatmap", stack="encoder", **SETTINGS)
VIEW = hand_view(
    [[0.5, 0.25, 0.125, 0.125], [1 / 3, 2 / 3, 0, 0], [0.1, 0.2, 0.7, 0], [1e-8, 0.3, 0.3, 0.4]],
    tokens=("[CLS]", "##ing", "street", "street"),
    mask=[[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]],
)


@cache
def tiny_trace():
    return record(wrap(tiny("bert"), trained("word piece")), "The cats cross the streets; it rains.")


@cache
def files(picture: str) -> dict[str, bytes]:
    """Return the files of one picture that are not pages, each made once."""
    if picture == "grid":
        trace = tiny_trace()
        thumbnails = head_thumbnails(trace, words=True, hide_special=True)
        makers = grid_makers(trace, "encoder", thumbnails, DESCRIBED, theme("dark"))
    else:
        makers = head_makers(picture, VIEW, "q1", b"", DESCRIBED, theme("light"))
    assert list(makers) == list(export.MIME)
    return {extension: make() for extension, make in makers.items() if extension != "HTML"}


PICTURES = ("heatmap", "links", "grid")


def plain(described: dict) -> dict:
    return json.loads(json.dumps(described))


def test_what_a_file_says_of_its_origin_is_json():
    told = plain(DESCRIBED)
    assert told == DESCRIBED
    assert told["picture"] == {"title": TITLE, "kind": "heatmap", "stack": "encoder", **SETTINGS}
    assert (told["model"], told["revision"], told["text"]) == ("org/some-model", "a1b2c3", "The cat sat.")
    assert told["versions"] == {"headscope": "0.1.0", "torch": "2.0"}
    assert plain(export.describe(tiny_trace().provenance, title="T"))["model_type"] == "bert"


@pytest.mark.parametrize("picture", PICTURES)
def test_the_svg_holds_its_origin(picture):
    root = read_svg(files(picture)["SVG"].decode())
    assert json.loads(root.find(f"{SVG}metadata").text) == DESCRIBED
    assert root.find(f"{SVG}title").text == TITLE


@pytest.mark.parametrize("picture", PICTURES)
def test_the_pdf_is_one_page_of_vectors_and_words(picture):
    reader = PdfReader(io.BytesIO(files(picture)["PDF"]))
    assert len(reader.pages) == 1
    page = reader.pages[0]
    root = read_svg(files(picture)["SVG"].decode())
    assert float(page.mediabox.width) == pytest.approx(float(root.get("width")), abs=0.5)
    assert float(page.mediabox.height) == pytest.approx(float(root.get("height")), abs=0.5)
    assert "/Font" in page["/Resources"]
    words = page.extract_text()
    assert TITLE in words
    if picture == "grid":
        layers, heads = len(tiny_trace().layers), 4
        assert len(page.images) == layers * heads
    else:
        assert len(page.images) == 0
        assert words.count("##ing") == words.count("[CLS]") == 2
        assert words.count("street") == 4
        operators = page.get_contents().get_data().split()
        assert operators.count(b"l" if picture == "heatmap" else b"c") >= 5


@pytest.mark.parametrize("picture", PICTURES)
def test_the_pdf_says_where_it_came_from(picture):
    information = PdfReader(io.BytesIO(files(picture)["PDF"])).metadata
    assert information.title == TITLE
    assert information.creator == "Headscope"
    assert json.loads(information.subject) == DESCRIBED


@pytest.mark.parametrize("picture", PICTURES)
def test_the_png_is_twice_the_size_and_says_where_it_came_from(picture):
    image = Image.open(io.BytesIO(files(picture)["PNG"]))
    image.load()
    root = read_svg(files(picture)["SVG"].decode())
    for size, name in zip(image.size, ("width", "height"), strict=True):
        assert size == pytest.approx(2 * float(root.get(name)), abs=1)
    assert json.loads(image.text["Provenance"]) == DESCRIBED
    ground = theme("dark" if picture == "grid" else "light").background
    assert "#{:02x}{:02x}{:02x}".format(*image.convert("RGB").getpixel((1, 1))) == ground
    # Something is drawn on it.
    assert len(image.convert("RGB").getcolors(1 << 20)) > 20


@pytest.mark.parametrize("picture", ["heatmap", "links"])
def test_the_table_of_a_head_reads_back_exactly(picture):
    frame = pd.read_csv(io.BytesIO(files(picture)["CSV"]))
    weights = frame["weight"].to_numpy().astype(np.float32).reshape(4, 4)
    assert np.array_equal(weights[VIEW.mask], VIEW.weights[VIEW.mask])
    assert np.isnan(weights[~VIEW.mask]).all()
    assert frame["query"].tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    assert frame["key"].tolist() == [0, 1, 2, 3] * 4
    assert frame["query_token"].tolist()[::4] == frame["key_token"].tolist()[:4] == list(VIEW.query_tokens)
    origin = frame[["model", "revision", "picture", "dtype", "headscope"]].drop_duplicates()
    assert origin.to_numpy().tolist() == [["org/some-model", "a1b2c3", TITLE, "float32", "0.1.0"]]


def test_the_table_keeps_any_token_and_runs_none_as_a_formula():
    tokens = ("##ing", "a,b", 'say "x"', "two\nlines", "=1+2", "-5", "+1", "@cmd", "-", "=", "nan", " ", "\ud800", "字")
    view = hand_view(np.eye(len(tokens)), tokens=tokens)
    frame = pd.read_csv(io.BytesIO(export.head_csv(view, DESCRIBED)), keep_default_na=False)
    expected = [
        "##ing",
        "a,b",
        'say "x"',
        "two\nlines",
        "'=1+2",
        "'-5",
        "'+1",
        "'@cmd",
        "-",
        "=",
        "nan",
        " ",
        "\ufffd",
        "字",
    ]
    assert frame["key_token"].tolist()[: len(tokens)] == expected
    assert frame["query_token"].tolist()[:: len(tokens)] == expected
    cursed = export.head_csv(view, DESCRIBED | {"model": "=HYPERLINK(0)", "picture": {"title": "@x"}})
    assert pd.read_csv(io.BytesIO(cursed)).loc[0, ["model", "picture"]].tolist() == ["'=HYPERLINK(0)", "'@x"]


def test_the_table_of_the_grid_holds_every_tile():
    thumbnails = head_thumbnails(tiny_trace(), words=True, hide_special=True)
    frame = pd.read_csv(io.BytesIO(files("grid")["CSV"]))
    shape = thumbnails.tiles.shape
    assert np.allclose(frame["weight"].to_numpy().reshape(shape), decode_tiles(thumbnails.tiles), equal_nan=True)
    place = frame.iloc[np.ravel_multi_index((2, 3, 1, 0), shape)]
    assert place[["layer", "head", "row", "column"]].tolist() == [2, 3, 1, 0]
    assert sorted(frame["layer"].unique()) == [0, 1, 2]


def test_the_arrays_of_a_head_read_back_without_pickle():
    for view in (VIEW, hand_view(np.eye(len(HOSTILE)), tokens=HOSTILE), random_view(3, 5)):
        with np.load(io.BytesIO(export.npz_bytes(export.head_arrays(view), DESCRIBED)), allow_pickle=False) as found:
            assert set(found) == {"weights", "mask", "query_tokens", "key_tokens", "provenance"}
            assert np.array_equal(found["weights"], view.weights)
            assert found["weights"].dtype == np.float32
            assert np.array_equal(found["mask"], view.mask)
            assert tuple(found["query_tokens"]) == view.query_tokens
            assert tuple(found["key_tokens"]) == view.key_tokens
            assert json.loads(str(found["provenance"])) == DESCRIBED


def test_the_arrays_of_the_grid_are_the_exact_weights():
    trace = tiny_trace()
    view = attention_view(trace, 1, 2, words=True, hide_special=True)
    with np.load(io.BytesIO(files("grid")["NPZ"]), allow_pickle=False) as found:
        assert set(found) == {"layer_0", "layer_1", "layer_2", "query_tokens", "key_tokens", "provenance"}
        for layer, weights in head_weights(trace, words=True, hide_special=True):
            assert np.array_equal(found[f"layer_{layer}"], weights)
        assert np.array_equal(found["layer_1"][2], view.weights)
        assert tuple(found["query_tokens"]) == view.query_tokens


def test_a_file_of_a_head_is_the_head_that_was_asked_for():
    trace = tiny_trace()
    view = attention_view(trace, 1, 2)
    made = head_makers("heatmap", view, "", b"", DESCRIBED, theme("light"))["NPZ"]()
    with np.load(io.BytesIO(made)) as found:
        assert np.array_equal(found["weights"], trace.attention(1, 2))
