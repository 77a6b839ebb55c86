"""The Heads page: one score of every head, two scores against each other, and the evidence about the open head."""

import html

import streamlit as st

from app import head_evidence, heads_controls, heads_explanations, heads_exports, state
from app.components.canvases import canvas
from app.components.coreference_messages import score_grid_message
from app.drawing import Picture, show
from app.figures.head_scatter import head_scatter
from app.head_frames import (
    ROLE,
    Roles,
    baseline_of,
    head_name,
    listed_scores,
    place_of,
    roles_frame,
    roles_of,
    scale_limit,
    scatter_frame,
    score_title,
    scores_frame,
)
from app.head_study import chosen_study, open_popover
from app.heads_engine import KeptStudy
from app.panels import guarded
from model.analysis.score_catalog import definition_of
from model.loading import LoadedModel
from model.study.records import HeadStudy


@st.fragment
def roles_panel(loaded: LoadedModel) -> None:
    """Draw scores, roles and the open head's evidence; reruns by itself when something in it is clicked."""
    with guarded():
        found, row = chosen_study(loaded)
        stack = state.selection().stack or found.study.stacks[0]
        with row:
            heads_controls.score_control(listed_scores(found.study, stack))
            heads_controls.head_control(found.study.heads[stack])
            heads_controls.shown_control()
            open_popover(loaded)
            with st.popover("How to read"):
                st.markdown(heads_explanations.HEADS_HOW_TO_READ)
        _show(loaded, found, stack, row)
    state.publish()


def _show(loaded: LoadedModel, found: KeptStudy, stack: str, exports) -> None:
    study, selection = found.study, state.selection()
    roles = roles_of(found.labels, stack)
    left, right = st.columns([0.44, 0.56], gap="medium")
    below = st.container()
    with left:
        grid(study, stack, selection.score, (selection.layer, selection.head), "scores")
        st.html(definition(study, stack, selection.score))
    with right:
        if selection.heads_shown == "scatter":
            heads_controls.scatter_controls(listed_scores(study, stack))
        else:
            _tables(found, stack)
    with below:
        st.html(head_evidence.heading(selection, roles, found.source, study))
        head_evidence.evidence(loaded, found, stack, roles)
    points = scatter(study, stack, roles)
    if selection.heads_shown == "scatter":
        # Last, since making the chart takes longer than all the rest.
        with right:
            show(points, "head_points", state.on_point("head_points", _open_named))
    with exports:
        heads_exports.export_popover(found, stack, points)


def grid(study: HeadStudy, stack: str, score: str, head: tuple[int, int], key: str) -> None:
    """Draw one score of every head; a click opens the head."""
    values = study.grid(stack, score)
    message = score_grid_message(
        values, study.layers(stack), label=score_title(score), selected=head, limit=scale_limit(values, score), diverging=False,
    )  # fmt: skip
    canvas("score_grid", message, key=f"grid_{key}", on_pick=state.on_pick(f"grid_{key}", state.open_head))


def definition(study: HeadStudy, stack: str, score: str) -> str:
    """Return what a score is and its baseline as HTML."""
    told, baseline = definition_of(score), baseline_of(study, stack, score)
    beside = "" if baseline is None else f" Baseline {baseline:.3f}: {told.baseline}."
    return f'<p class="hint"><b>{html.escape(told.title)}</b>: {html.escape(told.description + beside)}</p>'


def scatter(study: HeadStudy, stack: str, roles: Roles) -> Picture:
    """Return the chart of all heads by two scores."""
    selection = state.selection()
    across, up, colour = selection.score_across, selection.score_up, selection.colour
    frame = scatter_frame(study, stack, across, up, colour, roles)
    return lambda look: head_scatter(
        frame, theme=look, x_title=score_title(across), y_title=score_title(up),
        colour_title="Role" if colour == ROLE else score_title(colour),
        baselines=(baseline_of(study, stack, across), baseline_of(study, stack, up)),
        selected=head_name(selection.layer, selection.head), picking=True, width=386, height=290,
    )  # fmt: skip


def _tables(found: KeptStudy, stack: str) -> None:
    """Draw the roles with their evidence, and all scores, each with a filter."""
    roles = roles_frame(found.labels, stack)
    which = st.segmented_control(
        "Table", ["Roles", "All scores"], default="Roles", key="heads_table", label_visibility="collapsed"
    )
    frame = scores_frame(found.study, stack) if which == "All scores" or roles.empty else roles
    column = "role" if "role" in frame else "score"
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        names = st.multiselect(
            "Only", sorted(frame[column].unique()), key=f"filter_{column}", placeholder=f"every {column}"
        )
        least = st.number_input("At least", value=0.0, step=0.05, key="filter_least", width=120)
    shown = frame[(frame[column].isin(names) | (not names)) & (frame.value >= least)].sort_values(
        "value", ascending=False
    )
    st.dataframe(
        shown, hide_index=True, height=300,
        column_config={name: st.column_config.NumberColumn(format="%.3f") for name in ("value", "low", "high", "baseline")},
    )  # fmt: skip


def _open_named(name: str) -> None:
    state.open_head(place_of(name))
