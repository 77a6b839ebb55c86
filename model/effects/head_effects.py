"""The effect of every head: what changes when it alone is switched off (Michel et al. 2019, section 3.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from model.effects.measures import Measure, measure_of
from model.errors import HeadscopeError
from model.intervening import head_counts, intervening
from model.interventions import HeadIntervention, switch_off
from model.lazy_capture import Progress
from model.loading import LoadedModel
from model.running_alone import running_alone

Head = tuple[str, int, int]


@dataclass(frozen=True, eq=False)
class HeadEffects:
    """A measure with each head of a model switched off alone: `values` [layer, head] of every stack, `plain` with none.

    Axis 0 are the layers of `layers`; NaN where a layer has fewer heads than another.
    """

    measure: str
    unit: str
    higher_is_better: bool
    texts: int
    plain: float
    values: Mapping[str, Float64[np.ndarray, "layer head"]]
    layers: Mapping[str, tuple[int, ...]]

    @property
    def effects(self) -> dict[str, Float64[np.ndarray, "layer head"]]:
        """How much worse the measure is without each head: value - plain, for BLEU plain - value; below 0 it is better."""
        sign = -1 if self.higher_is_better else 1
        return {stack: sign * (values - self.plain) for stack, values in self.values.items()}


def head_effects(
    loaded: LoadedModel,
    texts: Sequence[str],
    measure: str | Measure | None = None,
    *,
    references: Sequence[str] | None = None,
    stacks: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> HeadEffects:
    """Return what a measure becomes with each head switched off, one at a time: one run over the texts for every head.

    `measure` is a name of `measures_of` (the usual one without it); `stacks` are those whose heads are tried. `progress` is
    called with the done share after every run of a batch; what it raises cancels. Raises HeadscopeError where the model has
    no such measure or stack, or its heads cannot be changed.
    """
    heads = model_heads(loaded, stacks)
    chosen = _chosen(loaded, texts, measure, references)
    plain, *found = measured(loaded, chosen, [(), *(switch_off([head]) for head in heads)], progress)
    values, layers = by_layer(heads, found)
    return HeadEffects(chosen.name, chosen.unit, chosen.higher_is_better, chosen.texts, plain, values, layers)


def intervention_effect(
    loaded: LoadedModel,
    texts: Sequence[str],
    interventions: Sequence[HeadIntervention],
    measure: str | Measure | None = None,
    *,
    references: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> tuple[float, float]:
    """Return a measure over texts without and with some interventions; see `head_effects`."""
    plain, changed = measured(loaded, _chosen(loaded, texts, measure, references), [(), interventions], progress)
    return plain, changed


def measured(
    loaded: LoadedModel,
    measure: Measure,
    changes: Sequence[Sequence[HeadIntervention]],
    progress: Progress | None = None,
) -> list[float]:
    """Return the value of a measure under each of several changes; one batch is run under all of them, then the next.

    The model is held for one run at a time, so that other threads have their turns between them.
    """
    scores: list[list[Any]] = [[] for _ in changes]
    total = len(measure.batches) * len(changes)
    for number, batch in enumerate(measure.batches):
        with running_alone(loaded):
            plain = measure.plain(batch)
        for place, change in enumerate(changes):
            with running_alone(loaded), intervening(loaded, change):
                scores[place].append(measure.score(batch, plain))
            if progress is not None:
                progress((number * len(changes) + place + 1) / total)
    return [measure.value(of_change) for of_change in scores]


def model_heads(loaded: LoadedModel, stacks: Sequence[str] | None = None) -> list[Head]:
    """Return (stack, layer, head) of every head of a model, or of some stacks; raises HeadscopeError for an unknown one."""
    counts = head_counts(loaded)
    unknown = [stack for stack in stacks or () if stack not in counts]
    if unknown:
        raise HeadscopeError(f"{loaded.name} has no {' or '.join(unknown)} attention; it has {' and '.join(counts)}.")
    return [
        (stack, layer, head)
        for stack in stacks or counts
        for layer in sorted(counts[stack])
        for head in range(counts[stack][layer])
    ]


def by_layer(
    heads: Sequence[Head], found: Sequence[float]
) -> tuple[dict[str, Float64[np.ndarray, "layer head"]], dict[str, tuple[int, ...]]]:
    """Return numbers of heads as one grid [layer, head] for every stack, and the layers of its rows."""
    values, layers = {}, {}
    for stack in dict.fromkeys(stack for stack, _, _ in heads):
        own = [
            (layer, head, number) for (other, layer, head), number in zip(heads, found, strict=True) if other == stack
        ]
        layers[stack] = tuple(sorted({layer for layer, _, _ in own}))
        values[stack] = np.full((len(layers[stack]), 1 + max(head for _, head, _ in own)), np.nan)
        for layer, head, number in own:
            values[stack][layers[stack].index(layer), head] = number
    return values, layers


def _chosen(
    loaded: LoadedModel, texts: Sequence[str], measure: str | Measure | None, references: Sequence[str] | None
) -> Measure:
    return measure_of(loaded, texts, measure, references) if measure is None or isinstance(measure, str) else measure
