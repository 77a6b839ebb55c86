"""The layers of what is compared: how a score moves through them, and how alike they are."""

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from app import head_frames, heads_controls, heads_engine, heads_explanations, state
from app.compared import Compared, side_names
from app.drawing import export_pictures, show_in_rows
from app.export import describe
from app.figures.layer_lines import layer_lines, layer_series
from app.figures.matrix_chart import MOST_CELLS, matrix_chart
from app.figures.theme import Theme
from app.head_frames import score_title
from app.heads_panel import definition
from app.panels import notice
from app.progress import progress_bar
from model.analysis.layer_profiles import LayerProfile, layer_profile
from model.analysis.score_catalog import definition_of
from model.analysis.similarity import aligned_states, layer_means, layer_similarity, map_similarity
from model.analysis.token_alignment import align_axes, axis_items
from model.errors import HeadscopeError


def profiles(found: Compared, exports) -> None:
    """Draw how a score moves through the layers: its spread over heads, its mean, and the chosen head index."""
    with progress_bar("Scoring the heads") as tell:
        studies = [heads_engine.of_text(run, tell).study for run in found.runs]
    stack = found.places[0].stack
    scores = head_frames.listed_scores(studies[0], stack)
    with exports:
        heads_controls.score_control(scores)
    score = state.selection().score
    own = [
        layer_profile(study.grid(place.stack, score), study.layers(place.stack), head=place.head)
        for study, place in zip(studies, found.places, strict=True)
    ]
    pictures = {
        f"{letter} {title}": partial(_lines, profile, title, place.head, score)
        for letter, title, profile, place in zip("AB", found.titles, own, found.places, strict=True)
    }
    frame = _series_frame(own, found.titles)
    pictures["both"] = partial(_series, frame, score)
    shown = {"both": pictures["both"]} if found.runs[0] is not found.runs[1] else {}
    shown |= {name: picture for name, picture in pictures.items() if name != "both"}
    show_in_rows(shown)
    st.html(definition(studies[0], stack, score))
    with exports:
        _export(found, shown, score, frame)


def _lines(profile: LayerProfile, title: str, head: int | None, score: str, look: Theme):
    frame = pd.DataFrame({name: getattr(profile, name) for name in ("minimum", "mean", "maximum", "chosen")}).assign(
        layer=profile.layers
    )
    return layer_lines(
        frame, theme=look, title=title, value_title=score_title(score), chosen="" if head is None else f"H{head}",
        domain=(0, 1) if definition_of(score).share else None, width=430, height=300,
    )  # fmt: skip


def _series_frame(own: list[LayerProfile], titles: tuple[str, str]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"layer": profile.layers, "series": f"{title}: {name}", "value": values})
        for title, profile in zip(titles, own, strict=True)
        for name, values in (("mean", profile.mean), ("head", profile.chosen))
    ]
    return pd.concat(parts, ignore_index=True).dropna(subset=["value"])


def _series(frame: pd.DataFrame, score: str, look: Theme):
    domain = (0, 1) if definition_of(score).share else None
    return layer_series(
        frame, theme=look, title="Both", value_title=score_title(score), domain=domain, width=430, height=300
    )


def similarity(found: Compared, exports) -> None:
    """Draw how alike every layer of A is to every layer of B: hidden states by linear CKA, and what the heads attend to."""
    with exports:
        debiased = st.toggle("Debiased", value=True, key="cka_debiased", help=heads_explanations.DEBIASED_HELP)
    matrices = {}
    try:
        matrices["hidden states"] = _states(found, debiased)
    except HeadscopeError as error:
        notice(str(error))
    if found.same_tokens and found.places[0].stack == found.places[1].stack:
        means = [
            layer_means(trace, stack=place.stack)[1] for trace, place in zip(found.traces, found.places, strict=True)
        ]
        matrices["attention"] = map_similarity(means[0], means[0] if found.runs[0] is found.runs[1] else means[1])
    else:
        st.caption(heads_explanations.NO_MAP_SIMILARITY)
    pictures = {
        name: partial(_matrix, values, name, found) for name, values in matrices.items() if values.size <= MOST_CELLS
    }
    show_in_rows(pictures)
    st.caption(heads_explanations.CKA_NOTE)
    with exports:
        frames = {name: pd.DataFrame(values) for name, values in matrices.items()}
        if pictures:
            origin = describe(found.traces[0].provenance)
            export_pictures(pictures, f"{found.traces[0].provenance.model} layers", origin, frames)


def _states(found: Compared, debiased: bool) -> np.ndarray:
    """Return the CKA of the hidden states over what both texts share."""
    sides = ["encoder" if place.stack == "encoder" else "decoder" for place in found.places]
    states = [trace.hidden_states(side) for trace, side in zip(found.traces, sides, strict=True)]
    axes = [axis_items(found.view(side, False, False), "query", found.tokens(side)[0]) for side in (0, 1)]
    alignment = align_axes(*axes, same_text=found.same_text)
    first, second = aligned_states(*states, alignment)
    return layer_similarity(first, second, debiased=debiased)


def _matrix(values: np.ndarray, name: str, found: Compared, look: Theme):
    # Of hidden states there is one more: what goes into the first layer.
    inputs = ["in"] if name == "hidden states" else []
    names = [[*inputs, *(f"L{row}" for row in range(count - len(inputs)))] for count in values.shape]
    sides = side_names(state.selection().compare)
    label = "CKA" if name == "hidden states" else "1 − JS"
    return matrix_chart(
        np.clip(values, 0, 1), theme=look, title=f"{name.capitalize()}: {label}", rows=sides[0],
        across=sides[1], label=label, tokens=tuple(names), square=True, diverging=False,
    )  # fmt: skip


def _export(found: Compared, pictures: dict, score: str, frame: pd.DataFrame) -> None:
    model = found.traces[0].provenance.model
    frames = dict.fromkeys(pictures, frame)
    export_pictures(pictures, f"{model}: {score_title(score)}", describe(found.traces[0].provenance), frames)
