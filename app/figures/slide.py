"""A page of a talk: the caption in large type, the picture as large as it fits, the talk's title and the page's number."""

import math
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from app.figures.svg import NAMESPACE, add, add_text, document, number, serialize
from app.figures.text_lines import fitted, prose_paragraphs
from app.figures.theme import Theme
from model.errors import HeadscopeError

WIDTH, HEIGHT = 1920.0, 1080.0
_SIDE, _TOP, _FOOT, _GAP = 96.0, 76.0, 1034.0, 28.0
_SIZES, _ALONE_SIZES, _NOTE_SIZES = (64, 58, 52, 46, 42, 38, 34, 30), (96, 84, 72, 64, 56, 50, 44), (30, 26)
_BODY_SIZES = (46, 42, 38, 34, 30, 26, 22, 18)
_SPACING, _CAPTION_HEIGHT, _ALONE_HEIGHT, _NOTE_HEIGHT = 1.22, 300.0, 760.0, 80.0
_LEFT_OUT = {f"{{{NAMESPACE}}}{tag}" for tag in ("metadata", "script", "foreignObject")}


def slide(
    pictures: Sequence[str], *, caption: str, title: str, number: int, count: int, theme: Theme, note: str = "",
    body: str = "", provenance: Mapping | None = None,
) -> str:  # fmt: skip
    """Return a page of 1920 x 1080 as SVG; `pictures` are SVGs of figures, scaled alike to fit, or none for words alone: the
    caption in the middle of the page, or above the paragraphs of `body`.

    The pictures stand beside or under each other, whichever lets them be larger. The caption shrinks until it fits. `number`
    counts from 1 to `count`. Raises HeadscopeError where a picture is no SVG.
    """
    described = " ".join(part for part in (f"Page {number} of {count}.", caption, body, note) if part)
    root = document(WIDTH, HEIGHT, theme, f"{title} {number}/{count}", described, provenance or {})
    top = _caption(root, caption, not pictures and not body.strip(), theme)
    bottom = _note(root, note, theme)
    if body.strip():
        _body(root, body, top + 60, bottom - 24, theme)
    elif pictures:
        _arrange(root, [_figure(picture) for picture in pictures], top + 34, bottom - 24)
    _footer(root, title, number, count, theme)
    return serialize(root)


def _caption(root, caption: str, alone: bool, theme: Theme) -> float:
    """Append the caption, in the middle of the page where it stands alone; return where it ends."""
    sizes, height = (_ALONE_SIZES, _ALONE_HEIGHT) if alone else (_SIZES, _CAPTION_HEIGHT)
    size, lines = fitted(caption, sizes, WIDTH - 2 * _SIDE, height, _SPACING, bold=True)
    step = size * _SPACING
    top = (HEIGHT - len(lines) * step) / 2 - 20 if alone else _TOP
    for index, line in enumerate(lines):
        add_text(root, _SIDE, top + (index + 0.5) * step, line, size=size, fill=theme.text, font_weight=600)
    return top + len(lines) * step


def _note(root, note: str, theme: Theme) -> float:
    """Append the note above the footer; return where it begins."""
    end = _FOOT - 44
    if not note.strip():
        return end
    size, lines = fitted(note, _NOTE_SIZES, WIDTH - 2 * _SIDE, _NOTE_HEIGHT, 1.3)
    top = end - len(lines) * size * 1.3
    for index, line in enumerate(lines):
        add_text(root, _SIDE, top + (index + 0.5) * size * 1.3, line, size=size, fill=theme.quiet)
    return top


def _body(root, body: str, top: float, bottom: float, theme: Theme) -> None:
    size, lines = fitted(body, _BODY_SIZES, WIDTH - 2 * _SIDE, bottom - top, 1.4, broken=prose_paragraphs)
    for index, line in enumerate(lines):
        add_text(root, _SIDE, top + (index + 0.5) * size * 1.4, line, size=size, fill=theme.text)


def _footer(root, title: str, number: int, count: int, theme: Theme) -> None:
    counted = f"{number} / {count}"
    size, lines = fitted(title, (24,), WIDTH - 2 * _SIDE - 200, 30, 1.2)
    add_text(root, _SIDE, _FOOT, lines[0], size=size, fill=theme.quiet)
    add_text(root, WIDTH - _SIDE, _FOOT, counted, size=24, fill=theme.quiet, token=True, text_anchor="end")


def _arrange(root, figures: list, top: float, bottom: float) -> None:
    """Append the figures between two heights, as large as they fit and in the middle."""
    boxes = [_box(figure) for figure in figures]
    widths, heights = [box[2] for box in boxes], [box[3] for box in boxes]
    room, tall = WIDTH - 2 * _SIDE, bottom - top
    gaps = _GAP * (len(figures) - 1)
    beside = min((room - gaps) / sum(widths), tall / max(heights))
    under = min(room / max(widths), (tall - gaps) / sum(heights))
    scale = max(beside, under)
    x = (WIDTH - scale * sum(widths) - gaps) / 2
    y = (top + bottom - scale * sum(heights) - gaps) / 2
    for figure, box in zip(figures, boxes, strict=True):
        width, height = scale * box[2], scale * box[3]
        left, above = (x, (top + bottom - height) / 2) if beside >= under else ((WIDTH - width) / 2, y)
        frame = add(
            root, "svg", x=left, y=above, width=width, height=height, viewBox=" ".join(map(number, box))
        )  # fmt: skip
        frame.extend(figure)
        x, y = x + width + _GAP, y + height + _GAP


def _box(figure) -> tuple[float, float, float, float]:
    """Return x, y, width and height of a figure."""
    try:
        x, y, width, height = (float(value) for value in figure.get("viewBox", "").split())
    except ValueError:
        width = height = 0.0
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise HeadscopeError("The picture of a scene has no size: make it again from its page.")
    return x, y, width, height


def _figure(picture: str):
    """Return the root of a figure without what belongs to the file it was: metadata, title, description, identifiers."""
    try:
        figure = ElementTree.fromstring(picture.encode("utf-8", errors="replace"))
    except ElementTree.ParseError as reason:
        raise HeadscopeError("The picture of a scene is no SVG: make it again from its page.") from reason
    if figure.tag != f"{{{NAMESPACE}}}svg":
        raise HeadscopeError("The picture of a scene is no SVG: make it again from its page.")
    for parent in figure.iter():
        for name in [name for name in parent.attrib if name == "id" or name.startswith("on")]:
            del parent.attrib[name]
        for child in list(parent):
            heads_file = parent is figure and child.tag in (f"{{{NAMESPACE}}}title", f"{{{NAMESPACE}}}desc")
            if child.tag in _LEFT_OUT or heads_file:
                parent.remove(child)
    return figure
