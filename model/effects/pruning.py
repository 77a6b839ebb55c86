"""Heads switched off one after the other, and what is left of the model after each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from model.effects.gradient import HeadImportance, gradient_importance
from model.effects.head_effects import Head, HeadEffects, head_effects, measured, model_heads
from model.effects.measures import Measure, measure_of
from model.errors import HeadscopeError
from model.interventions import switch_off
from model.lazy_capture import Progress
from model.loading import LoadedModel

ORDERS = ("effect", "gradient", "random", "greedy")
# Steps of a greedy search without a limit: each tries every head that is left.
GREEDY_STEPS = 8


@dataclass(frozen=True, eq=False)
class PruningCurve:
    """`values` [point] is a measure with the first `removed` [point] of `heads` (stack, layer, head) switched off.

    removed[0] is 0: the whole model.
    """

    order: str
    measure: str
    unit: str
    higher_is_better: bool
    texts: int
    heads: tuple[Head, ...]
    removed: Int64[np.ndarray, " point"]
    values: Float64[np.ndarray, " point"]


def pruning_curve(
    loaded: LoadedModel,
    texts: Sequence[str],
    measure: str | None = None,
    order: str = "effect",
    *,
    heads: Sequence[Head] | None = None,
    references: Sequence[str] | None = None,
    stacks: Sequence[str] | None = None,
    limit: int | None = None,
    points: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> PruningCurve:
    """Return a measure after several heads are switched off, those first without which least is lost.

    `order` is "effect" (by `head_effects`), "gradient" (by `gradient_importance`), "random" (from `seed`), or "greedy": every
    head that is left is tried at each step. `heads` are the heads in that order where it is known already (`least_first`).
    `limit` is the number of heads switched off (all; for greedy 8); of the numbers up to it the measure is taken at `points`
    evenly spaced ones (all). `progress` is called with the done share; what it raises cancels. Raises HeadscopeError for an
    unknown order, measure or stack.
    """
    if order not in ORDERS:
        raise HeadscopeError(f"There is no order “{order}”. Choose {', '.join(ORDERS)}.")
    if min(1 if limit is None else limit, 1 if points is None else points) < 1:
        raise HeadscopeError("Give a limit of at least 1 head, and at least 1 point.")
    all_heads = model_heads(loaded, stacks)
    chosen = measure_of(loaded, texts, measure, references)
    report = progress or (lambda _share: None)
    if order == "greedy":
        ordered, values = _greedy(loaded, chosen, all_heads, min(limit or GREEDY_STEPS, len(all_heads)), report)
        removed = np.arange(len(values))
    else:
        begin = 0.0 if heads is not None or order == "random" else 0.5
        if heads is None:
            heads = _ordered(loaded, texts, chosen, all_heads, order, references, seed, lambda share: report(share / 2))
        ordered = list(heads)[:limit]
        removed = np.unique(np.linspace(0, len(ordered), 1 + (points or len(ordered))).round().astype(np.int64))
        changes = [switch_off(ordered[:count]) for count in removed]
        values = measured(loaded, chosen, changes, lambda share: report(begin + (1 - begin) * share))
    return PruningCurve(
        order,
        chosen.name,
        chosen.unit,
        chosen.higher_is_better,
        chosen.texts,
        tuple(ordered),
        removed,
        np.array(values),
    )


def least_first(found: HeadEffects | HeadImportance) -> list[Head]:
    """Return (stack, layer, head) of every head, those that matter least first."""
    scores = found.effects if isinstance(found, HeadEffects) else found.values
    heads = [
        (float(grid[row, head]), (stack, layer, head))
        for stack, grid in scores.items()
        for row, layer in enumerate(found.layers[stack])
        for head in range(grid.shape[1])
        if not np.isnan(grid[row, head])
    ]
    return [place for _, place in sorted(heads, key=lambda one: one[0])]


def _ordered(
    loaded: LoadedModel,
    texts: Sequence[str],
    chosen: Measure,
    heads: list[Head],
    order: str,
    references: Sequence[str] | None,
    seed: int,
    report: Progress,
) -> list[Head]:
    if order == "random":
        return [heads[place] for place in np.random.default_rng(seed).permutation(len(heads))]
    stacks = tuple(dict.fromkeys(stack for stack, _, _ in heads))
    if order == "effect":
        return least_first(head_effects(loaded, texts, chosen, stacks=stacks, progress=report))
    found = gradient_importance(loaded, texts, chosen.name, references=references, progress=report)
    return [head for head in least_first(found) if head[0] in stacks]


def _within(report: Progress, begin: float, share: float) -> Progress:
    return lambda part: report(min(1.0, begin + share * part))


def _greedy(
    loaded: LoadedModel, chosen: Measure, heads: list[Head], steps: int, report: Progress
) -> tuple[list[Head], list[float]]:
    """Return the heads in the order in which they are switched off, and the measure before and after each."""
    sign = -1 if chosen.higher_is_better else 1
    removed: list[Head] = []
    values = measured(loaded, chosen, [()])
    total, done = sum(len(heads) - step for step in range(steps)), 0
    for _ in range(steps):
        left = [head for head in heads if head not in removed]
        share, begin = len(left) / total, done / total
        found = measured(loaded, chosen, [switch_off([*removed, head]) for head in left], _within(report, begin, share))
        best = int(np.argmin([sign * value for value in found]))
        removed.append(left[best])
        values.append(found[best])
        done += len(left)
    return removed, values
