"""The logit lens as a table: at every layer and position the token that the model would predict if it stopped there."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from app.figures.legend import SCORE_LEGEND_HEIGHT, score_legend
from app.figures.svg import add, add_text, add_title, clean, clipped, columns, document, serialize, title_width
from app.figures.theme import LEVELS, Theme, hexadecimal, ink, scale_position
from model.errors import HeadscopeError

MOST_POSITIONS = 16
LONGEST_TOKEN = 11
_LEFT, _TOP, _GAP = 128.0, 112.0, 2.0
_TALLEST, _LOWEST, _WITH_NUMBER = 46.0, 21.0, 34.0
_CHARACTER, _NARROWEST = 0.61, 64.0
_LEGEND_WIDTH = 300.0


@dataclass(frozen=True)
class _Colouring:
    """What the colour of a cell says: a column of the frame, its name in words, and how its values are written."""

    column: str
    label: str
    written: Callable[[float], str]
    scale: str = "linear"


_COLOURINGS = {
    "probability": _Colouring("probability_1", "probability of the token shown", lambda value: short(value)),
    "entropy": _Colouring("entropy", "entropy of the prediction in bits", lambda value: f"{value:.2f}"),
    "rank": _Colouring("rank", "rank of the true token, 1 the most probable", lambda value: f"{value:.0f}"),
    # The first layers are so far from the last that the others would show no difference on a linear scale.
    "KL": _Colouring(
        "divergence", "KL from the last layer in bits, square root scale", lambda value: f"{value:.2f}", "square root"
    ),
}
COLOURS = tuple(_COLOURINGS)


def lens_table(
    frame: pd.DataFrame, *, theme: Theme, title: str, colour: str = "probability", truth: str = "next token",
    first: int = 0, most: int = MOST_POSITIONS, provenance: Mapping,
) -> str:  # fmt: skip
    """Return the SVG of a logit lens, `frame` as `lens_frame` makes it: layers from the bottom to the top, positions from left
    to right, at most `most` of them from the one numbered `first` in the frame (counted from 0).

    Under each column stands the token that the model reads, over it the true one, called `truth`; a cell is framed where the
    true one comes first. `colour` is one of COLOURS; its scale is that of the whole frame, not of the part that is drawn: from
    0 to 1, or to the largest value (KL: by its square root), or for ranks by their logarithm from the largest to 1. Raises
    HeadscopeError where there is nothing to draw or no such colour.
    """
    positions = sorted(frame["position"].unique())[max(0, first) : max(0, first) + most]
    if colour not in _COLOURINGS or not positions:
        raise HeadscopeError(f"Choose a position of the text, and colour by one of {', '.join(COLOURS)}.")
    chosen, coloured = frame[frame["position"].isin(positions)], _COLOURINGS[colour]
    layers = sorted(frame["layer"].unique())
    tall = float(np.clip(720 / len(layers), _LOWEST, _TALLEST))
    size = min(14.0, 0.62 * tall)
    wide = _column_width(chosen, size)
    bottom = _TOP + len(layers) * tall
    legend = _LEFT + _LEGEND_WIDTH + 10.5 * columns(coloured.label)
    width = max(_LEFT + len(positions) * wide + 28, legend, title_width(title))
    described = (
        f"Logit lens, {len(layers)} layers by {len(positions)} positions, coloured by {coloured.label}. Layers from the bottom "
        f"to the top. {title}"
    )
    root = document(width, bottom + 74 + SCORE_LEGEND_HEIGHT, theme, title, described, provenance)
    add_title(root, title, theme)
    _explained(root, frame, positions, coloured, theme)
    _layer_names(root, layers, tall, theme)
    _tokens(root, chosen, positions, wide, bottom, truth, theme)
    colour_of = _colours(frame, coloured, theme)
    for row in chosen.to_dict("records"):
        x = _LEFT + positions.index(row["position"]) * wide
        y = bottom - (layers.index(row["layer"]) + 1) * tall
        _cell(root, row, colour_of, (x, y, wide - _GAP, tall - _GAP), size, coloured, theme)
    score_legend(root, _LEFT, bottom + 62, theme.sequential, _marks(frame, coloured), coloured.label, theme)
    return serialize(root)


def short(value: float) -> str:
    """Return a probability with three decimals, or as a power of ten where these would say nothing."""
    return f"{value:.3f}" if value >= 0.0005 or value == 0 else f"{value:.0e}".replace("e-0", "e-").replace("-", "−")


def _column_width(frame: pd.DataFrame, size: float) -> float:
    """Return a width in which nearly every token stands whole."""
    longest = max(columns(str(token)) for name in ("top_1", "token", "truth") for token in frame[name].fillna(""))
    return max(_NARROWEST, min(longest, LONGEST_TOKEN) * size * _CHARACTER + 14)


def _explained(root, frame: pd.DataFrame, positions: Sequence[int], coloured: _Colouring, theme: Theme) -> None:
    count = frame["position"].nunique()
    told = "In each cell the token that comes first after that layer; framed where it is the true one."
    told += " Grey where no true token is known." if frame[coloured.column].isna().any() else ""
    shown = (
        "" if len(positions) == count else f" Positions {positions[0]} to {positions[-1]}, {len(positions)} of {count}."
    )
    add_text(root, 14, 50, told + shown, size=13, fill=theme.quiet)


def _layer_name(layer: int) -> str:
    """Return the name of a layer of the lens: what it is the output of."""
    return "embeddings" if layer == 0 else f"L{layer - 1}"


def _layer_names(root, layers: Sequence[int], tall: float, theme: Theme) -> None:
    for place, layer in enumerate(layers):
        y = _TOP + (len(layers) - place - 0.5) * tall - 1
        last = place == len(layers) - 1
        name = f"{_layer_name(layer)} = output" if last else _layer_name(layer)
        look = dict(fill=theme.text, font_weight=700) if last else dict(fill=theme.quiet)
        add_text(root, _LEFT - 10, y, name, size=13, token=True, text_anchor="end", **look)


def _tokens(
    root, frame: pd.DataFrame, positions: Sequence[int], wide: float, bottom: float, truth: str, theme: Theme
) -> None:
    """Append the true tokens over the columns, and under them the tokens that are read, with their positions."""
    known = frame.drop_duplicates("position").set_index("position")
    aside = dict(size=13, fill=theme.quiet, text_anchor="end")
    add_text(root, _LEFT - 10, _TOP - 20, truth, **aside)
    add_text(root, _LEFT - 10, bottom + 16, "reads", **aside)
    add_text(root, _LEFT - 10, bottom + 37, "position", **aside)
    for column, position in enumerate(positions):
        x = _LEFT + column * wide + (wide - _GAP) / 2
        true, token = known.at[position, "truth"], known.at[position, "token"]
        if not pd.isna(true):
            _token(root, x, _TOP - 20, str(true), theme.accent, wide, 600)
        _token(root, x, bottom + 16, str(token), theme.text, wide, 600)
        add_text(root, x, bottom + 37, str(position), size=12, fill=theme.quiet, token=True, text_anchor="middle")


def _token(root, x: float, y: float, text: str, fill: str, wide: float, weight: int, size: float = 14.0) -> None:
    longest = int((wide - 8) / (size * _CHARACTER))
    label = add_text(
        root, x, y, clipped(text, longest), size=size, fill=fill, token=True, text_anchor="middle", font_weight=weight
    )
    if columns(text) > longest:
        add(label, "title").text = clean(text)


def _cell(
    root,
    row: Mapping,
    colour_of,
    box: tuple[float, float, float, float],
    size: float,
    coloured: _Colouring,
    theme: Theme,
) -> None:
    (x, y, width, height), rgb = box, colour_of(row[coloured.column])
    fill, letters = (theme.masked, theme.text) if rgb is None else (hexadecimal(rgb), ink(rgb))
    group = add(root, "g")
    add(group, "title").text = clean(_told(row))
    true = not pd.isna(row["rank"]) and row["rank"] == 1
    # The hairline keeps a cell apart from the page where its colour is the palest of the scale.
    line = 2.5 if true else 0.75
    frame = dict(stroke=theme.accent if true else theme.masked, stroke_width=line)
    box = dict(x=x + line / 2, y=y + line / 2, width=width - line, height=height - line, rx=3)
    add(group, "rect", **box, fill=fill, **frame)
    middle, numbered = y + height / 2, height >= _WITH_NUMBER and rgb is not None
    longest = int((width - 8) / (size * _CHARACTER))
    text = clipped(str(row["top_1"]), longest)
    above = middle - 7 if numbered else middle
    add_text(group, x + width / 2, above, text, size=size, fill=letters, token=True, text_anchor="middle")
    if numbered:
        value = coloured.written(row[coloured.column])
        add_text(group, x + width / 2, middle + 11, value, size=10.5, fill=letters, token=True, text_anchor="middle")


def _told(row: Mapping) -> str:
    """Return all that is known of a cell: the top tokens, the true one, entropy and divergence."""
    lines = [f"{_layer_name(row['layer'])}, position {row['position']}: {row['token']}"]
    for place in range(1, 1 + sum(key.startswith("top_") for key in row)):
        lines.append(f"{place}. {row[f'top_{place}']} {short(row[f'probability_{place}'])}")
    if not pd.isna(row["rank"]):
        lines.append(f"true: {row['truth']}, rank {row['rank']}, probability {short(row['truth_probability'])}")
    lines.append(f"entropy {row['entropy']:.3f} bits, KL from the last layer {row['divergence']:.3f} bits")
    return "\n".join(lines)


def _largest(frame: pd.DataFrame, coloured: _Colouring) -> float:
    """Return the value at the far end of the scale."""
    if coloured.column == "probability_1":
        return 1.0
    values = frame[coloured.column].dropna().astype(float)
    largest = float(values.max()) if len(values) else 1.0
    return max(largest, 2.0) if coloured.column == "rank" else largest or 1.0


def _marks(frame: pd.DataFrame, coloured: _Colouring) -> tuple[str, ...]:
    top = coloured.written(_largest(frame, coloured))
    return (top, "1") if coloured.column == "rank" else ("0", "1" if coloured.column == "probability_1" else top)


def _colours(frame: pd.DataFrame, coloured: _Colouring, theme: Theme):
    """Return the function from a value to its colour, uint8 [rgb]; None for a value that is not there."""
    largest = _largest(frame, coloured)

    def rgb(value):
        if pd.isna(value):
            return None
        if coloured.column == "rank":
            share = 1 - math.log(value) / math.log(largest)
        else:
            share = float(scale_position(np.array(float(value)), coloured.scale, largest))
        return theme.sequential[round((LEVELS - 1) * share)]

    return rgb
