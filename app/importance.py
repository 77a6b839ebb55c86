"""The importance of every head of a model over a few texts, measured once and kept. Imports torch: import this late."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from app import cache, engine
from app.head_frames import head_name
from app.selection import Selection
from model.effects.gradient import HeadImportance, gradient_importance, rank_correlation
from model.effects.head_effects import HeadEffects, head_effects
from model.effects.pruning import PruningCurve, least_first, pruning_curve
from model.errors import HeadscopeError
from model.loading import LoadedModel
from model.study.results import shipped_study

Progress = Callable[[float, str], None]
MOST_TEXTS = 200
# Of all numbers of heads switched off, the curve is measured at so many.
POINTS = 12
# How the orders of pruning are called on the chart.
ORDERS = {"effect": "by effect", "gradient": "by gradient", "random": "at random"}
EXAMPLES = (
    "The animal didn't cross the street because it was too tired.",
    "When the train arrived at the station, everyone on the platform picked up their bags.",
    "She gave her brother the book that their mother had written.",
    "In the morning the old man walked down to the river and looked at the boats.",
)


@dataclass(frozen=True, eq=False)
class Importance:
    """What was measured: the effect of every head, its estimate, and a curve for each order of pruning."""

    effects: HeadEffects
    gradient: HeadImportance
    curves: tuple[PruningCurve, ...]
    correlation: float

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, in bytes, nearly."""
        return 16 * sum(values.size for values in self.effects.values.values()) + 10_000


def texts_of(selection: Selection, loaded: LoadedModel) -> list[str]:
    """Return the texts that are measured, a line each: those written, or the sample of the model's study, or examples."""
    if selection.effect_texts.strip():
        return _lines(selection.effect_texts)
    study = shipped_study(loaded.name)
    return list(study.sample if study is not None and study.sample else EXAMPLES)


def references_of(selection: Selection) -> list[str] | None:
    """Return the reference translations, None where there are none."""
    return _lines(selection.references) or None


def known(selection: Selection, loaded: LoadedModel) -> Importance | None:
    """Return what was measured with these settings, None where that was not done yet."""
    return cache.pictures().get(_key(selection, loaded))


def measure(selection: Selection, loaded: LoadedModel, progress: Progress) -> Importance:
    """Measure the importance of every head; raises HeadscopeError for texts that cannot be measured."""
    texts, references = texts_of(selection, loaded), references_of(selection)
    if len(texts) > MOST_TEXTS:
        raise HeadscopeError(f"There are {len(texts)} texts. Give at most {MOST_TEXTS}, one a line.")
    if references is not None and len(references) != len(texts):
        raise HeadscopeError(
            f"There are {len(texts)} texts and {len(references)} references. Give one for each, a line each."
        )
    asked = {"measure": selection.measure or None, "references": references}

    def part(first: float, last: float, doing: str) -> Callable[[float], None]:
        return lambda share: progress(first + (last - first) * share, doing)

    effects = head_effects(loaded, texts, **asked, progress=part(0, 0.4, "Each head switched off alone"))
    gradient = gradient_importance(loaded, texts, **asked, progress=part(0.4, 0.5, "Estimating by gradient"))
    known_orders = {"effect": least_first(effects), "gradient": least_first(gradient)}
    curves = []
    for place, order in enumerate(ORDERS):
        told = part(0.5 + place / 6, 0.5 + (place + 1) / 6, f"Switching heads off {ORDERS[order]}")
        curves.append(
            pruning_curve(
                loaded, texts, order=order, heads=known_orders.get(order), points=POINTS, **asked, progress=told
            )
        )
    found = Importance(effects, gradient, tuple(curves), rank_correlation(effects, gradient))
    cache.pictures().put(_key(selection, loaded), found)
    return found


def heads_frame(found: Importance, stack: str) -> pd.DataFrame:
    """Return one row per head of a stack: its effect y and the estimate x."""
    effect, estimate = found.effects.effects[stack], found.gradient.values[stack]
    rows, heads = np.nonzero(~np.isnan(effect))
    layers = np.array(found.effects.layers[stack])[rows]
    return pd.DataFrame(
        {"name": [head_name(layer, head) for layer, head in zip(layers, heads, strict=True)],
         "layer": layers, "head": heads, "x": estimate[rows, heads], "y": effect[rows, heads]}
    )  # fmt: skip


def curves_frame(found: Importance) -> pd.DataFrame:
    """Return the curves as order, removed, value."""
    return pd.concat(
        [
            pd.DataFrame({"order": ORDERS[curve.order], "removed": curve.removed, "value": curve.values})
            for curve in found.curves
        ],
        ignore_index=True,
    )


def _key(selection: Selection, loaded: LoadedModel) -> tuple:
    written = selection.effect_texts.strip(), selection.references.strip(), selection.measure
    return (*engine.model_key(selection), loaded.name, "importance", *written)


def _lines(text: str) -> Sequence[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
