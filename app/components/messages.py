"""What the canvas components are sent: pure functions from arrays and strings to one bytes value."""

from collections.abc import Mapping

import numpy as np

from app.components.packing import pack, palettes
from app.figures.theme import scale_top
from model.analysis.thumbnails import Thumbnails
from model.analysis.views import AttentionView

LONGEST_NAME = 24


def head_grid_message(thumbnails: Thumbnails, *, scale: str, common: bool, selected: tuple[int, int] = (0, 0)) -> bytes:
    """Return the message of the head grid: tiles of codes, and each head's strongest weight in words.

    `selected` (layer, head) is for a grid that stands alone; beside a head view the grid marks what that view shows.
    """
    layers, heads, rows, columns = thumbnails.tiles.shape
    header = {
        "layers": thumbnails.layers,
        "heads": heads,
        "rows": rows,
        "columns": columns,
        "selected": selected,
        "scale": scale,
        "common": common,
        "largest_tile": 84,
        "strongest": _strongest(thumbnails),
        "description": f"Grid of {layers} layers by {heads} heads, one thumbnail of attention each.",
        "palettes": palettes(),
    }
    return pack(header, {"tiles": thumbnails.tiles, "maxima": thumbnails.maxima})


def head_view_message(
    view: AttentionView,
    *,
    title: str,
    description: str,
    opened: tuple[int, int],
    selected: str,
    scale: str,
    common: bool,
    threshold: float,
    same_sequence: bool,
    long: Mapping | None = None,
) -> bytes:
    """Return the message of one head: weights float32 [query, key] with NaN where masked, and both axes.

    `opened` is (layer, head); `selected` is "" or "q3" (a query row) or "k5" (a key column); `threshold` hides weaker links.
    `long` says which part of a long head this is; see long_head.js.
    """
    weights = np.where(view.mask, view.weights, np.float32(np.nan)).astype(np.float32)
    header = {
        "title": title,
        "description": description,
        "open": opened,
        "query_tokens": view.query_tokens,
        "key_tokens": view.key_tokens,
        "query_special": view.query_special,
        "key_special": view.key_special,
        "selected": selected,
        "scale": scale,
        "maximum": scale_top(view.weights, view.mask, common),
        "masked": bool((~view.mask).any()),
        "threshold": threshold,
        "same_sequence": same_sequence,
        "decimals": 4,
        "palettes": palettes(),
    }
    if long is not None:
        header["long"] = long
    return pack(header, {"weights": weights})


def _strongest(thumbnails: Thumbnails) -> list[str]:
    axes = thumbnails.axes
    names = []
    for layer in range(len(thumbnails.layers)):
        for head, (query, key) in enumerate(thumbnails.strongest[layer]):
            weight = thumbnails.maxima[layer, head]
            names.append(f"{_short(axes.query_tokens[query])} → {_short(axes.key_tokens[key])} {weight:.3f}")
    return names


def _short(token: str) -> str:
    return token if len(token) <= LONGEST_NAME else f"{token[: LONGEST_NAME - 1]}…"


def picture_message(svg: str, description: str, *, fit: bool = False) -> bytes:
    """Return the message of a picture: an SVG document of the figures, and what it is for those who do not see it.

    One that is to `fit` is as wide as its place; any other keeps its size and scrolls sideways.
    """
    return pack({"svg": svg, "description": description, "fit": fit}, {})
