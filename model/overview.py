"""record_overview: one run of a model that keeps its trace, and shows all heads at once when it is done."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from model.analysis.head_statistics import HeadStatistics, head_statistics, statistics_of
from model.analysis.pooled_views import POOLINGS
from model.analysis.thumbnails import LayerTiles, Thumbnails, layer_tiles, thumbnails_of, tile_size
from model.analysis.view_axes import view_axes
from model.encoding import Encoding, encode
from model.errors import HeadscopeError
from model.head_changes import intervened_on
from model.head_watch import HeadWatch
from model.intervening import intervening
from model.interventions import HeadIntervention
from model.layers import AttentionLayer
from model.lazy_capture import Progress, captured, collected
from model.loading import LoadedModel
from model.recording import has_every_stack, record_encoding, record_watched, rising
from model.running_alone import running_alone
from model.trace import Trace

# The share of the work that is done with the run where every weight is computed again after it.
_RUN = 0.5
Inputs = str | tuple[Any, ...] | list[Any] | Mapping[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Overview:
    """A trace with the statistics of every head by stack; `tiles` are what the thumbnails of a stack are made of."""

    trace: Trace
    statistics: Mapping[str, HeadStatistics]
    tiles: Mapping[str, tuple[LayerTiles, ...]]

    def thumbnails(self, stack: str | None = None, pooling: str = "maximum") -> Thumbnails:
        """Return the thumbnails of a stack, as `head_thumbnails` of the trace does, with no weight computed again.

        `stack` may be left out where there is only one. Raises HeadscopeError where there is no such stack or pooling.
        """
        if pooling not in POOLINGS:
            raise HeadscopeError(f"There is no pooling “{pooling}”. Choose {', '.join(POOLINGS)}.")
        layers = self.trace.of_stack(stack)
        axes = view_axes(self.trace, layers[-1].index, stack=layers[-1].stack)
        return thumbnails_of(self.tiles[layers[-1].stack], axes, pooling)


def record_overview(
    loaded: LoadedModel,
    inputs: Inputs,
    *,
    target: str | None = None,
    truncate: bool = False,
    progress: Progress | None = None,
    chat: bool = False,
    prefix: str = "",
    device_budget: int | None = None,
    memory_budget: int | None = None,
    interventions: Sequence[HeadIntervention] = (),
) -> Overview:
    """Run the model once and return its Trace with statistics and thumbnails of all heads.

    The arguments are those of `record`. The weights are computed once, a block at a time, for the model's own attention and
    for what is shown of them; a causal model's masked blocks are left out. Families whose attention cannot be captured
    lazily, and runs with interventions, are recorded first, and their weights computed block by block afterwards.

    Raises InputError (TextTooLong) for what cannot be run and NoAttention where the model has no map to show.
    """
    report = rising(progress or (lambda _share: None))
    with running_alone(loaded), intervening(loaded, interventions, inputs if isinstance(inputs, Mapping) else None):
        encoding = encode(loaded, inputs, target=target, truncate=truncate, chat=chat, prefix=prefix)
        watch = None if intervened_on(loaded.model) else HeadWatch
        share = 1.0 if watch is not None else _RUN
        budgets = device_budget, memory_budget
        trace, seen = record_watched(loaded, encoding, _part(report, 0.0, share), None, *budgets, watch=watch)
    later = None if seen is not None else _part(report, share if share < 1 else _RUN, 1.0)
    return _overview(trace, seen, later)


def head_statistics_of(
    loaded: LoadedModel, inputs: Inputs, *, target: str | None = None, truncate: bool = False,
    progress: Progress | None = None,
) -> Mapping[str, HeadStatistics]:  # fmt: skip
    """Return the statistics of every head by stack from one run of which nothing else is kept.

    The arguments are those of `record`, and so is what is raised. Where the weights cannot be seen while the model runs, the
    run is recorded and they are computed afterwards.
    """
    report = None if progress is None else rising(progress)
    with running_alone(loaded):
        encoding = encode(loaded, inputs, target=target, truncate=truncate)
        found = _seen_statistics(loaded, encoding, report)
        if found is not None:
            return found
        trace = record_encoding(loaded, encoding, report)
    return {stack: head_statistics(trace, stack=stack) for stack in trace.stacks}


def _seen_statistics(
    loaded: LoadedModel, encoding: Encoding, progress: Progress | None
) -> Mapping[str, HeadStatistics] | None:
    if intervened_on(loaded.model):
        return None
    watch = partial(HeadWatch, keeps_trace=False)
    collector = collected(loaded, encoding.tensors, progress, watch=watch)
    layers = () if collector is None else captured(collector)[0]
    seen = None if collector is None else collector.watch
    if seen is None or not has_every_stack(loaded, layers) or not seen.saw(layers):
        return None
    return _by_stack(layers, seen)


def _by_stack(layers: Sequence[AttentionLayer], watch: HeadWatch) -> dict[str, HeadStatistics]:
    means: dict[str, dict[int, Any]] = {}
    for place, layer in enumerate(layers):
        means.setdefault(layer.stack, {})[layer.index] = watch.seen[place].statistics
    return {stack: statistics_of(found) for stack, found in means.items()}


def _overview(trace: Trace, watch: HeadWatch | None, progress: Progress | None) -> Overview:
    """Return the overview of what was seen, or of a trace alone."""
    if watch is not None:
        statistics = _by_stack(trace.layers, watch)
    else:
        statistics = {stack: head_statistics(trace, stack=stack) for stack in trace.stacks}
    tiles: dict[str, tuple[LayerTiles, ...]] = {}
    done = 0
    for stack in trace.stacks:
        size, found = tile_size(sum(layer.heads for layer in trace.of_stack(stack))), []
        for place, layer in enumerate(trace.layers):
            if layer.stack == stack:
                found.append(_tiles(trace, place, size, watch))
                done += 1
                if progress is not None:
                    progress(done / len(trace.layers))
        tiles[stack] = tuple(found)
    return Overview(trace, statistics, tiles)


def _tiles(trace: Trace, place: int, size: int, watch: HeadWatch | None) -> LayerTiles:
    """Return the tiles of a layer that were seen, or those of its trace where they were not, or for another size."""
    layer = trace.layers[place]
    seen = None if watch is None else watch.seen[place]
    if seen is not None and seen.tiles is not None and seen.size == size:
        return replace(seen.tiles, index=layer.index)
    return layer_tiles(trace, layer.index, size, stack=layer.stack)


def _part(report: Callable[[float], None], first: float, last: float) -> Progress:
    # Sums of shares may end a rounding above one.
    return lambda share: report(min(1.0, first + (last - first) * share))
