"""The vocabulary near the states: what a state is nearest to in every layer, and a token's neighbours before any context."""

import html
from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st

from app import export, exporting, state, states_controls, states_explanations
from app.exporting import Files
from app.figures.neighbour_tables import neighbour_tables
from app.panels import guarded
from model.analysis.static_neighbours import Neighbour, nearest_entries, static_neighbours, text_pieces
from model.loading import LoadedModel
from model.trace import Trace

COUNT, MOST_PIECES = 8, 6
Found = Mapping[str, tuple[Neighbour, ...]]


@st.fragment
def neighbours_panel(loaded: LoadedModel) -> None:
    """Draw the entries of the vocabulary nearest to one token's states, and those nearest to a token itself."""
    with guarded():
        row, trace, side = states_controls.opened_text(loaded)
        with row:
            position = states_controls.token_control(trace.tokens[side])
            st.text_input("Or a token by itself", width=150, **state.bound("vocabulary_token"))
        through = _through_layers(loaded, trace, side, position)
        _draw(trace.tokens[side][position].text, "nearest to its state, layer by layer", through)
        st.caption(states_explanations.NEIGHBOURS)
    with guarded():
        written = state.selection().vocabulary_token.strip()
        alone = _alone(loaded, written) if written else {}
        if alone:
            _draw(written, "nearest to the embedding of each of its tokens", alone)
            st.caption(states_explanations.STATIC)
        with row:
            _export(
                trace, {"through the layers": through, "alone": alone} if alone else {"through the layers": through}
            )
    state.publish()


def _through_layers(loaded: LoadedModel, trace: Trace, side: str, position: int) -> Found:
    """Return by layer the entries nearest to one token's state."""
    states = np.stack([table[position] for table in trace.hidden_states(side)])
    found = nearest_entries(loaded, states, count=COUNT, words_only=True)
    return dict(zip(states_controls.state_names(len(states)), found, strict=True))


def _alone(loaded: LoadedModel, text: str) -> Found:
    """Return for each token of a text the entries nearest to its own embedding."""
    pieces = text_pieces(loaded, text)[:MOST_PIECES]
    found = static_neighbours(loaded, [piece.id for piece in pieces], count=COUNT, words_only=True)
    return {f"{place}  {piece.text}": own for place, (piece, own) in enumerate(zip(pieces, found, strict=True))}


def _draw(name: str, said: str, found: Found) -> None:
    st.html(f'<div class="heading"><b>{html.escape(name)}</b><span>{html.escape(said)}</span></div>')
    st.html(neighbour_tables({title: [(one.token.text, one.score) for one in own] for title, own in found.items()}))


def _export(trace: Trace, tables: Mapping[str, Found]) -> None:
    def files(picture: str, _look) -> Files:
        origin = export.describe(
            trace.provenance, title=f"{trace.provenance.model}: neighbours {picture}", kind="neighbours"
        )
        rows = [
            {"of": name, "token": export.cell(one.token.text), "cosine": one.score}
            for name, own in tables[picture].items() for one in own
        ]  # fmt: skip
        makers = {"CSV": lambda: export.frame_csv(pd.DataFrame(rows), origin)}
        return Files(makers, (trace.provenance.model, "neighbours", picture))

    exporting.export_popover({name: name.capitalize() for name in tables}, files)
