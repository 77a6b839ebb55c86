"""One text as a study: the scores of its heads, without intervals, for a page to show beside a corpus's."""

from collections.abc import Callable, Mapping

import numpy as np

from model.analysis.head_divergence import divergence_sums
from model.analysis.trace_scores import trace_scores
from model.layers import AttentionLayer
from model.study.frames import study_frame
from model.study.moments import TOKENS, layer_moments
from model.study.records import HeadStudy
from model.trace import Trace

# Weights of all heads of a stack that are in memory at once.
_BLOCK_WEIGHTS = 2**22


def study_of_trace(
    trace: Trace, *, frequencies: Mapping[int, int] | None = None, progress: Callable[[float], object] | None = None
) -> HeadStudy:
    """Return the scores of every head of a trace and the divergence of its heads over its rows; intervals are NaN.

    `frequencies` says how often a corpus has each token id; without it the rarest token is not known.
    """
    report = progress or (lambda _share: None)
    layers, divergence, heads = {}, {}, {}
    for place, stack in enumerate(trace.stacks):
        first = place / len(trace.stacks)

        def tell(share: float, first: float = first) -> None:
            report(first + share / len(trace.stacks))

        for index, sums in trace_scores(trace, stack, frequencies, lambda share: tell(share / 2)).items():
            layers[stack, index, TOKENS] = layer_moments([sums], [0])
        heads[stack] = tuple((layer.index, head) for layer in _in_order(trace, stack) for head in range(layer.heads))
        divergence[stack] = _divergence(trace, stack, lambda share: tell((1 + share) / 2))
    origin = trace.provenance
    run = {
        "command": "", "data": "one text", "texts": 1, "tokens": sum(map(len, trace.tokens.values())), "seconds": 0.0,
        "device": origin.device, "dtype": origin.dtype, "versions": dict(origin.versions), "left_out": {},
    }  # fmt: skip
    sample = () if origin.text is None else (origin.text,)
    return HeadStudy(
        origin.model, origin.revision, origin.model_type, study_frame(layers), divergence, heads, sample, {}, run
    )


def _divergence(trace: Trace, stack: str, tell: Callable[[float], None]) -> np.ndarray:
    layers = _in_order(trace, stack)
    heads, queries, keys = sum(layer.heads for layer in layers), *layers[0].shape[1:]
    rows = max(1, _BLOCK_WEIGHTS // (heads * keys))
    total, counted = np.zeros((heads, heads)), 0
    for start in range(0, queries, rows):
        part = slice(start, min(start + rows, queries))
        blocks = [layer.weights(rows=part) * layer.allowed(rows=part).any(dim=1)[:, None] for layer in layers]
        sums, count = divergence_sums(np.concatenate([block.cpu().numpy() for block in blocks]))
        total, counted = total + sums, counted + count
        tell((part.stop) / queries)
    return (total / max(1, counted)).astype(np.float32)


def _in_order(trace: Trace, stack: str) -> list[AttentionLayer]:
    return sorted(trace.of_stack(stack), key=lambda layer: layer.index)
