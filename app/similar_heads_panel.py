"""Heads that do the same: a map of all heads by what they attend to, groups, and the heads nearest to the open one."""

import html

import pandas as pd
import streamlit as st

from app import heads_controls, heads_engine, heads_explanations, state
from app.choices import MAP_COLOURS
from app.drawing import Picture, export_pictures, show
from app.figures.head_numbers import near_heads
from app.figures.head_scatter import head_scatter
from app.head_evidence import heading
from app.head_frames import head_name, map_frame, place_of, role_names, roles_of
from app.head_study import chosen_study
from app.heads_engine import KeptStudy
from app.panels import guarded, notice
from model.analysis.head_groups import nearest_heads
from model.loading import LoadedModel

NEAREST = 12


@st.fragment
def similar_heads_panel(loaded: LoadedModel) -> None:
    """Draw the map of heads and the list of those nearest to the open one."""
    with guarded():
        found, row = chosen_study(loaded)
        stack = state.selection().stack or found.study.stacks[0]
        with row:
            heads_controls.head_control(found.study.heads[stack])
            st.segmented_control("Colour", MAP_COLOURS, format_func=str.capitalize, **state.bound("map_colour"))
            if state.selection().map_colour == "group":
                st.number_input(
                    "Groups", 0, 20, width=110, help=heads_explanations.GROUPS_HELP, **state.bound("groups")
                )
        if stack not in found.study.divergence:
            notice(heads_explanations.NO_DIVERGENCE)
            return
        _show(found, stack, row)
    state.publish()


def _show(found: KeptStudy, stack: str, exports) -> None:
    study, selection = found.study, state.selection()
    roles = roles_of(found.labels, stack)
    place, heads = (selection.layer, selection.head), list(study.heads[stack])
    made = heads_engine.head_map_of(found, stack, selection.groups)
    frame = map_frame(made.points, heads, made.groups, roles, by_role=selection.map_colour == "role")
    picture = _picture(frame, head_name(*place), selection.map_colour)
    left, right = st.columns([0.56, 0.44], gap="medium")
    with left:
        show(picture, "head_map", state.on_point("head_map", lambda name: state.open_head(place_of(name))))
        st.html(f'<p class="hint">{html.escape(heads_explanations.SIMILAR)}</p>')
    with right:
        st.html(heading(selection, roles, found.source, study))
        index = heads.index(place)
        near = nearest_heads(study.divergence[stack], index, NEAREST)
        rows = [(head_name(*heads[other]), far, role_names(roles, heads[other])) for other, far in near]
        st.html(near_heads(rows, f"Heads like {head_name(*place)}"))
    with exports:
        origin = {"made by": "Headscope", "model": study.model, "revision": study.revision, "study": dict(study.run)}
        export_pictures({"map": picture}, f"{study.model} {stack} heads", origin, {"map": frame})


def _picture(frame: pd.DataFrame, selected: str, colour: str) -> Picture:
    return lambda look: head_scatter(
        frame, theme=look, colour_title=colour.capitalize(), selected=selected,
        picking=True, width=600, height=430, axes=False,
    )  # fmt: skip
