"""Two heads side by side and their difference, as a vector figure."""

from collections.abc import Mapping

import numpy as np

from app.figures.head_heatmap import weight_levels
from app.figures.heatmap_cells import column_labels, draw_cells, label_width, row_labels
from app.figures.legend import SCORE_LEGEND_HEIGHT, score_legend
from app.figures.svg import add, add_text, add_title, clipped, columns, document, serialize, title_width
from app.figures.theme import LEVELS, Theme, diverging_position, scale_top
from model.analysis.comparison import AlignedPair, CommonAxis

SMALLEST_LIMIT = 0.01
LONGEST_NAME = 36
_SIDE, _SMALLEST_CELL, _LARGEST_CELL = 420.0, 2.0, 34.0
_CAPTION, _NARROWEST = 15.0, 180.0
_LEGEND, _LETTER = 300.0, 10.5


def head_comparison(
    pair: AlignedPair,
    *,
    theme: Theme,
    title: str,
    titles: tuple[str, str],
    scale: str,
    common: bool,
    provenance: Mapping,
) -> str:
    """Return the SVG of both maps [query, key] and of second - first, with cells of one size; grey is masked or missing.

    `titles` name the two maps. Both have one scale, from 0 to 1 (`common`) or to the larger of their maxima; the difference
    has its own, symmetric about 0. The rows are named once, at the left.
    """
    rows, across = pair.difference.shape
    cell = float(np.clip(_SIDE / max(rows, across), _SMALLEST_CELL, _LARGEST_CELL))
    size = float(np.clip(cell * 0.78, 7, 17))
    left = label_width(pair.query.names, size) + 20
    top = 52 + _CAPTION + label_width(pair.key.names, size) * 0.82 + 14
    step = max(_NARROWEST, across * cell + max(36.0, label_width(pair.key.names[-4:], size) * 0.62))
    lefts = [left + index * step for index in range(3)]
    maximum, limit = weight_top(pair, common), difference_limit(pair)
    label, grey = f"weight, {scale} scale", grey_name(pair)
    second_legend = max(lefts[2], left + _LEGEND + _LETTER * columns(label) + 20)
    width = max(lefts[2] + step, second_legend + _LEGEND + _LETTER * columns("difference"), title_width(title))
    bottom = top + rows * cell + 22
    height = bottom + SCORE_LEGEND_HEIGHT + (26 if grey else 0)
    described = f"Two maps of attention, {rows} queries by {across} keys, and their difference. {title}"
    root = document(width, height, theme, title, described, provenance)
    add_title(root, title, theme)
    row_labels(root, pair.query.names, quiet_labels(pair.query)[0], left, top, cell, size, theme)
    maps = _levels(pair, scale, maximum, limit)
    captions = (*titles, difference_title(titles))
    for index, (x, levels) in enumerate(zip(lefts, maps, strict=True)):
        _caption(root, captions[index], x, step - 12, theme)
        column_labels(root, pair.key.names, quiet_labels(pair.key)[index], x, top, cell, size, theme)
        draw_cells(root, levels, x, top, cell, theme, "sequential" if index < 2 else "diverging")
    score_legend(root, left, bottom, theme.sequential, ("0", "1" if maximum == 1 else f"{maximum:.3f}"), label, theme)
    marks = (f"−{limit:.3f}", "0", f"+{limit:.3f}")
    score_legend(root, second_legend, bottom, theme.diverging, marks, "difference", theme)
    if grey:
        add(root, "rect", x=left, y=bottom + SCORE_LEGEND_HEIGHT, width=14, height=12, fill=theme.masked)
        add_text(root, left + 22, bottom + SCORE_LEGEND_HEIGHT + 6, grey, size=15, fill=theme.quiet)
    return serialize(root)


def difference_title(titles: tuple[str, str]) -> str:
    """Return the name of the difference of two pictures; where theirs are long, it says which is which."""
    name = f"{titles[1]} − {titles[0]}"
    return name if columns(name) <= LONGEST_NAME else "second − first"


def weight_top(pair: AlignedPair, common: bool) -> float:
    """Return the top of the scale that both maps share: 1 (`common`), or the largest weight of either."""
    weights = np.stack([pair.first, pair.second])
    return scale_top(weights, np.isfinite(weights), common)


def difference_limit(pair: AlignedPair) -> float:
    """Return the end of the scale of the difference: the largest |difference|, but at least 0.01, so that noise stays pale."""
    known = np.abs(pair.difference[np.isfinite(pair.difference)])
    return max(float(known.max(initial=0)), SMALLEST_LIMIT)


def grey_name(pair: AlignedPair) -> str:
    """Return what grey means in the maps of a pair: masked, no such token, or both; "" where nothing is grey."""
    missing = not (pair.query.shared.all() and pair.key.shared.all())
    masked = any(
        np.isnan(weights[np.ix_(query, key)]).any()
        for weights, query, key in zip(
            (pair.first, pair.second), present_items(pair.query), present_items(pair.key), strict=True
        )
    )
    return ", ".join(name for name, there in (("masked", masked), ("no such token", missing)) if there)


def present_items(axis: CommonAxis) -> list[list[bool]]:
    """Return for each of the two which items of an axis it has."""
    return [[bool(group) for group in groups] for groups in (axis.first, axis.second)]


def quiet_labels(axis: CommonAxis) -> list[list[bool]]:
    """Return for each of the three maps which labels are quiet: special tokens, and tokens that it does not have."""
    present = [*present_items(axis), axis.shared.tolist()]
    return [[special or not here for special, here in zip(axis.special, own, strict=True)] for own in present]


def _levels(pair: AlignedPair, scale: str, maximum: float, limit: float) -> list[np.ndarray]:
    position = diverging_position(pair.difference, limit)
    difference = np.where(np.isnan(position), -1, np.rint((LEVELS - 1) * np.nan_to_num(position)).astype(int))
    return [*(weight_levels(weights, scale, maximum) for weights in (pair.first, pair.second)), difference]


def _caption(root, text: str, left: float, width: float, theme: Theme) -> None:
    shown = clipped(text, max(8, int(width / (_CAPTION * 0.62))))
    caption = add_text(root, left, 56, shown, size=_CAPTION, fill=theme.text, font_weight=600)
    if shown != text:
        add(caption, "title").text = text
