"""A page of a talk: the caption fits, the picture keeps its shape and stays between caption and footer, and survives as PDF."""

import io
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image, ImageFont
from pypdf import PdfReader

from app.export import pdf_bytes, png_bytes
from app.figures.head_grid import head_grid
from app.figures.score_grid import score_grid
from app.figures.slide import HEIGHT, WIDTH, slide
from app.figures.svg import NAMESPACE
from app.figures.text_lines import BOLD, prose_lines, prose_width
from app.figures.theme import theme
from model.errors import HeadscopeError
from tests.hand_views import CLEANED, HOSTILE, SVG, hand_thumbnails, hand_view, read_svg, texts

LIGHT, DARK = theme("light"), theme("dark")
PICTURE = score_grid(np.array([[0.5, -0.25]]), [0], theme=LIGHT, title="Inner", label="margin", provenance={"a": 1})
WORDS = "Attention is not explanation, and a weight is not a reason: "


def drawn(picture=PICTURE, caption="A caption", appearance=LIGHT, **told):
    told = {"title": "Attention in ten minutes", "number": 3, "count": 8, **told}
    return read_svg(slide([] if picture is None else [picture], caption=caption, theme=appearance, **told))


def caption_of(root) -> list:
    return [text for text in root.findall(f"{SVG}text") if text.get("font-weight") == "600"]


def test_a_page_is_a_page_with_its_title_and_number():
    root = drawn(note="layer 3 head 1")
    assert (root.get("width"), root.get("height")) == ("1920", "1080")
    written = [text.text for text in root.findall(f"{SVG}text")]
    assert written == ["A caption", "layer 3 head 1", "Attention in ten minutes", "3 / 8"]
    assert root.find(f"{SVG}desc").text == "Page 3 of 8. A caption layer 3 head 1"


@pytest.mark.parametrize("wide", ["iIl. ", WORDS, "WM@ ", "Wm" * 60, "注意は説明ではない"])
@pytest.mark.parametrize("picture", [PICTURE, None])
@pytest.mark.parametrize("length", [1, 60, 400])
def test_a_caption_of_up_to_400_characters_stays_on_the_page(wide, picture, length):
    caption = (wide * 400)[:length]
    root = drawn(picture, caption)
    lines = caption_of(root)
    size = float(lines[0].get("font-size"))
    assert size >= 30
    for line in lines:
        assert BOLD * prose_width(line.text) * size <= WIDTH - 2 * 96 + 0.01
        assert 0 < float(line.get("y")) - size / 2 < float(line.get("y")) + size / 2 < HEIGHT - 80
    gaps = [float(b.get("y")) - float(a.get("y")) for a, b in pairwise(lines)]
    assert all(gap >= size for gap in gaps)
    inner = root.find(f"{SVG}svg")
    if inner is not None:
        assert float(inner.get("y")) > float(lines[-1].get("y")) + size / 2
        assert float(inner.get("height")) > 60


def test_prose_of_400_characters_is_not_cut():
    caption = (WORDS * 9)[:400].strip()
    assert " ".join(line.text for line in caption_of(drawn(caption=caption))) == " ".join(caption.split())


def test_short_captions_are_large_and_long_ones_shrink():
    sizes = [float(caption_of(drawn(caption=(WORDS * 9)[:length]))[0].get("font-size")) for length in (20, 200, 400)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 64 > sizes[2]


def test_the_estimated_width_is_never_less_than_the_font_s():
    fonts = (
        pytest.importorskip("matplotlib", reason="matplotlib brings the DejaVu fonts").get_data_path() + "/fonts/ttf/"
    )
    for name, factor in (("DejaVuSans.ttf", 1.0), ("DejaVuSans-Bold.ttf", BOLD)):
        font = ImageFont.truetype(fonts + name, 100)
        for character in map(
            chr, [*range(32, 127), *range(0xC0, 0x17F), 0x2018, 0x2019, 0x201C, 0x201D, 0x2014, 0x2026]
        ):
            assert font.getlength(character) <= 100 * factor * prose_width(character) + 1, character


def test_lines_break_at_spaces_and_long_words_are_cut():
    assert prose_lines("aa bb cc", 2 * prose_width("a") + 0.01) == ["aa", "bb", "cc"]
    assert prose_lines("aa bb", 100) == ["aa bb"]
    assert prose_lines("aaaa", 2.1 * prose_width("a")) == ["aa", "aa"]
    assert prose_lines("", 10) == [""]


@pytest.mark.parametrize("box", ["0 0 1600 400", "0 0 300 3000", "10 20 500 500"])
def test_the_picture_keeps_its_shape_and_is_as_large_as_it_fits(box):
    root = drawn(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}"><rect width="5" height="5"/></svg>', note="a note"
    )
    inner = root.find(f"{SVG}svg")
    x, y, width, height = (float(inner.get(side)) for side in ("x", "y", "width", "height"))
    across, down = (float(side) for side in box.split()[2:])
    assert width / height == pytest.approx(across / down, rel=0.01)
    assert x + width / 2 == pytest.approx(WIDTH / 2, abs=0.02)
    assert inner.get("viewBox") == box
    note = next(text for text in root.findall(f"{SVG}text") if text.text == "a note")
    assert y + height <= float(note.get("y"))
    # It touches the frame in one direction.
    assert width == pytest.approx(WIDTH - 192, abs=0.5) or height > 650


