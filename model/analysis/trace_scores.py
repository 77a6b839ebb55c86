"""The scores of every head of a trace: what `TokenScores` adds up, from the weights of one text."""

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from model.analysis.head_scores import TokenScores, uniform_baselines
from model.analysis.score_sums import ScoreSums
from model.analysis.token_facts import token_facts
from model.analysis.token_targets import TokenTargets
from model.layers import ALL, SEQUENCES, AttentionLayer, Rows
from model.trace import Trace

# Weights that are in memory at once.
_BLOCK_WEIGHTS = 2**21


def trace_scores(
    trace: Trace,
    stack: str | None = None,
    frequencies: Mapping[int, int] | None = None,
    progress: Callable[[float], object] | None = None,
) -> dict[int, ScoreSums]:
    """Return the sums of all scores by layer index, with one text; `frequencies` says how often a corpus has each id.

    Weights are computed in blocks of rows, of any trace, lazy or dense. Where the heads of a layer have masks of their own,
    rows and baselines are those of what any head may attend to. Raises HeadscopeError where there is no such stack.
    """
    layers, found = trace.of_stack(stack), {}
    targets = baselines = None
    for done, layer in enumerate(layers):
        allowed = allowed_by_any_head(layer)
        if targets is None or not torch.equal(targets.allowed[0], allowed):
            targets = _targets(trace, layer, allowed, frequencies)
            baselines = uniform_baselines(targets)
        scores = TokenScores(targets, baselines)
        for start, weights in weight_blocks(layer):
            scores.add(weights[None], start)
        found[layer.index] = scores.sums()
        if progress is not None:
            progress((done + 1) / len(layers))
    return found


def weight_blocks(layer: AttentionLayer) -> Iterator[tuple[int, Tensor]]:
    """Yield (first row, weights float32 [head, row, key]) of a layer, a few rows at a time."""
    heads, queries, keys = layer.shape
    rows = max(1, _BLOCK_WEIGHTS // (heads * keys))
    for start in range(0, queries, rows):
        yield start, layer.weights(rows=slice(start, start + rows))


def allowed_by_any_head(layer: AttentionLayer, rows: Rows = ALL) -> Tensor:
    """Return bool [query, key]: True where any head of the layer may attend; of some `rows` where they are given."""
    tensors = layer.tensors()
    own = any(tensors[name].shape[0] > 1 for name in ("mask", "bias") if name in tensors)
    allowed = layer.allowed(0, rows)
    for head in range(1, layer.heads if own else 1):
        allowed = allowed | layer.allowed(head, rows)
    return allowed


def _targets(
    trace: Trace, layer: AttentionLayer, allowed: Tensor, frequencies: Mapping[int, int] | None
) -> TokenTargets:
    query, key = (trace.sequence(layer.index, axis, layer.stack) for axis in ("query", "key"))
    facts = token_facts([query], frequencies).to(allowed.device)
    same = len(set(SEQUENCES[layer.stack])) == 1
    key_facts = facts if same else token_facts([key], frequencies).to(allowed.device)
    return TokenTargets(facts, key_facts, same_sequence=same, allowed=allowed[None])
