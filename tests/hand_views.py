"""Hand-made attention views and thumbnails whose numbers are known, hostile tokens, and a reader of figures."""

import base64
import io
from xml.etree import ElementTree

import numpy as np
import torch
from PIL import Image

from model.analysis.thumbnails import Thumbnails, encode_tiles, pool_mask
from model.analysis.view_rows import ViewRows
from model.analysis.views import AttentionView
from model.trace import Provenance

HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "]]>",
    "&lt;b&gt;",
    "\x00\x08\x1b[31m",
    "\ud800",
    "\u202etxt.exe",
    "\"'><script>alert(1)</script>",
    "<!--",
)
# What XML cannot hold is shown as the replacement character.
CLEANED = tuple(token.translate(dict.fromkeys((0, 8, 0x1B, 0xD800), "\ufffd")) for token in HOSTILE)
SVG = "{http://www.w3.org/2000/svg}"
PROVENANCE = Provenance(
    model="org/some-model", revision="a1b2c3", model_type="bert", dtype="float32", device="cpu", capture="lazy",
    versions={"headscope": "0.1.0", "torch": "2.0"}, text="The cat sat.",
)  # fmt: skip


def hand_view(weights, tokens=None, key_tokens=None, mask=None, special=()) -> AttentionView:
    """Return a view of these weights [query, key]; tokens are named q0, q1, ... and k0, k1, ... where none are given."""
    weights = np.array(weights, dtype=np.float32)
    rows, columns = weights.shape
    query_tokens = tuple(tokens or (f"q{row}" for row in range(rows)))
    key_tokens = tuple(key_tokens or tokens or (f"k{column}" for column in range(columns)))
    return AttentionView(
        query_tokens,
        key_tokens,
        tuple(row in special for row in range(rows)),
        tuple(column in special for column in range(columns)),
        tuple((row,) for row in range(rows)),
        tuple((column,) for column in range(columns)),
        weights,
        np.ones(weights.shape, dtype=bool) if mask is None else np.array(mask, dtype=bool),
    )


def hand_rows(view: AttentionView, rows: int = 99, same_sequence: bool = True) -> ViewRows:
    """Return the rows of a view on demand, so many in a block."""

    def read(start: int, stop: int):
        return torch.tensor(view.weights[start:stop]), torch.tensor(view.mask[start:stop])

    return ViewRows(view, read, 1, same_sequence, rows)


def random_view(rows: int, columns: int, causal: bool = False) -> AttentionView:
    """Return a view of random weights whose rows sum to one, with the keys after the query masked where `causal`."""
    mask = np.tril(np.ones((rows, columns), dtype=bool)) if causal else np.ones((rows, columns), dtype=bool)
    weights = np.random.default_rng(7).exponential(size=(rows, columns)) ** 3 * mask
    return hand_view(weights / weights.sum(axis=1, keepdims=True), mask=mask)


def hand_thumbnails(view: AttentionView, heads: np.ndarray, layers: tuple[int, ...]) -> Thumbnails:
    """Return the thumbnails of weights [layer, head, query, key] that are small enough to stay unpooled."""
    flat = heads.reshape(*heads.shape[:2], -1)
    strongest = np.stack(np.unravel_index(flat.argmax(axis=2), view.weights.shape), axis=2)
    tiles = np.stack([encode_tiles(layer.astype(np.float32), pool_mask(view.mask, 64)) for layer in heads])
    return Thumbnails(layers, tiles, flat.max(axis=2).astype(np.float32), strongest, view)


def read_svg(svg: str) -> ElementTree.Element:
    """Return the parsed figure, read from its bytes as a file would be."""
    return ElementTree.fromstring(svg.encode("utf-8"))


def tags(root: ElementTree.Element) -> set[str]:
    """Return the names of all elements of a figure; one outside SVG keeps its namespace."""
    return {element.tag.removeprefix(SVG) for element in root.iter()}


def texts(root: ElementTree.Element) -> list[str]:
    """Return what a figure writes, in order."""
    return [element.text for element in root.iter(f"{SVG}text")]


def pixels(image: ElementTree.Element) -> np.ndarray:
    """Return the pixels uint8 [row, column, rgb] of an embedded picture."""
    kind, data = image.get("href").split(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
