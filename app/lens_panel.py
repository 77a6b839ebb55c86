"""The logit lens: what the model's own final part makes of every layer's states."""

from functools import partial

import streamlit as st

from app import state, states_controls, states_engine, states_explanations
from app.choices import LENS_COLOURS
from app.drawing import export_pictures, show
from app.export import describe
from app.figures.lens_table import lens_table
from app.figures.theme import Theme
from app.panels import guarded
from app.progress import progress_bar
from model.lens_result import lens_frame
from model.loading import LoadedModel

# So many columns can be read across a page.
SHOWN = 9


@st.fragment
def lens_panel(loaded: LoadedModel) -> None:
    """Draw the predictions of every layer at every position."""
    with guarded():
        row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
        with row:
            states_controls.input_row(second=False)
            if loaded.is_encoder_decoder:
                st.text_area(
                    "Target", height=68, width=260, placeholder=states_explanations.LENS_TARGET, **state.bound("target")
                )
        with progress_bar("Reading every layer") as tell:
            lens = states_engine.lens_of(state.selection(), loaded, tell)
        with row:
            st.selectbox(
                "Colour", LENS_COLOURS, width=150, help=states_explanations.LENS_HELP, **state.bound("lens_colour")
            )
            first = _first(len(lens.positions))
        frame = lens_frame(lens)
        selection = state.selection()
        origin = describe(
            lens.provenance, title=f"{loaded.name}: logit lens", kind="lens", colour=selection.lens_colour
        )
        truth = "next token" if lens.stack == "decoder" else "token itself"
        picture = partial(_picture, frame, selection.lens_colour, truth, first, origin)
        show(picture, "lens")
        names = states_controls.state_names(len(lens.layers))
        agreement = ", ".join(f"{name} {share:.2f}" for name, share in zip(names, lens.agreement, strict=True))
        st.html(
            f'<p class="hint">Layers that already say what the last one says, as a share of positions: {agreement}.</p>'
        )
        st.caption(states_explanations.LENS)
        with row:
            export_pictures({"lens": picture}, f"{loaded.name} logit lens", origin, {"lens": frame})
    state.publish()


def _first(count: int) -> int:
    """Draw the choice of the part of a long text that is shown, and return its first position."""
    if count <= SHOWN:
        return 0
    if state.selection().lens_first > count - SHOWN:
        state.change(lens_first=0)
    st.slider("From position", 0, count - SHOWN, width=200, **state.bound("lens_first"))
    return state.selection().lens_first


def _picture(frame, colour: str, truth: str, first: int, origin: dict, look: Theme) -> str:
    return lens_table(
        frame, theme=look, title=origin["picture"]["title"], colour=colour, truth=truth, first=first, most=SHOWN,
        provenance=origin,
    )  # fmt: skip
