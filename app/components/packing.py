"""One message to a canvas component: a JSON header and raw arrays in a single bytes value."""

import json
from collections.abc import Mapping

import numpy as np

from app.figures.theme import Theme, theme

_ALIGNMENT = 4


def pack(header: Mapping, arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return header length (uint32, little endian), JSON header and arrays, each part padded to four bytes.

    The header gains "arrays": name, dtype, shape and byte offset within the body. `unpack` in canvas.js is the reader.
    """
    body, described, offset = [], [], 0
    for name, array in arrays.items():
        raw = np.ascontiguousarray(array).tobytes()
        described.append({"name": name, "dtype": array.dtype.name, "shape": array.shape, "offset": offset})
        body.append(raw + b"\0" * (-len(raw) % _ALIGNMENT))
        offset += len(body[-1])
    text = json.dumps({**header, "arrays": described}, allow_nan=False, ensure_ascii=False).encode(errors="replace")
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(4, "little") + text + b"".join(body)


def palettes() -> dict[str, dict]:
    """Return the colours of both themes for a component, which follows the page from light to dark by itself."""
    return {name: _palette(theme(name)) for name in ("light", "dark")}


def _palette(chosen: Theme) -> dict:
    colours = {field: getattr(chosen, field) for field in ("background", "text", "quiet", "accent", "masked")}
    scales = {name: getattr(chosen, name).reshape(-1).tolist() for name in ("sequential", "diverging")}
    return {**colours, **scales}
