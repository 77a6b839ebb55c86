"""What the loaded model knows positions by, and an example of each kind that it does not have."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from app import cache, engine, explanations, state
from app.drawing import Picture, export_pictures, show_in_rows
from app.figures.component_path import component_path
from app.figures.matrix_chart import matrix_chart
from app.figures.position_curves import distance_curves
from app.figures.theme import Theme
from model.analysis import sinusoidal
from model.analysis.position_bias import alibi_curves, bias_frame, example_relative_table, relative_curves
from model.analysis.position_similarity import linear_cka, position_components, position_cosines
from model.analysis.rotary import rotary_angles, rotary_bound, rotary_scores
from model.architectures.positions import alibi_slopes
from model.loading import LoadedModel
from model.position_modules import (
    PositionTable,
    model_alibi_slopes,
    position_tables,
    relative_biases,
    rotary_frequencies,
)

FARTHEST, MOST_SHOWN, MOST_COMPARED, EXAMPLE_HEADS, PAIRS_SHOWN = 64, 64, 1024, 8, 5
DISTANCES = np.arange(-FARTHEST, FARTHEST + 1)
BACK = np.arange(0, 2 * FARTHEST + 1)


@dataclass(frozen=True)
class Section:
    """One kind of position with its pictures; `own` is False where it is an example and no part of the loaded model."""

    kind: str
    own: bool
    told: str
    pictures: Mapping[str, Picture]
    frames: Mapping[str, pd.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True)
class KeptSections:
    """The sections of a model, with about the size that they count for in a store."""

    sections: list[Section]
    nbytes: int = 4_000_000


def own_positions(loaded: LoadedModel) -> None:
    """Draw what the loaded model has first, and then an example of every other kind."""
    key = (engine.model_key(state.selection()), "positions")
    found = cache.pictures().get_or_make(key, lambda: KeptSections(sections(loaded))).sections
    if not any(section.own for section in found):
        st.html(f'<p class="hint">{explanations.NO_POSITIONS}</p>')
    pictures: dict[str, Picture] = {}
    frames: dict[str, pd.DataFrame] = {}
    place = st.container(width="content")
    for section in found:
        whose = "of this model" if section.own else "an example, not this model"
        badge = "" if section.own else f'<span class="badge">{whose}</span>'
        told = f"<span>{whose}</span>" if section.own else ""
        st.html(f'<div class="heading"><b>{section.kind}</b>{told}{badge}</div>')
        st.markdown(section.told)
        show_in_rows(section.pictures)
        named = {f"{name}{'' if section.own else ' (example)'}": name for name in section.pictures}
        pictures |= {shown: section.pictures[name] for shown, name in named.items()}
        frames |= {shown: section.frames[name] for shown, name in named.items() if name in section.frames}
    with place:
        export_pictures(pictures, loaded.name, {"made by": "Headscope", "model": loaded.name}, frames)


def sections(loaded: LoadedModel) -> list[Section]:
    """Return a section for each kind of position, those that the model has first."""
    tables, rotary = position_tables(loaded.model), rotary_frequencies(loaded.model)
    slopes, biases = model_alibi_slopes(loaded.model), relative_biases(loaded.model)
    example = PositionTable("", sinusoidal.encodings(MOST_SHOWN, 128), False)
    found = [
        _table(tables[0], loaded.name, own=True) if tables else _table(example, "sinusoids", own=False),
        _rotary(rotary[0].frequencies, own=True) if rotary else _rotary(_example_frequencies(), own=False),
        _alibi(alibi_slopes(EXAMPLE_HEADS).numpy() if slopes is None else slopes, own=slopes is not None),
        _relative(biases[0].table, biases[0].max_distance, biases[0].bidirectional, own=True) if biases
        else _relative(example_relative_table(EXAMPLE_HEADS), 128, True, own=False),
    ]  # fmt: skip
    return sorted(found, key=lambda section: not section.own)


def _example_frequencies() -> np.ndarray:
    """Return the frequencies of the paper for heads of 64 dimensions."""
    return 10000.0 ** (-np.arange(0, 64, 2) / 64)


def _table(found: PositionTable, name: str, *, own: bool) -> Section:
    table = found.table[:MOST_COMPARED]
    positions, d_model = table.shape
    told = explanations.POSITION_TABLE.format(
        kind="learned" if found.learned else "sinusoidal", positions=len(found.table), compared=positions,
        likeness=linear_cka(sinusoidal.encodings(positions, d_model - d_model % 2), table),
        chance=linear_cka(np.random.default_rng(0).standard_normal(table.shape), table),
    )  # fmt: skip
    components = position_components(table)
    values = position_cosines(table[:MOST_SHOWN])
    pictures: dict[str, Picture] = {
        "similarity": lambda look: matrix_chart(
            values, theme=look, title=f"{name}: likeness of positions", rows="position", across="position", label="cosine",
            square=True,
        ),
        "components": lambda look: component_path(
            components.coordinates[:MOST_SHOWN], components.shares, theme=look, title=f"{name}: principal components"
        ),
    }  # fmt: skip
    coordinates = components.coordinates.T
    frame = pd.DataFrame({f"component_{place}": values for place, values in enumerate(coordinates)})
    return Section(
        "Added to the tokens", own, told, pictures, {"components": frame.rename_axis("position").reset_index()}
    )


def _rotary(frequencies: np.ndarray, *, own: bool) -> Section:
    pairs = len(frequencies)
    ones = np.ones(2 * pairs)
    scores = rotary_scores(ones, ones, frequencies, BACK) / (2 * pairs)
    bound = rotary_bound(frequencies, BACK)
    decay = _curve_frame({"equal query and key": scores, "bound of the decay": bound / bound[0]}, BACK)
    shown = np.unique(np.linspace(0, pairs - 1, PAIRS_SHOWN).round().astype(int))
    turns = np.cos(rotary_angles(frequencies, BACK))
    turning = _curve_frame({f"pair {pair}": turns[:, pair] for pair in shown}, BACK)
    told = explanations.ROTARY.format(
        pairs=pairs, fastest=2 * np.pi / frequencies.max(), slowest=2 * np.pi / frequencies.min()
    )
    pictures: dict[str, Picture] = {
        "rotation": partial(
            _curves, turning, "Rotary: each pair turns with the distance", "cosine of the turn", "pair"
        ),
        "decay": partial(_curves, decay, "Rotary: the score over the distance", "share of the score at 0", "curve"),
    }
    return Section("Rotary", own, told, pictures, {"rotation": turning, "decay": decay})


def _alibi(slopes: np.ndarray, *, own: bool) -> Section:
    frame = bias_frame(alibi_curves(slopes, -BACK), -BACK).rename(columns={"head": "curve", "bias": "value"})
    picture = partial(_curves, frame, "ALiBi: added to the score", "bias", "head")
    return Section("ALiBi", own, explanations.ALIBI, {"ALiBi": picture}, {"ALiBi": frame})


def _relative(table: np.ndarray, max_distance: int, bidirectional: bool, *, own: bool) -> Section:
    curves = relative_curves(table, DISTANCES, max_distance, bidirectional)
    frame = bias_frame(curves, DISTANCES).rename(columns={"head": "curve", "bias": "value"})
    picture = partial(_curves, frame, "T5: the bias of each bucket", "bias", "head")
    return Section("T5 buckets", own, explanations.T5_BUCKETS, {"T5 buckets": picture}, {"T5 buckets": frame})


def _curve_frame(curves: Mapping[str, np.ndarray], distances: np.ndarray) -> pd.DataFrame:
    return pd.concat(
        [pd.DataFrame({"distance": distances, "curve": name, "value": values}) for name, values in curves.items()],
        ignore_index=True,
    )


def _curves(frame: pd.DataFrame, title: str, value_title: str, curve: str, look: Theme) -> alt.LayerChart | alt.Chart:
    return distance_curves(
        frame.rename(columns={"curve": curve}), value="value", curve=curve, theme=look, title=title, value_title=value_title,
        distance_title="distance of key from query" if frame["distance"].min() < 0 else "distance",
    )  # fmt: skip
