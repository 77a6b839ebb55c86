"""The sinusoids of the paper: the encodings, one frequency pair turning with the offset, and the matrix that turns them all."""

from functools import partial

import numpy as np
import streamlit as st

from app import explanations, position_controls, state
from app.drawing import Picture, export_pictures, show, show_in_rows
from app.figures.matrix_chart import matrix_chart
from app.figures.position_rotation import position_rotation
from app.figures.theme import Theme
from app.figures.wavelengths import wavelength_chart
from model.analysis import sinusoidal

D_MODEL, POSITIONS, FROM_POSITION = 64, 64, 10
ORIGIN = {"made by": "Headscope", "model": f"sinusoids of Vaswani et al. 2017, d_model {D_MODEL}"}


def sinusoids() -> None:
    """Draw the encodings, and what an offset does to them."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        position_controls.rotation_controls(D_MODEL // 2)
        exports = st.container(width="content")
    selection = state.selection()
    errors = np.abs(sinusoidal.offset_errors(selection.offset, POSITIONS, D_MODEL))
    drawn = pictures(selection.offset, selection.frequency)
    left, right = st.columns([0.56, 0.44], gap="medium")
    with left:
        show(drawn["rotation"], "rotation")
    with right:
        st.markdown(explanations.SINUSOIDS)
        st.markdown(
            f"Applied to all {POSITIONS} positions in float32, $M_{{{selection.offset}}}$ misses by "
            f"**{np.sqrt((errors**2).mean()):.1e}** (root mean square), {errors.max():.1e} at most: rounding alone."
        )
    show_in_rows({name: drawn[name] for name in ("encodings", "offset", "products", "wavelengths")})
    with exports:
        export_pictures(drawn, "sinusoids", ORIGIN)


def pictures(offset: int, frequency: int) -> dict[str, Picture]:
    """Return the pictures for an offset k and a frequency pair i."""
    products = sinusoidal.encoding_products(POSITIONS, D_MODEL) / (D_MODEL / 2)
    return {
        "rotation": partial(_rotation, offset, frequency),
        "encodings": lambda look: matrix_chart(
            sinusoidal.encodings(POSITIONS, D_MODEL), theme=look, title="Encodings", rows="position", across="dimension",
            label="PE",
        ),
        "products": lambda look: matrix_chart(
            products, theme=look, title="Dot product of two positions, over d/2", rows="position", across="position",
            label="product", square=True,
        ),
        "offset": lambda look: matrix_chart(
            sinusoidal.offset_matrix(offset, D_MODEL), theme=look, title=f"M for an offset of {offset}", rows="dimension",
            across="dimension", label="entry", square=True,
        ),
        "wavelengths": lambda look: wavelength_chart(
            sinusoidal.wavelengths(D_MODEL), frequency, theme=look, title="Wavelengths"
        ),
    }  # fmt: skip


def _rotation(offset: int, frequency: int, look: Theme) -> str:
    pair = sinusoidal.frequency_pair(frequency, offset, POSITIONS, D_MODEL)
    title = f"Frequency pair {frequency}, wavelength {pair.wavelength:.1f}"
    return position_rotation(
        pair.sine, pair.cosine, position=FROM_POSITION, offset=offset, turn=pair.turn, theme=look, title=title,
        provenance=ORIGIN | {"picture": {"title": title}},
    )  # fmt: skip
