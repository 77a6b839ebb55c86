"""What a model loses without each head: the sweep of one head at a time, the gradient's estimate, and the pruning curve."""

from functools import partial

import numpy as np
import streamlit as st

from app import heads_controls, heads_explanations, importance, state
from app.components.canvases import canvas
from app.components.coreference_messages import score_grid_message
from app.drawing import export_pictures, show
from app.figures.head_scatter import head_scatter
from app.figures.pruning_curve import pruning_curve
from app.figures.score_grid import score_grid
from app.figures.theme import Theme
from app.head_frames import head_name, place_of
from app.importance import Importance
from app.panels import guarded
from app.progress import progress_bar
from model.effects.measures import measures_of
from model.loading import LoadedModel


@st.fragment
def importance_panel(loaded: LoadedModel) -> None:
    """Draw the texts, the button that measures, and what was found."""
    with guarded():
        row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
        with row:
            _controls(loaded)
            asked = st.button("Measure", type="primary")
        selection = state.selection()
        found = importance.known(selection, loaded)
        if asked and found is None:
            with progress_bar("Measuring", patience=0.0, pressed=True) as tell:
                found = importance.measure(selection, loaded, tell)
        if found is None:
            count = len(importance.texts_of(selection, loaded))
            st.html(f'<p class="hint">{heads_explanations.IMPORTANCE_EMPTY.format(count=count)}</p>')
            st.markdown(heads_explanations.IMPORTANCE)
        else:
            _show(loaded, found, row)
    state.publish()


def _controls(loaded: LoadedModel) -> None:
    st.text_area(
        "Texts, one a line", height=110, width=420, placeholder=heads_explanations.TEXTS_PLACEHOLDER,
        **state.bound("effect_texts"),
    )  # fmt: skip
    if loaded.is_encoder_decoder:
        st.text_area(
            "Reference translations, one a line", height=110, width=360, help=heads_explanations.REFERENCES_HELP,
            **state.bound("references"),
        )  # fmt: skip
    names = measures_of(loaded, importance.references_of(state.selection()) is not None)
    heads_controls.fit("measure", names)
    if len(names) > 1:
        st.selectbox("Measure of the output", names, width=180, **state.bound("measure"))


def _show(loaded: LoadedModel, found: Importance, row) -> None:
    """Draw the effect of every head, the estimate against it, and the curves."""
    with row:
        stacks = list(found.effects.values)
        heads_controls.stack_control(stacks)
    selection = state.selection()
    stack = selection.stack or stacks[0]
    unit = found.effects.unit
    effect = found.effects.effects[stack]
    frame, curves = importance.heads_frame(found, stack), importance.curves_frame(found)
    label = f"lost without it, {unit}"
    limit = float(np.nanmax(np.abs(effect))) or 1.0
    selected = (selection.layer, selection.head)
    origin = {"made by": "Headscope", "model": loaded.name, "revision": loaded.revision, "texts": found.effects.texts}
    pictures = {
        "grid": partial(_grid, effect, found.effects.layers[stack], label, selected, f"{loaded.name} {stack}", origin),
        "estimate": lambda look: head_scatter(
            frame, theme=look, x_title=f"estimate by gradient, {found.gradient.unit}", y_title=label,
            selected=head_name(*selected), picking=True, width=390, height=260,
        ),
        "curve": lambda look: pruning_curve(
            curves, theme=look, title="Heads switched off one after the other", value_title=f"{found.effects.measure}, {unit}",
            plain=found.effects.plain, width=370, height=260,
        ),
    }  # fmt: skip
    left, right = st.columns([0.48, 0.52], gap="medium")
    with left:
        message = score_grid_message(
            effect, found.effects.layers[stack], label=label, selected=selected, limit=limit, diverging=True
        )
        canvas("score_grid", message, key="importance", on_pick=state.on_pick("importance", state.open_head))
        st.markdown(heads_explanations.IMPORTANCE)
        st.html(
            f'<p class="hint">{found.effects.texts} texts; {found.effects.measure} of the whole model {found.effects.plain:.4g} '
            f"{unit}; rank correlation of estimate and effect over all heads {found.correlation:.3f} (Spearman).</p>"
        )
    with right:
        picked = state.on_point("importance_points", lambda name: state.open_head(place_of(name)))
        show(pictures["estimate"], "importance_points", picked)
        show(pictures["curve"], "curve")
    with row:
        export_pictures(
            pictures, f"{loaded.name} importance", origin, {"grid": frame, "estimate": frame, "curve": curves}
        )


def _grid(values, layers, label: str, selected: tuple[int, int], title: str, origin: dict, look: Theme) -> str:
    return score_grid(
        values, layers, theme=look, title=f"{title}: heads switched off", label=label, selected=selected,
        provenance=origin,
    )  # fmt: skip
