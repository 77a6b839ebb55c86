"""Four numbers of every head, from blocks of its weights: how broadly, and where, its rows attend."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import log, nan

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from model.analysis.mask_facts import MaskFacts, mask_facts
from model.analysis.token_targets import diagonal_of
from model.analysis.trace_scores import weight_blocks
from model.blocked_attention import HeadBlock, head_blocks
from model.layers import SEQUENCES, AttentionLayer, LazyLayer
from model.trace import Trace

# The smallest normal number of float32: 0 log2 0 is 0 without another pass over the weights.
_TINY = torch.finfo(torch.float32).tiny
# Scores beyond this leave too few digits for a difference of two sums of them.
_LARGE_SCORE = 100.0
NAMES = ("entropy", "previous", "first", "maximum")


@dataclass(frozen=True, eq=False)
class HeadStatistics:
    """Means over the rows of every head of a stack, [layer, head]; rows that may attend to nothing do not count.

    entropy  = mean over q of -sum over k of w[q, k] log2 w[q, k], in bits (Clark et al. 2019)
    previous = mean of w[q, q - 1] over the rows that may attend to the token before; NaN in cross-attention
    first    = mean of w[q, first] over the rows that may attend to the first key that any row may attend to
    maximum  = mean over q of max over k of w[q, k]

    `layers` are the indices of the layers; a layer with fewer heads than another has NaN beyond them.
    """

    layers: tuple[int, ...]
    entropy: Float64[np.ndarray, "layer head"]
    previous: Float64[np.ndarray, "layer head"]
    first: Float64[np.ndarray, "layer head"]
    maximum: Float64[np.ndarray, "layer head"]


class StatisticSums:
    """Adds up the statistics of one layer's heads, from blocks of rows in any order; the weights are not written to."""

    def __init__(self, layer: AttentionLayer, facts: MaskFacts, device: torch.device):
        self._facts, self._same_sequence = facts, len(set(SEQUENCES[layer.stack])) == 1
        self._sums = torch.zeros(len(NAMES), layer.heads, dtype=torch.float64, device=device)

    def add(self, block: HeadBlock) -> None:
        """Add a block, in which rows that may attend to nothing are zero."""
        weights, keys = block.weights, block.keys
        sums = self._sums[:, block.heads]
        sums[0] += _entropy(block)
        sums[1] += diagonal_of(weights, block.rows.start - 1 - keys.start).sum(dim=-1)
        if keys.start <= self._facts.first_key < keys.stop:
            sums[2] += weights[:, :, self._facts.first_key - keys.start].sum(dim=-1)
        sums[3] += block.row_maxima.sum(dim=-1)

    def means(self) -> Float64[np.ndarray, "statistic head"]:
        """Return the statistics in the order of NAMES, when all rows have been added."""
        facts = self._facts
        previous = facts.previous_rows if self._same_sequence else 0
        counts = (facts.valid_rows, previous, facts.first_rows, facts.valid_rows)
        sums = self._sums.cpu().numpy()
        return np.stack([one / count if count else one * nan for one, count in zip(sums, counts, strict=True)])


def head_statistics(
    trace: Trace, *, stack: str | None = None, progress: Callable[[float], object] | None = None
) -> HeadStatistics:
    """Return the statistics of every head of a stack of a trace, a block of weights at a time."""
    layers, found = trace.of_stack(stack), {}
    for done, layer in enumerate(layers):
        # Tiles of one cell: they are not made here.
        facts = mask_facts(layer, 1)
        sums = StatisticSums(layer, facts, _device(layer))
        for block in layer_head_blocks(layer, facts):
            sums.add(block.without(facts.valid))
        found[layer.index] = sums.means()
        if progress is not None:
            progress((done + 1) / len(layers))
    return statistics_of(found)


def statistics_of(layers: Mapping[int, Float64[np.ndarray, "statistic head"]]) -> HeadStatistics:
    """Return the HeadStatistics of the means of every layer, by index."""
    heads = max(means.shape[1] for means in layers.values())
    padded = [np.pad(means, [(0, 0), (0, heads - means.shape[1])], constant_values=nan) for means in layers.values()]
    return HeadStatistics(tuple(layers), *np.stack(padded, axis=1))


def layer_head_blocks(layer: AttentionLayer, facts: MaskFacts) -> Iterator[HeadBlock]:
    """Return an iterator over the blocks of any layer, lazy or dense."""
    if isinstance(layer, LazyLayer) and layer.replaced is None:
        return head_blocks(layer, facts)
    heads, _, keys = layer.shape
    every, all_keys = slice(0, heads), slice(0, keys)
    return (
        HeadBlock(every, slice(start, start + weights.shape[1]), all_keys, weights)
        for start, weights in weight_blocks(layer)
    )


def _entropy(block: HeadBlock) -> Tensor:
    """Return the sum over rows of each head's entropy, in bits [head].

    With scores s and weights w = exp(s - lse), -sum w ln w = lse - sum w s, and max w = exp(max s - lse): no logarithm of
    a single weight is taken.
    """
    weights, scores = block.weights, block.scores
    highest = None if scores is None else scores.amax(dim=-1)
    if scores is None or highest is None or bool(highest.abs().max() > _LARGE_SCORE):
        return -_products(weights, torch.clamp_min(weights, _TINY).log2_())
    total = (highest.double() - block.row_maxima.double().log()).sum(dim=-1)
    return (total - _products(weights, scores)) / log(2)


def _products(one: Tensor, other: Tensor) -> Tensor:
    """Return the sum of the products of each head's numbers, [head]."""
    one, other = one.flatten(1), other.flatten(1)
    if one.device.type != "cpu":
        return torch.linalg.vecdot(one, other).double()
    # Three times as fast as the same for all heads at once.
    return torch.stack([torch.dot(*pair) for pair in zip(one, other, strict=True)]).double()


def _device(layer: AttentionLayer) -> torch.device:
    return next(iter(layer.tensors().values())).device
