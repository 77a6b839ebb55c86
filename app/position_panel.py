"""Positions: the sinusoids of the paper, what the loaded model has, and which heads follow the order of words."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import streamlit as st

from app import engine, explanations, export, exporting, position_controls, state
from app.components.canvases import canvas
from app.components.coreference_messages import score_grid_message
from app.exporting import Files, picture_makers
from app.figures.position_curves import distance_curves
from app.figures.position_matrix import position_matrix
from app.figures.position_rotation import position_rotation
from app.figures.theme import Theme, theme
from app.progress import progress_bar
from model.analysis import sinusoidal
from model.analysis.position_bias import alibi_curves, bias_frame, relative_curves
from model.analysis.position_similarity import linear_cka, position_cosines
from model.analysis.rotary import rotary_bound
from model.analysis.word_order import order_scores, reordered, word_order
from model.loading import LoadedModel
from model.position_modules import model_alibi_slopes, position_tables, relative_biases, rotary_frequencies
from model.tokens import word_spans

D_MODEL, POSITIONS, FARTHEST, MOST_SHOWN = 64, 100, 64, 128
Picture = Callable[[Theme], str]


def sinusoids() -> None:
    """Draw the encodings, and one frequency pair turning with the offset."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        position_controls.rotation_controls(D_MODEL // 2)
        exports = st.container(width="content")
    selection = state.selection()
    pair = sinusoidal.frequency_pair(selection.frequency, selection.offset, POSITIONS, D_MODEL)
    errors = np.abs(sinusoidal.offset_errors(selection.offset, POSITIONS, D_MODEL))
    origin = {"picture": {"title": "Sinusoidal positions"}}
    drawn: dict[str, Picture] = {
        "rotation": lambda look: position_rotation(
            pair.sine, pair.cosine, position=10, offset=selection.offset, turn=pair.turn, theme=look,
            title=f"Frequency pair {selection.frequency}, wavelength {pair.wavelength:.1f}", provenance=origin,
        ),
        "encodings": lambda look: position_matrix(
            sinusoidal.encodings(POSITIONS, D_MODEL), theme=look, title="Encodings", rows="position", across="dimension",
            label="PE", provenance=origin,
        ),
        "offset": lambda look: position_matrix(
            sinusoidal.offset_matrix(selection.offset, D_MODEL), theme=look, title=f"M for an offset of {selection.offset}",
            rows="dimension", across="dimension", label="entry of M", square=True, provenance=origin,
        ),
    }  # fmt: skip
    left, right = st.columns([0.58, 0.42], gap="medium")
    with left:
        _image(drawn["rotation"])
        _image(drawn["encodings"])
    with right:
        st.markdown(explanations.SINUSOIDS)
        st.markdown(
            f"Applied to all {POSITIONS} positions in float32, $M_{{{selection.offset}}}$ misses by "
            f"**{np.sqrt((errors**2).mean()):.1e}** (root mean square), {errors.max():.1e} at most: rounding alone."
        )
        _image(drawn["offset"])
    with exports:
        _export(drawn, "sinusoids", origin)


def own_positions(loaded: LoadedModel) -> None:
    """Draw what the loaded model knows positions by."""
    drawn = _own_pictures(loaded)
    if not drawn:
        st.html(f'<p class="hint">{explanations.NO_POSITIONS}</p>')
        return
    tables = position_tables(loaded.model)
    for found in tables:
        positions, d_model = found.table.shape
        chance = linear_cka(np.random.default_rng(0).standard_normal(found.table.shape), found.table)
        likeness = linear_cka(sinusoidal.encodings(positions, d_model), found.table)
        kind = "learned" if found.learned else "sinusoidal"
        st.markdown(
            f"A {kind} table of {positions} positions. Likeness to the sinusoids of its size (linear CKA, 0 to 1): "
            f"**{likeness:.2f}**; a random table has {chance:.2f}."
        )
    columns = st.columns(2, gap="medium")
    for place, picture in enumerate(drawn.values()):
        with columns[place % 2]:
            _image(picture)
    _export(drawn, loaded.name, {"model": loaded.name, "picture": {"title": f"{loaded.name} positions"}})


def _own_pictures(loaded: LoadedModel) -> dict[str, Picture]:
    origin = {"model": loaded.name, "picture": {"title": f"{loaded.name} positions"}}
    distances = np.arange(-FARTHEST, FARTHEST + 1)
    drawn: dict[str, Picture] = {}
    for found in position_tables(loaded.model):
        values = position_cosines(found.table[:MOST_SHOWN])
        drawn["similarity"] = partial(
            _matrix,
            values,
            title=f"{loaded.name}: positions {'learned' if found.learned else 'computed'}",
            origin=origin,
        )
    for found in rotary_frequencies(loaded.model)[:1]:
        bound = rotary_bound(found.frequencies, np.abs(distances))
        drawn["rotary"] = partial(_curves, np.asarray(bound)[None], distances, "bound of the score", origin)
    slopes = model_alibi_slopes(loaded.model)
    if slopes is not None:
        drawn["alibi"] = partial(_curves, alibi_curves(slopes, distances), distances, "ALiBi bias", origin)
    for found in relative_biases(loaded.model)[:1]:
        curves = relative_curves(found.table, distances, found.max_distance, found.bidirectional)
        drawn["relative"] = partial(_curves, curves, distances, "relative position bias", origin)
    return drawn


def word_orders(loaded: LoadedModel) -> None:
    """Draw which heads keep their pattern, and which take it along, when the words change places."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        position_controls.order_controls()
    selection = state.selection()
    order = word_order(selection.text, selection.order, selection.order_seed)
    texts = [reordered(selection.text, places) for places in (range(len(word_spans(selection.text))), order)]
    with progress_bar("Running the model") as tell:
        first, second = (engine.sentence_run(selection, text, loaded, tell).trace for text in texts)
    stack = first.stacks[0]
    scores = order_scores(first, second, order, stack=stack)
    st.html('<div class="heading"><b>In the other order</b></div>')
    st.text(texts[1])
    columns = st.columns(2, gap="medium")
    for column, name, told in zip(
        columns, ("position", "content"), ("follows positions", "follows content"), strict=True
    ):
        values = scores.pivot(index="layer", columns="head", values=name)
        with column:
            message = score_grid_message(
                values.to_numpy(), [int(layer) for layer in values.index], label=told,
                selected=(int(values.index[0]), 0), limit=1.0, diverging=True,
            )  # fmt: skip
            canvas("score_grid", message, key=f"order_{name}")
    st.markdown(explanations.WORD_ORDER)


def _matrix(values: np.ndarray, look: Theme, *, title: str, origin: Mapping) -> str:
    return position_matrix(
        values,
        theme=look,
        title=title,
        rows="position",
        across="position",
        label="cosine",
        square=True,
        provenance=origin,
    )


def _curves(curves: np.ndarray, distances: np.ndarray, name: str, origin: Mapping, look: Theme) -> str:
    chart = distance_curves(
        bias_frame(np.asarray(curves), distances), value="bias", curve="head", theme=look, title=name, value_title=name,
        distance_title="distance",
    )  # fmt: skip
    return export.chart_svg(chart, name, origin)


def _image(picture: Picture) -> None:
    st.image(picture(theme(st.context.theme.type or "light")), width="stretch")


def _export(drawn: Mapping[str, Picture], name: str, origin: dict) -> None:
    def files(picture: str, look: Theme) -> Files:
        return Files(picture_makers(lambda: drawn[picture](look), origin), (name, "positions", picture))

    exporting.export_popover({picture: picture.capitalize() for picture in drawn}, files)
