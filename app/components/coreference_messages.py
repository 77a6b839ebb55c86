"""What the sentence with arcs and the grid of scores are sent: pure functions from strings and arrays to one bytes value."""

from collections.abc import Mapping, Sequence

import numpy as np

from app.components.packing import pack, palettes
from app.figures.sentence_arcs import Arc


def score_grid_message(
    values: np.ndarray, layers: Sequence[int], *, label: str, selected: tuple[int, int], limit: float, diverging: bool
) -> bytes:
    """Return the message of the score grid: one number per head, float32 [layer, head], NaN where there is no such head.

    Colours run from -limit over 0 to limit where `diverging`, else from 0 to limit; `label` says what the numbers are.
    """
    header = {
        "layers": list(layers),
        "heads": values.shape[1],
        "label": label,
        "selected": selected,
        "limit": max(float(limit), 1e-9),
        "diverging": diverging,
        "description": f"Grid of {values.shape[0]} layers by {values.shape[1]} heads: {label}.",
        "palettes": palettes(),
    }
    return pack(header, {"values": np.ascontiguousarray(values, dtype=np.float32)})


def sentence_arcs_message(
    words: Sequence[str],
    gaps: Sequence[bool],
    *,
    roles: Mapping[int, Sequence[str]],
    arcs: Sequence[Arc],
    weights: Sequence[float | None],
    direction: str,
    title: str,
    note: str,
    pickable: bool,
) -> bytes:
    """Return the message of a sentence with arcs between its words.

    `gaps` says before which words there is a space; `roles` gives the classes of words ("mention", "candidate", "answer");
    `weights` holds what each word gets from the mention, or gives to it, as `direction` says, shown on hover.
    """
    told = [f"{words[arc.target]} {arc.weight:.3f}{' (right)' if arc.answer else ''}" for arc in arcs]
    header = {
        "words": list(words),
        "gaps": [bool(gap) for gap in gaps],
        "roles": {str(index): list(names) for index, names in roles.items()},
        "arcs": [[arc.source, arc.target, round(float(arc.weight), 6), bool(arc.answer)] for arc in arcs],
        "weights": [None if weight is None else round(float(weight), 6) for weight in weights],
        "direction": direction,
        "title": title,
        "note": note,
        "pickable": pickable,
        "description": f"{title}: {', '.join(told) or 'no candidates'}.",
        "palettes": palettes(),
    }
    return pack(header, {})
