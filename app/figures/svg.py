"""SVG documents from elements: everything written passes through the XML serializer, so no text can become markup."""

import base64
import io
import json
import re
import unicodedata
from collections.abc import Mapping
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from app.figures.theme import TEXT_FONT, TOKEN_FONT, Theme

SHARP_PIXELS = 256  # a picture of fewer cells is repeated to this, since some readers blur what they enlarge
NAMESPACE = "http://www.w3.org/2000/svg"
LONGEST_TITLE = 72
_NOT_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ElementTree.register_namespace("", NAMESPACE)


def document(width: float, height: float, theme: Theme, title: str, description: str, provenance: Mapping):
    """Return the root element: background, title and description for screen readers, provenance as JSON metadata."""
    root = ElementTree.Element(
        f"{{{NAMESPACE}}}svg",
        {
            "width": number(width),
            "height": number(height),
            "viewBox": f"0 0 {number(width)} {number(height)}",
            "role": "img",
        },
    )
    add(root, "title").text = clean(title)
    add(root, "desc").text = clean(description)
    add(root, "metadata").text = clean(json.dumps(provenance, ensure_ascii=False))
    add(root, "rect", width=width, height=height, fill=theme.background)
    return root


def add(parent, tag: str, **attributes):
    """Append an element; underscores in names become hyphens, numbers are written short."""
    written = {
        name.rstrip("_").replace("_", "-"): number(value) if isinstance(value, int | float) else clean(str(value))
        for name, value in attributes.items()
    }
    return ElementTree.SubElement(parent, f"{{{NAMESPACE}}}{tag}", written)


def add_text(parent, x: float, y: float, text: str, *, size: float, fill: str, token: bool = False, **attributes):
    """Append one line of text; spaces in it are kept."""
    element = add(
        parent, "text", x=x, y=y, font_size=size, fill=fill, font_family=TOKEN_FONT if token else TEXT_FONT,
        dominant_baseline="central", **attributes,
    )  # fmt: skip
    element.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
    element.text = clean(text)
    return element


def add_title(root, title: str, theme: Theme) -> None:
    """Append the heading of a figure; of a very long one the middle is left out, the whole is in the document's title."""
    half = LONGEST_TITLE // 2
    shown = title if len(title) <= LONGEST_TITLE else f"{title[: half - 1]}…{title[-half:]}"
    add_text(root, 14, 24, shown, size=18, fill=theme.text, font_weight=600)


def title_width(title: str) -> float:
    """Return how wide a figure must be to hold its heading."""
    return 28 + 11.4 * min(columns(title), LONGEST_TITLE)


def add_pixels(parent, x: float, y: float, width: float, height: float, rgb: np.ndarray):
    """Append uint8 pixels [row, column, rgb] as an embedded PNG whose cells keep sharp edges."""
    repeat = max(1, SHARP_PIXELS // max(rgb.shape[:2]))
    stream = io.BytesIO()
    Image.fromarray(rgb.repeat(repeat, axis=0).repeat(repeat, axis=1)).save(stream, format="PNG")
    data = f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
    element = add(
        parent, "image", x=x, y=y, width=width, height=height, href=data, preserveAspectRatio="none",
        style="image-rendering:pixelated",
    )  # fmt: skip
    return element


def serialize(root) -> str:
    """Return the document as text; whatever was written into it, it can be read as XML again."""
    return clean(ElementTree.tostring(root, encoding="unicode"))


def clean(text: str) -> str:
    """Return `text` without the characters that XML cannot hold."""
    return _NOT_XML.sub("�", text)


def number(value: float) -> str:
    """Return a number with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def columns(text: str) -> int:
    """Return how many columns of a fixed-width font `text` takes as it is written: wide characters (as in Chinese) take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in clean(text))


def clipped(text: str, longest: int) -> str:
    """Return `text` cut to `longest` columns with an ellipsis; the whole stays in the element's title."""
    if columns(text) <= longest:
        return text
    kept = text[: longest - 1]
    while columns(kept) > longest - 1:
        kept = kept[:-1]
    return f"{kept}…"
