"""Pictures and numbers as files: SVG, PDF, PNG, CSV and NPZ, each with its provenance inside; no browser needed."""

import csv
import dataclasses
import importlib.util
import io
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from app.figures.svg import NAMESPACE, clean, serialize
from model.analysis.thumbnails import Thumbnails, decode_tiles
from model.analysis.views import AttentionView, ViewAxes
from model.trace import Provenance

if TYPE_CHECKING:
    import pandas as pd

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
# Also after what a spreadsheet skips, and in the full width of East Asian scripts.
_FORMULA = re.compile("[\\s\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20]")


def describe(provenance: Provenance, **picture) -> dict:
    """Return what a file says of its origin: the trace's provenance and what the picture shows."""
    return {"made by": "Headscope", **dataclasses.asdict(provenance), "picture": picture}


def describe_results(results, **picture) -> dict:
    """Return what a file says of its origin where it shows results over a set."""
    runs = [{"set": run.set, "command": run.command} for run in results.runs]
    versions = results.runs[0].versions if results.runs else {}
    origin = {"model": results.model, "revision": results.revision, "versions": dict(versions), "runs": runs}
    return {"made by": "Headscope", **origin, "picture": picture}


def chart_svg(chart, title: str, provenance: Mapping) -> str:
    """Return an Altair chart as SVG, with its title, description and provenance inside."""
    # A character that XML cannot hold would end the process: the converter aborts on it.
    found = ElementTree.fromstring(_converter().vegalite_to_svg(_cleaned(chart.to_dict())))
    for tag, text in (
        ("metadata", json.dumps(provenance, ensure_ascii=False)),
        ("desc", chart.description),
        ("title", title),
    ):
        element = ElementTree.Element(f"{{{NAMESPACE}}}{tag}")
        element.text = clean(str(text))
        found.insert(0, element)
    return serialize(found)


def _cleaned(value):
    """Return a spec with every string in it cleaned."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(name): _cleaned(one) for name, one in value.items()}
    return [_cleaned(one) for one in value] if isinstance(value, list) else value


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
    return pdf_pages([svg], provenance)


def pdf_pages(svgs: Sequence[str], provenance: Mapping) -> bytes:
    """Return the figures as the pages of one vector PDF whose document information holds the provenance."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter()
    for svg in svgs:
        writer.append(PdfReader(io.BytesIO(_converter().svg_to_pdf(svg))))
    writer.add_metadata(
        {
            "/Creator": "Headscope",
            "/Title": clean(picture_title(provenance)),
            "/Subject": json.dumps(provenance, ensure_ascii=True),
        }
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


def _frame(columns: Mapping) -> "pd.DataFrame":
    # Late, since only an export needs it and the first page has none yet.
    import pandas as pd

    return pd.DataFrame(columns)


def head_csv(view: AttentionView, provenance: Mapping) -> bytes:
    """Return one row per query and key: positions, tokens, weight (empty where masked), and provenance columns."""
    rows, columns = view.weights.shape
    frame = _frame(
        {
            "query": np.repeat(view.query_positions, columns),
            "query_token": np.repeat([cell(token) for token in view.query_tokens], columns),
            "key": np.tile(view.key_positions, rows),
            "key_token": np.tile([cell(token) for token in view.key_tokens], rows),
            "weight": np.where(view.mask, view.weights, np.nan).reshape(-1),
        }
    )
    return frame_csv(frame, provenance)


def grid_csv(thumbnails: Thumbnails, provenance: Mapping) -> bytes:
    """Return one row per layer, head and tile cell: the pooled weights that the picture shows (empty where masked)."""
    layers, heads, rows, columns = thumbnails.tiles.shape
    index = np.indices((layers, heads, rows, columns)).reshape(4, -1)
    frame = _frame(
        {
            "layer": np.array(thumbnails.layers)[index[0]],
            "head": index[1],
            "row": index[2],
            "column": index[3],
            "weight": decode_tiles(thumbnails.tiles).reshape(-1),
        }
    )
    return frame_csv(frame, provenance)


def npz_bytes(arrays: Mapping[str, np.ndarray], provenance: Mapping) -> bytes:
    """Return a compressed NPZ of the arrays and of the provenance as JSON text; nothing in it is pickled."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays, provenance=np.array(json.dumps(provenance)))
    return stream.getvalue()


def head_arrays(view: AttentionView) -> dict[str, np.ndarray]:
    """Return the arrays of one head: weights and mask [query, key], and the tokens of both axes."""
    return {"weights": view.weights, "mask": view.mask} | token_arrays(view)


def token_arrays(axes: ViewAxes) -> dict[str, np.ndarray]:
    """Return the tokens of both axes of a view."""
    sides = {"query_tokens": axes.query_tokens, "key_tokens": axes.key_tokens}
    return {name: np.array(tokens, dtype=np.str_) for name, tokens in sides.items()}


def picture_title(provenance: Mapping) -> str:
    """Return the title of the picture that a provenance describes."""
    return str(provenance.get("picture", {}).get("title", "Attention"))


def cell(text: str) -> str:
    """Return a text as a cell of a table file: one that a spreadsheet would run as a formula has an apostrophe before it."""
    return clean(f"'{text}" if len(text.strip()) > 1 and _FORMULA.match(text) else text)


def frame_csv(frame: "pd.DataFrame", provenance: Mapping) -> bytes:
    """Return a frame as CSV with provenance columns; every text is in quotes, and none is a formula."""
    picture = provenance.get("picture", {})
    origin = {
        "model": provenance.get("model"),
        "revision": provenance.get("revision"),
        "picture": picture.get("title"),
        "dtype": provenance.get("dtype"),
        "headscope": provenance.get("versions", {}).get("headscope"),
    }
    from pandas.api.types import is_numeric_dtype

    told = frame.copy(deep=False)
    for name, column in frame.items():
        if not is_numeric_dtype(column):
            told[name] = _cells(column)
    told = told.assign(**{name: cell(str(value)) for name, value in origin.items()})
    heads = [cell(str(name)) for name in told.columns]
    # In quotes, so that neither a carriage return nor the separator of another country begins a cell inside a text.
    return told.to_csv(index=False, header=heads, quoting=csv.QUOTE_NONNUMERIC).encode()


def _cells(column: "pd.Series") -> "pd.Series":
    """Return a column with every text in it as a cell."""
    # Tokens stand in a table many times over.
    known = cache(cell)
    return column.map(lambda value: known(value) if isinstance(value, str) else value)
