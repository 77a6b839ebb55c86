"""What the Coreference page exports: the sentence with its arcs, and the margins of all heads."""

import numpy as np
import pandas as pd

from app import coreference_pictures as pictures
from app import export, exporting, state
from app.coreference_comparison import Comparison
from app.coreference_reading import Reading
from app.exporting import Files, Makers, picture_makers
from app.figures.theme import Theme
from app.standalone import standalone_html

_SETTINGS = ("choice", "direction", "head_word", "hide_special")


def export_popover(compared: Comparison) -> None:
    """Draw the export of the arcs of each sentence and of their margins."""
    named = {"arcs": "Arcs", "margins": "Margins"}
    if len(compared.readings) == 2:
        named = {"arcs": "Arcs", "arcs 2": "Second arcs", "margins": "Margins", "margins 2": "Second margins"}

    def files(picture: str, theme: Theme) -> Files:
        place = int(picture.endswith("2"))
        kind, chosen = picture.removesuffix(" 2"), compared.chosen
        trace, reading = compared.traces[place], compared.readings[place]
        makers = (arcs_makers if kind == "arcs" else margins_makers)(trace, reading, chosen, theme)
        return Files(makers, (trace.provenance.model, "coreference", chosen.title, picture))

    exporting.export_popover(named, files)


def arcs_makers(trace, reading: Reading, chosen: pictures.ChosenHeads, theme: Theme) -> Makers:
    """Return for each format the function that makes the file of a sentence with arcs."""
    selection = state.selection()
    provenance = provenance_of(trace, reading, chosen, "arcs")
    title = provenance["picture"]["title"]

    def page() -> bytes:
        message = pictures.arcs_message(reading, chosen, selection, pickable=False)
        return standalone_html("sentence_arcs", message, provenance)

    return picture_makers(lambda: pictures.arcs_figure(reading, chosen, theme, title, provenance), provenance) | {
        "CSV": lambda: export.frame_csv(words_frame(reading, chosen), provenance),
        "HTML": page,
    }


def margins_makers(trace, reading: Reading, chosen: pictures.ChosenHeads, theme: Theme) -> Makers:
    """Return for each format the function that makes the file of the margins of all heads."""
    provenance = provenance_of(trace, reading, chosen, "margins")
    label, limit = pictures.margin_label(reading.marked), pictures.scale_limit(reading.margins)
    row, head = chosen.heads[0]
    title = provenance["picture"]["title"]

    def svg() -> str:
        return pictures.margins_figure(
            reading.margins, reading.layers, label, (reading.layers[row], head), limit, theme, title, provenance
        )

    def page() -> bytes:
        message = pictures.margins_message(reading.margins, reading, label, chosen.heads[0], limit)
        return standalone_html("score_grid", message, provenance)

    arrays = {"margins": reading.margins, "scores": reading.scores, "layers": np.array(reading.layers)}
    return picture_makers(svg, provenance) | {
        "CSV": lambda: export.frame_csv(margins_frame(reading), provenance),
        "NPZ": lambda: export.npz_bytes(arrays, provenance),
        "HTML": page,
    }


def provenance_of(trace, reading: Reading, chosen: pictures.ChosenHeads, kind: str) -> dict:
    """Return what the files of a picture say of their origin."""
    selection, marked = state.selection(), reading.marked
    settings = {name: getattr(selection, name) for name in _SETTINGS} | {
        "mention": marked.name(marked.mention),
        "candidates": [marked.name(group) for group in marked.candidates],
        "answer": marked.name(marked.candidates[marked.answer]) if marked.known else None,
        "heads": [pictures.head_name(reading, head) for head in chosen.heads],
    }
    return export.describe(trace.provenance, title=f"{trace.provenance.model} {chosen.title}", kind=kind, **settings)


def words_frame(reading: Reading, chosen: pictures.ChosenHeads) -> pd.DataFrame:
    """Return one row per word: its role, and what it gets from the mention or gives to it."""
    marked = reading.marked
    roles = marked.roles()
    return pd.DataFrame(
        {
            "word": range(len(marked.words)),
            "text": [export.cell(word) for word in marked.words],
            "role": [" ".join(roles.get(word, ())) for word in range(len(marked.words))],
            "weight": pictures.word_weights(reading, chosen.heads),
        }
    )


def margins_frame(reading: Reading) -> pd.DataFrame:
    """Return one row per head: its margin, and its score of each candidate."""
    rows, heads = np.indices(reading.margins.shape).reshape(2, -1)
    columns = {"layer": np.array(reading.layers)[rows], "head": heads, "margin": reading.margins.reshape(-1)}
    for place, group in enumerate(reading.marked.candidates):
        columns[f"candidate {place}: {reading.marked.name(group)}"] = reading.scores[..., place].reshape(-1)
    return pd.DataFrame(columns)
