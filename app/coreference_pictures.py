"""What the Coreference page shows of its readings: chosen heads, and messages and figures of arcs and margins; no streamlit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app import explanations
from app.components.coreference_messages import score_grid_message, sentence_arcs_message
from app.coreference_reading import Reading, arcs, best_heads, word_weights
from app.figures.score_grid import score_grid
from app.figures.sentence_arcs import sentence_arcs
from app.figures.theme import Theme
from app.held_out import PairScores, pair_of
from app.marked_text import MarkedText
from app.selection import Selection

Heads = list[tuple[int, int]]


@dataclass(frozen=True)
class ChosenHeads:
    """The heads (row, head) whose mean the arcs show, and how they were chosen."""

    heads: Heads
    title: str


def chosen_heads(selection: Selection, reading: Reading, scores: PairScores | None) -> ChosenHeads:
    """Return the heads that the selection asks for; without scores of other pairs, the best ones here."""
    choice = selection.choice
    if choice == "one head":
        row = min(range(len(reading.layers)), key=lambda row: abs(reading.layers[row] - selection.layer))
        heads = [(row, min(selection.head, reading.margins.shape[1] - 1))]
        return ChosenHeads(heads, head_name(reading, heads[0]))
    count = min(selection.best, reading.margins.size) if choice == "mean of best" else 1
    if choice == "best here" or scores is None:
        heads, how = best_heads(reading.margins, count), "best on this sentence"
    else:
        heads, how = scores.ranked(pair_of(reading.marked.text))[:count], "best on other sentences"
    name = head_name(reading, heads[0]) if len(heads) == 1 else f"Mean of {len(heads)} heads"
    return ChosenHeads(heads, f"{name}, {how}")


def head_name(reading: Reading, head: tuple[int, int]) -> str:
    """Return "L3 H1" of a (row, head)."""
    return f"L{reading.layers[head[0]]} H{head[1]}"


def arcs_message(reading: Reading, chosen: ChosenHeads, selection: Selection, *, pickable: bool) -> bytes:
    """Return the message of the sentence with arcs."""
    marked = reading.marked
    return sentence_arcs_message(
        marked.words, marked.gaps, roles=marked.roles(), arcs=arcs(reading, chosen.heads),
        weights=word_weights(reading, chosen.heads), direction=explanations.DIRECTION_NAMES[selection.direction].lower(),
        title=chosen.title, note=rest_note(reading, chosen, selection), pickable=pickable,
    )  # fmt: skip


def bare_message(marked: MarkedText) -> bytes:
    """Return the message of a sentence in which there is nothing to follow yet."""
    return sentence_arcs_message(
        marked.words, marked.gaps, roles=marked.roles(), arcs=[], weights=[None] * len(marked.spans), direction="",
        title="sentence", note="", pickable=True,
    )  # fmt: skip


def rest_note(reading: Reading, chosen: ChosenHeads, selection: Selection) -> str:
    """Say where the attention goes that goes to no candidate."""
    if selection.direction != "from mention":
        return ""
    found = np.array([weight or 0.0 for weight in word_weights(reading, chosen.heads)])
    taken = [word for group in reading.marked.candidates for word in group]
    words = float(found.sum() - found[taken].sum())
    rest = max(0.0, 1.0 - float(found.sum()))
    own = "the mention itself" if selection.hide_special else "special tokens and the mention itself"
    return f"The rest: {words:.3f} to other words, {rest:.3f} to {own}."


def margins_message(values: np.ndarray, reading: Reading, label: str, selected: tuple[int, int], limit: float) -> bytes:
    """Return the message of the grid of margins, or of their change."""
    row, head = selected
    return score_grid_message(
        values, reading.layers, label=label, selected=(reading.layers[row], head), limit=limit, diverging=True
    )


def margin_label(marked: MarkedText) -> str:
    """Say what a margin is made of."""
    right, *others = [marked.answer, *(place for place in range(len(marked.candidates)) if place != marked.answer)]
    named = marked.name(marked.candidates[others[0]]) if len(others) == 1 else "best other"
    return f"{marked.name(marked.candidates[right])} minus {named}"


def scale_limit(*values: np.ndarray) -> float:
    """Return the largest absolute value of several grids, so that they share one scale."""
    return max((float(np.nanmax(np.abs(one), initial=0)) for one in values), default=0.0) or 1.0


def arcs_figure(
    reading: Reading, chosen: ChosenHeads, theme: Theme, title: str, provenance: Mapping, subtitle: str = ""
) -> str:
    """Return the SVG of the sentence with arcs."""
    marked = reading.marked
    roles = {word: names[0] for word, names in marked.roles().items()}
    return sentence_arcs(
        marked.words,
        arcs(reading, chosen.heads),
        roles=roles,
        theme=theme,
        title=title,
        subtitle=subtitle,
        provenance=provenance,
    )


def margins_figure(
    values: np.ndarray, layers: Sequence[int], label: str, selected: tuple[int, int], limit: float, theme: Theme,
    title: str, provenance: Mapping,
) -> str:  # fmt: skip
    """Return the SVG of the grid of margins, or of their change."""
    return score_grid(
        values, layers, theme=theme, title=title, label=label, limit=limit, selected=selected, provenance=provenance
    )
