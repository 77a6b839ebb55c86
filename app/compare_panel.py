"""Two of anything side by side: their maps and the difference, how a score moves through the layers, how alike layers are."""

import html

import streamlit as st

from app import compare_controls, compare_layers, exporting, heads_explanations, state
from app.compared import Compared, compared, runs_of
from app.comparison_exports import comparison_makers
from app.components.canvases import canvas
from app.components.comparison_messages import comparison_message
from app.export import describe
from app.exporting import Files
from app.figures.difference_tables import cells_table, rows_table
from app.figures.theme import Theme
from app.panels import guarded
from app.progress import progress_bar
from model.analysis.comparison import AlignedPair
from model.analysis.differences import difference_summary, largest_cells, largest_rows
from model.loading import LoadedModel

LISTED = 8


@st.fragment
def compare_panel(loaded: LoadedModel) -> None:
    """Draw what is compared and how the two differ; reruns by itself when something in it is clicked."""
    with guarded():
        row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
        with row:
            compare_controls.input_row()
        other = compare_controls.other_loaded()
        with progress_bar("Running the model") as tell:
            runs = runs_of(state.selection(), loaded, other, tell)
        with row:
            compare_controls.head_controls(tuple(run.trace for run in runs))
            compare_controls.shown_controls()
        selection = state.selection()
        found = compared(selection, runs, (loaded.name, (other or loaded).name))
        shown = {
            "maps": _maps,
            "through the layers": compare_layers.profiles,
            "layer similarity": compare_layers.similarity,
        }
        shown[selection.compare_view](found, row)
    state.publish()


def _maps(found: Compared, exports) -> None:
    """Draw both maps and their difference, and what differs most in numbers."""
    selection = state.selection()
    pair = found.pair(selection)
    message = comparison_message(
        pair, titles=found.titles, description=f"{found.titles[0]} and {found.titles[1]}, and their difference.",
        selected="", scale=selection.scale, common=selection.common,
    )  # fmt: skip
    canvas("head_comparison", message, key="comparison")
    st.html(_summary(pair, found.titles))
    left, right = st.columns([0.36, 0.64], gap="medium")
    left.html(rows_table(largest_rows(pair, LISTED)))
    right.html(cells_table(largest_cells(pair, LISTED), found.titles))
    with exports:
        exporting.export_popover({"maps": "Maps"}, lambda _picture, look: _files(found, pair, message, look))


def _summary(pair: AlignedPair, titles: tuple[str, str]) -> str:
    """Return how far the two are from each other as a row of figures."""
    summary = difference_summary(pair)
    figures = [
        (heads_explanations.DIFFERENCE_NAMES[name], f"{value:.3f}", heads_explanations.DIFFERENCE_MEANINGS[name])
        for name, value in summary.means.items()
    ]
    if min(summary.shared) < 0.9995:
        shares = " and ".join(f"{share:.3f}" for share in summary.shared)
        figures.append(("Attention to shared words", shares, f"in {titles[0]} and {titles[1]}"))
    cells = "".join(
        f"<div><span>{html.escape(name)}</span><b>{html.escape(value)}</b><small>{html.escape(meaning)}</small></div>"
        for name, value, meaning in figures
    )
    return f'<div class="figures">{cells}</div>'


def _files(found: Compared, pair: AlignedPair, message: bytes, look: Theme) -> Files:
    selection = state.selection()
    title = f"{found.traces[0].provenance.model}: {found.titles[0]} and {found.titles[1]}"
    origin = describe(
        found.traces[0].provenance, title=title, kind="comparison", compare=selection.compare,
        second=describe(found.traces[1].provenance), words=selection.words, hide_special=selection.hide_special,
    )  # fmt: skip
    makers = comparison_makers(pair, found.titles, message, origin, look)
    return Files(makers, (found.traces[0].provenance.model, "compare", *found.titles))
