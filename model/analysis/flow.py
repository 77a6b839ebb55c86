"""Attention flow: how much can flow from an input token up to a state, if every weight is the width of a pipe."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Float64
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from model.analysis.rollout import RESIDUAL, with_residual
from model.errors import HeadscopeError

Progress = Callable[[float], object]
# Capacities are whole numbers in the solver: a weight is rounded to a multiple of this part.
SCALE = 2**24
# Edges that all flows together may go over: seconds. 60 tokens through 12 layers are 160 million where every state is read, and
# where one is, 300 tokens through 6 layers.
MOST_EDGES = 25 * 10**7
_FEWEST_CAPACITY = 0.5 / SCALE


def attention_flow(
    maps: Float[np.ndarray, "layer query key"],
    readouts: Float[np.ndarray, "readout query"] | None = None,
    *,
    residual: float | int = RESIDUAL,
    progress: Progress | None = None,
) -> Float64[np.ndarray, "readout key"]:
    """Return the maximum flow from every input token to each state of the top layer, in [0, 1] (Abnar & Zuidema 2020).

    flow[q, k] = max flow in the graph of nodes (layer, position), the capacity from (l - 1, k) to (l, q) being A'_l[q, k] with
    A' = r I + (1 - r) A, as in `attention_rollout`; one input at a time, so that rows sum to more than one.

    A `readout` reads several states at once: a node above them with these capacities (1 / n for a mean over n); without
    `readouts` every state is read by itself. Dinic's algorithm (scipy) over capacities rounded to 2^-24. `progress` is called
    with the done share and may raise to cancel. Raises HeadscopeError as `with_residual` does, and before computing where the
    graph is too large.
    """
    mixed, count = with_residual(maps, residual), maps.shape[1]
    readouts = np.eye(count) if readouts is None else readouts
    layers = [(level + 1, level, one) for level, one in enumerate(mixed)]
    edges = [_edges(one, upper * count, lower * count) for upper, lower, one in layers]
    above = (len(maps) + 1) * count
    edges.append(_edges(readouts, above, above - count))
    return _flows(edges, range(above, above + len(readouts)), range(count), progress)


def translation_flow(
    encoder: Float[np.ndarray, "encoder_layer source source"],
    decoder: Float[np.ndarray, "decoder_layer target target"],
    cross: Float[np.ndarray, "cross_layer target source"],
    readouts: Float[np.ndarray, "readout target"] | None = None,
    *,
    residual: float | int = RESIDUAL,
    progress: Progress | None = None,
) -> Float64[np.ndarray, "readout input"]:
    """Return the maximum flow from every input, source tokens then the target's, to each state of the decoder's top layer.

    The graph of `attention_flow`, with two steps for each decoder block: its own attention A', then r to itself and (1 - r) C
    to the encoder's top layer, C the cross-attention. Raises as `attention_flow` does.
    """
    if len(decoder) != len(cross):
        raise HeadscopeError(
            f"There are {len(decoder)} layers of the decoder and {len(cross)} of cross-attention: give both."
        )
    targets, sources = cross.shape[1:]
    edges = [
        _edges(one, (level + 1) * sources, level * sources)
        for level, one in enumerate(with_residual(encoder, residual))
    ]
    top, state = len(encoder) * sources, (len(encoder) + 1) * sources
    inputs = [*range(sources), *range(state, state + targets)]
    for own, looked in zip(with_residual(decoder, residual), cross.astype(np.float64), strict=True):
        edges.append(_edges(own, state + targets, state))
        given = (1 - residual) * looked
        edges.append(_edges(np.diag(1 - given.sum(axis=1)), state + 2 * targets, state + targets))
        edges.append(_edges(given, state + 2 * targets, top))
        state += 2 * targets
    readouts = np.eye(targets) if readouts is None else readouts
    edges.append(_edges(readouts, state + targets, state))
    return _flows(edges, range(state + targets, state + targets + len(readouts)), inputs, progress)


def _edges(capacities: np.ndarray, upper: int, lower: int) -> np.ndarray:
    """Return [upper node, lower node, capacity] of every pipe between two levels that begin at these nodes."""
    rows, columns = np.nonzero(capacities >= _FEWEST_CAPACITY)
    return np.stack([rows + upper, columns + lower, np.rint(capacities[rows, columns] * SCALE)]).astype(np.int64)


def _flows(
    edges: Sequence[np.ndarray], readouts: Sequence[int], inputs: Sequence[int], progress: Progress | None
) -> np.ndarray:
    """Return the maximum flow from each readout down to each input, which is that from the input up."""
    uppers, lowers, capacities = np.concatenate(edges, axis=1)
    _check_size(len(uppers) * len(readouts) * len(inputs), len(inputs))
    size = max(readouts) + 1
    graph = csr_array((capacities.astype(np.int32), (uppers, lowers)), shape=(size, size))
    # The solver wants 32-bit indices too.
    graph.indices, graph.indptr = graph.indices.astype(np.int32), graph.indptr.astype(np.int32)
    pairs = [(readout, target) for readout in readouts for target in inputs]
    flows, step = np.zeros(len(pairs)), max(1, len(pairs) // 100)
    for number, (readout, target) in enumerate(pairs):
        flows[number] = maximum_flow(graph, readout, target, method="dinic").flow_value / SCALE
        if progress is not None and ((number + 1) % step == 0 or number + 1 == len(pairs)):
            progress((number + 1) / len(pairs))
    return flows.reshape(len(readouts), len(inputs))


def _check_size(work: int, tokens: int) -> None:
    if work > MOST_EDGES:
        raise HeadscopeError(
            f"Attention flow of {tokens} tokens would go over {work // 10**6} million edges, and {MOST_EDGES // 10**6} are the "
            "most here. Take a shorter text (about 60 tokens where all are read, 250 where one is), or use rollout."
        )