def test_a_picture_leaves_its_file_behind():
    picture = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" id="r" onload="alert(1)"><title>t</title><desc>d</desc>'
        '<metadata id="m">secret</metadata><script>alert(1)</script><g id="g" onclick="x()"><rect id="b" width="1"/>'
        "<foreignObject/><title>hover</title></g></svg>"
    )
    root = drawn(picture)
    inner = root.find(f"{SVG}svg")
    assert [element.tag.removeprefix(SVG) for element in inner.iter()] == ["svg", "g", "rect", "title"]
    assert not [name for element in root.iter() for name in element.attrib if name == "id" or name.startswith("on")]
    assert len(list(root.iter(f"{SVG}metadata"))) == 1


NO_PICTURES = (
    "", "words", "<html/>", "<svg/>", '<svg xmlns="http://www.w3.org/2000/svg"/>',
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 0 5"/>',
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 nan 5"/>',
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 5 inf"/>',
    '<!DOCTYPE s [<!ENTITY a "b">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>',
)  # fmt: skip


@pytest.mark.parametrize("picture", NO_PICTURES)
def test_what_is_no_picture_is_said(picture):
    with pytest.raises(HeadscopeError, match="make it again"):
        drawn(picture)


def test_hostile_captions_stay_text():
    for hostile, cleaned in zip(HOSTILE, CLEANED, strict=True):
        root = drawn(None, hostile, title=hostile, note=hostile)
        assert {element.tag for element in root.iter()} <= {
            f"{SVG}{tag}" for tag in ("svg", "title", "desc", "metadata", "rect", "text")
        }
        assert root.find(f"{SVG}title").text == f"{cleaned} 3/8"
        assert all("\u202e" not in text for text in texts(root))


def test_pages_survive_as_pdf_and_png_with_words_and_pixels():
    view = hand_view(np.eye(3))
    thumbnails = hand_thumbnails(view, view.weights[None, None].repeat(2, axis=1), (0,))
    picture = head_grid(
        thumbnails, theme=DARK, title="Inner", selected=(0, 0), scale="linear", common=True, provenance={}
    )
    page = slide([picture], caption="Many heads", title="Talk", number=1, count=2, theme=DARK)
    pdf = PdfReader(io.BytesIO(pdf_bytes(page, {})))
    assert (pdf.pages[0].mediabox.width, pdf.pages[0].mediabox.height) == (1920, 1080)
    assert len(pdf.pages[0].images) == 2
    assert all(words in pdf.pages[0].extract_text() for words in ("Many heads", "Talk", "1 / 2", "Inner", "H0"))
    image = Image.open(io.BytesIO(png_bytes(page, {}))).convert("RGB")
    assert image.size == (3840, 2160)
    # The strongest weight of the nested grid: the top of its colour scale is on the page.
    assert tuple(int(part) for part in DARK.sequential[255]) in {colour for _, colour in image.getcolors(1 << 24)}


def test_the_page_is_well_formed():
    ElementTree.fromstring(slide([PICTURE], caption="&<>\"'", title="]]>", number=1, count=1, theme=LIGHT))


def test_two_pictures_share_the_page_and_one_scale_without_overlap():
    wide = f'<svg xmlns="{NAMESPACE}" viewBox="0 0 900 100"><rect width="1" height="1"/></svg>'
    tall = f'<svg xmlns="{NAMESPACE}" viewBox="0 0 300 600"><rect width="1" height="1"/></svg>'
    for pictures, apart in (([wide, wide], "y"), ([tall, tall], "x")):
        page = ElementTree.fromstring(slide(pictures, caption="c", title="t", number=1, count=1, theme=LIGHT))
        first, second = page.findall(f"{{{NAMESPACE}}}svg")
        side = "height" if apart == "y" else "width"
        assert float(first.get(apart)) + float(first.get(side)) < float(second.get(apart))
        assert first.get("width") == second.get("width")
        assert float(second.get(apart)) + float(second.get(side)) <= (1080 if apart == "y" else 1920)


def test_paragraphs_stand_large_under_their_caption_and_all_of_them_fit():
    body = "\n\n".join(f"Paragraph {number} " + "of words that go on and on " * 6 for number in range(6))
    page = read_svg(slide([], caption="Heading", body=body, title="t", number=1, count=1, theme=LIGHT))
    shown = " ".join(text or "" for text in texts(page))
    assert all(f"Paragraph {number}" in shown for number in range(6))
    assert "…" not in shown
