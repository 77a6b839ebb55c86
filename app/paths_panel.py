"""Paths of tokens through the layers in three dimensions, and how a word's states part in two contexts."""

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from app import export, exporting, state, states_controls, states_engine, states_explanations
from app.drawing import export_pictures, show
from app.export import describe
from app.exporting import Files, picture_makers
from app.figures.state_charts import parting_chart
from app.figures.theme import Theme, theme
from app.figures.trajectories import Paths, trajectory_figure, trajectory_page
from app.figures.trajectory_projection import trajectory_svg
from app.panels import guarded
from app.progress import progress_bar
from model.analysis.state_contexts import context_cosines, word_alignment
from model.analysis.state_trajectories import state_trajectories
from model.errors import HeadscopeError
from model.loading import LoadedModel
from model.tokens import word_text
from model.trace import Trace


@st.fragment
def paths_panel(loaded: LoadedModel) -> None:
    """Draw the paths of one text or two, or how the words that two texts share part."""
    with guarded():
        contexts = state.selection().states_view == "contexts"
        second = contexts or state.selection().overlaid
        if second and not state.selection().other.strip():
            first, other = states_explanations.BANK
            state.change(other=other, **({"text": first} if contexts else {}))
        row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
        with row:
            states_controls.input_row(second)
            if not contexts:
                st.toggle("Second sentence", **state.bound("overlaid"))
        with progress_bar("Running the model") as tell:
            traces = [run.trace for run in states_engine.runs_of(state.selection(), loaded, second, tell)]
        with row:
            side = states_controls.side_control(traces[0])
        if contexts:
            _contexts(traces, side, row)
        else:
            _trajectories(traces, side, row)
    state.publish()


def _trajectories(traces: list[Trace], side: str, row) -> None:
    with row:
        chosen = states_controls.token_control(traces[0].tokens[side])
        centred = st.toggle("Centre layers", value=True, key="centre_layers", help=states_explanations.CENTRE_HELP)
    states = [trace.hidden_states(side) for trace in traces]
    left_out = [[token.special for token in trace.tokens[side]] for trace in traces]
    if all(all(flags) for flags in left_out):
        left_out = None
    found = state_trajectories(states, centred=centred, left_out=left_out)
    points = np.concatenate([one.transpose(1, 0, 2) for one in found.points])
    tokens = [token.text for trace in traces for token in trace.tokens[side]]
    texts = [which for which, trace in enumerate(traces) for _ in trace.tokens[side]]
    paths = Paths(
        points, tokens, texts if len(traces) > 1 else (), ("first sentence", "second sentence"), tuple(found.explained),
        chosen=[chosen],
    )  # fmt: skip
    title = f"{traces[0].provenance.model}: tokens through the layers"
    st.plotly_chart(
        trajectory_figure(paths, theme=theme(st.context.theme.type or "light"), title="", height=520), theme=None, key="paths",
        config={"displaylogo": False},
    )  # fmt: skip
    st.caption(states_explanations.TRAJECTORIES)
    with row:
        _export_paths(paths, traces[0], title)


def _export_paths(paths: Paths, trace: Trace, title: str) -> None:
    def files(_picture: str, look: Theme) -> Files:
        origin = describe(trace.provenance, title=title, kind="trajectories")
        svg = partial(trajectory_svg, paths, theme=look, title=title, provenance=origin)
        makers = picture_makers(svg, origin) | {
            "CSV": lambda: export.frame_csv(_points_frame(paths), origin),
            "HTML": lambda: trajectory_page(trajectory_figure(paths, theme=look, title=title), origin).encode(),
        }
        return Files(makers, (trace.provenance.model, "trajectories"))

    exporting.export_popover({"paths": "Paths"}, files)


def _points_frame(paths: Paths) -> pd.DataFrame:
    tokens, states, _ = paths.coordinates.shape
    flat = paths.coordinates.reshape(-1, 3)
    return pd.DataFrame(
        {
            "token": np.repeat([export.cell(paths.name(token)) for token in range(tokens)], states),
            "text": np.repeat([paths.text_of(token) for token in range(tokens)], states),
            "state": np.tile(np.arange(states), tokens), "x": flat[:, 0], "y": flat[:, 1], "z": flat[:, 2],
        }
    )  # fmt: skip


def _contexts(traces: list[Trace], side: str, row) -> None:
    if len(traces) < 2:
        raise HeadscopeError("Write a second sentence that shares a word with the first.")
    tokens = [trace.tokens[side] for trace in traces]
    alignment = word_alignment(*tokens)
    cosines = context_cosines(*(trace.hidden_states(side) for trace in traces), alignment)
    names = [word_text([tokens[0][place] for place in pair[0]]) for pair in alignment.pairs]
    with row:
        word = _word_control(names)
    distance = cosines.distance
    model = traces[0].provenance.model
    pictures = {
        "parting": lambda look: parting_chart(
            distance[:, word],
            1 - cosines.baseline,
            word=names[word],
            theme=look,
            title=f"How far “{names[word]}” parts",
        )
    }
    show(pictures["parting"], "parting")
    st.caption(states_explanations.CONTEXTS)
    frame = pd.DataFrame(distance, columns=[f"{place} {name}" for place, name in enumerate(names)]).assign(
        baseline=1 - cosines.baseline
    )
    with row:
        export_pictures(pictures, f"{model} two contexts", describe(traces[0].provenance), {"parting": frame})


def _word_control(names: list[str]) -> int:
    """Draw the choice of a word that both sentences have; at first the one that is neither special nor short."""
    shared = range(len(names))
    longest = max(shared, key=lambda place: len(names[place]) if names[place].isalnum() else 0)
    shown = {place: f"{place}  {name}" for place, name in enumerate(names)}
    return st.selectbox("Word", shared, index=longest, format_func=shown.get, width=150, key="shared_word")
