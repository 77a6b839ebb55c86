"""Pictures and numbers as files: SVG, PDF, PNG, CSV, NPZ and HTML, each with its provenance inside; no browser needed."""

import base64
import dataclasses
import html
import importlib.util
import io
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from app.figures.svg import clean
from model.analysis.thumbnails import Thumbnails, decode_tiles
from model.analysis.views import AttentionView
from model.trace import Provenance

MIME = {
    "SVG": "image/svg+xml",
    "PDF": "application/pdf",
    "PNG": "image/png",
    "CSV": "text/csv",
    "NPZ": "application/octet-stream",
    "HTML": "text/html",
}
PNG_SCALE = 2
LONGEST_PART = 48
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"


def describe(provenance: Provenance, **picture) -> dict:
    """Return what a file says of its origin: the trace's provenance and what the picture shows."""
    return {"made by": "Headscope", **dataclasses.asdict(provenance), "picture": picture}


def file_name(parts: Sequence[str], extension: str) -> str:
    """Return a safe file name from its parts: letters, digits and "-._" only, at most 120 characters."""
    safe = [re.sub(r"[^A-Za-z0-9.-]+", "-", part).strip("-.") for part in parts]
    # A long part (the name or folder of a model) keeps its end, so that the parts after it still tell two files apart.
    name = "_".join(["headscope", *(part[-LONGEST_PART:].lstrip("-.") for part in safe if part)])
    return f"{name[: 119 - len(extension)]}.{extension.lower()}"


@cache
def _converter():
    import vl_convert

    # matplotlib brings DejaVu Sans Mono, which a bare server lacks; matplotlib itself is not imported.
    spec = importlib.util.find_spec("matplotlib")
    if spec is not None and spec.origin is not None:
        vl_convert.register_font_directory(str(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"))
    return vl_convert


def pdf_bytes(svg: str, provenance: Mapping) -> bytes:
    """Return the figure as a vector PDF whose document information holds the provenance."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(_converter().svg_to_pdf(svg))))
    writer.add_metadata(
        {"/Creator": "Headscope", "/Title": _title(provenance), "/Subject": json.dumps(provenance, ensure_ascii=True)}
    )
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def png_bytes(svg: str, provenance: Mapping) -> bytes:
    """Return the figure as a PNG at twice its size, with the provenance in a text chunk."""
    from PIL import Image, PngImagePlugin

    information = PngImagePlugin.PngInfo()
    information.add_text("Software", "Headscope")
    information.add_text("Provenance", json.dumps(provenance, ensure_ascii=True))
    stream = io.BytesIO()
    Image.open(io.BytesIO(_converter().svg_to_png(svg, scale=PNG_SCALE))).save(stream, "PNG", pnginfo=information)
    return stream.getvalue()


def head_csv(view: AttentionView, provenance: Mapping) -> bytes:
    """Return one row per query and key: positions, tokens, weight (empty where masked), and provenance columns."""
    rows, columns = view.weights.shape
    frame = pd.DataFrame(
        {
            "query": np.repeat(view.query_positions, columns),
            "query_token": np.repeat([_cell(token) for token in view.query_tokens], columns),
            "key": np.tile(view.key_positions, rows),
            "key_token": np.tile([_cell(token) for token in view.key_tokens], rows),
            "weight": np.where(view.mask, view.weights, np.nan).reshape(-1),
        }
    )
    return _csv(frame, provenance)


def grid_csv(thumbnails: Thumbnails, provenance: Mapping) -> bytes:
    """Return one row per layer, head and tile cell: the pooled weights that the picture shows (empty where masked)."""
    layers, heads, rows, columns = thumbnails.tiles.shape
    index = np.indices((layers, heads, rows, columns)).reshape(4, -1)
    frame = pd.DataFrame(
        {
            "layer": np.array(thumbnails.layers)[index[0]],
            "head": index[1],
            "row": index[2],
            "column": index[3],
            "weight": decode_tiles(thumbnails.tiles).reshape(-1),
        }
    )
    return _csv(frame, provenance)


def npz_bytes(arrays: Mapping[str, np.ndarray], provenance: Mapping) -> bytes:
    """Return a compressed NPZ of the arrays and of the provenance as JSON text; nothing in it is pickled."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays, provenance=np.array(json.dumps(provenance)))
    return stream.getvalue()


def head_arrays(view: AttentionView) -> dict[str, np.ndarray]:
    """Return the arrays of one head: weights and mask [query, key], and the tokens of both axes."""
    return {
        "weights": view.weights,
        "mask": view.mask,
        "query_tokens": np.array(view.query_tokens, dtype=np.str_),
        "key_tokens": np.array(view.key_tokens, dtype=np.str_),
    }


def standalone_html(component: str, message: bytes, provenance: Mapping) -> bytes:
    """Return one HTML page that draws a canvas component with the network off.

    The message travels as base64, so no token of the text can become markup; the policy forbids every outside source.
    """
    from app.components.sources import STYLES, markup, read_parts, script

    title = _title(provenance)
    # "<" never stands in the JSON, so that it cannot close its own script element.
    described = json.dumps(provenance).replace("<", "\\u003c")
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>{html.escape(title)}</title>
<style>{read_parts(("standalone.css", *STYLES[component]))}</style></head>
<body><h1>{html.escape(title)}</h1>
<main>{markup(component)}</main>
<footer>{html.escape(_origin(provenance))}</footer>
<script type="application/json" id="provenance">{described}</script>
<script type="text/plain" id="message">{base64.b64encode(message).decode()}</script>
<script type="module">
{script(component).replace("export default function", "function mount")}
{read_parts(("standalone.js",))}
</script></body></html>
"""
    return clean(page).encode()


def _title(provenance: Mapping) -> str:
    return str(provenance.get("picture", {}).get("title", "Attention"))


def _origin(provenance: Mapping) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in provenance.get("versions", {}).items())
    parts = [provenance.get("model"), provenance.get("revision"), provenance.get("dtype"), versions]
    return " · ".join(str(part) for part in parts if part)


def _cell(token: str) -> str:
    # A spreadsheet would run such a cell as a formula.
    return clean(f"'{token}" if len(token) > 1 and token[0] in "=+-@" else token)


def _csv(frame: pd.DataFrame, provenance: Mapping) -> bytes:
    picture = provenance.get("picture", {})
    origin = {
        "model": provenance.get("model"),
        "revision": provenance.get("revision"),
        "picture": picture.get("title"),
        "dtype": provenance.get("dtype"),
        "headscope": provenance.get("versions", {}).get("headscope"),
    }
    return frame.assign(**{name: _cell(str(value)) for name, value in origin.items()}).to_csv(index=False).encode()
