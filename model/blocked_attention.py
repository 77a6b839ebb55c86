"""The weights of a captured layer, a few heads and rows at a time, in blocks that stay in a processor's cache."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from model.analysis.mask_facts import MaskFacts
from model.layers import LazyLayer

# The weights that a core works on, in its cache, and those that an accelerator does, which works on many rows at once.
BLOCK_BYTES = 2 * 2**20
_DEVICE_BLOCK_BYTES = 256 * 2**20
_MOST_ROWS = 128
_MINIMUM = torch.finfo(torch.float32).min


@dataclass(frozen=True, eq=False)
class HeadBlock:
    """Weights float32 [head, row, key] of consecutive heads and rows, and of the keys that these rows may attend to.

    Every other key has no weight. `scores` [head, row, key] are what the softmax was taken of; None where it had a sink as
    one more key, or where rows that may attend to nothing were set to zero. Both are read and never written to.
    """

    heads: slice
    rows: slice
    keys: slice
    weights: Tensor
    scores: Tensor | None = field(default=None, repr=False)

    @cached_property
    def row_maxima(self) -> Tensor:
        """The largest weight of every row, [head, row]."""
        return self.weights.amax(dim=-1)

    def without(self, valid: Tensor | None) -> "HeadBlock":
        """Return the block with zeros in the rows that are not `valid` [query]."""
        if valid is None or bool(valid[self.rows].all()):
            return self
        kept = valid[self.rows, None].to(self.weights.device)
        return HeadBlock(self.heads, self.rows, self.keys, self.weights * kept)


def head_blocks(layer: LazyLayer, facts: MaskFacts, block_bytes: int | None = None) -> Iterator[HeadBlock]:
    """Yield every weight of a layer whose heads attend as their queries and keys say, rows of a head in their order.

    weight = softmax over keys of (softcap * tanh(scaling * q.k / softcap) + bias), as in `attention_weights`
    """
    on_cpu = layer.query.device.type == "cpu"
    block_bytes = block_bytes or (BLOCK_BYTES if on_cpu else _DEVICE_BLOCK_BYTES)
    heads, queries, keys = layer.shape
    count = min(queries, max(1, block_bytes // (4 * keys)), _MOST_ROWS if on_cpu else queries)
    # A head for each core: to share one product of matrices takes them half as long again.
    most = max(1, block_bytes // (4 * keys * count)) * (torch.get_num_threads() if on_cpu else 1)
    for some in _head_slices(heads, heads // layer.key.shape[0], most):
        # In float32 and one layout for these heads alone: of the whole layer there is no copy.
        query = (layer.query[some].float() * layer.scaling).contiguous()
        key = layer.key[key_heads(layer, some)].float().contiguous().transpose(1, 2)
        for start in range(0, queries, count):
            rows = slice(start, min(queries, start + count))
            span = facts.span(rows)
            scores = grouped_product(query[:, rows], key[:, :, span])
            scores = _masked(scores, layer, facts, (some, rows, span))
            weights = _softmax(scores, layer, some)
            yield HeadBlock(some, rows, span, weights, scores if layer.sinks is None else None)


def attended(layer: LazyLayer, value: Tensor, blocks: Iterator[HeadBlock]) -> Iterator[tuple[HeadBlock, Tensor]]:
    """Yield every block with what its rows attend to, [head, row, d_value]; value [key-value head, key, d_value]."""
    heads, own = None, value
    for block in blocks:
        if block.heads != heads:
            heads, own = block.heads, value[key_heads(layer, block.heads)].contiguous()
        yield block, grouped_product(block.weights.to(value.dtype), own[:, block.keys])


def key_heads(layer: LazyLayer, heads: slice) -> slice:
    """Return the key-value heads of some heads."""
    groups = layer.query.shape[0] // layer.key.shape[0]
    return slice(heads.start // groups, -(-heads.stop // groups))


def grouped_product(of_heads: Tensor, of_groups: Tensor) -> Tensor:
    """Return the products of matrices [head, row, x] and [key-value head, x, y]: heads that share one stand below each other."""
    groups = of_groups.shape[0]
    found = torch.bmm(of_heads.reshape(groups, -1, of_heads.shape[2]), of_groups)
    return found.view(*of_heads.shape[:2], -1)


def _head_slices(heads: int, groups: int, most: int) -> Iterator[slice]:
    """Yield slices of heads, `most` at a time at most: one, or such as share no key-value head with another slice."""
    count = most // groups * groups if most >= groups else 1
    for first in range(0, heads, count):
        yield slice(first, min(heads, first + count))


def _masked(scores: Tensor, layer: LazyLayer, facts: MaskFacts, place: tuple[slice, slice, slice]) -> Tensor:
    _, rows, keys = place
    if layer.softcap is not None:
        scores = scores.div_(layer.softcap).tanh_().mul_(layer.softcap)
    if layer.bias is not None:
        # A bias that forbids has the lowest number of its type, which its own softmax must not lift.
        scores = scores.add_(_cut(layer.bias, place)).clamp_(min=_MINIMUM)
    if layer.causal or facts.causal:
        first = max(rows.start, keys.start)
        shape = rows.stop - rows.start, keys.stop - first
        future = torch.ones(shape, dtype=torch.bool, device=scores.device).triu_(rows.start - first + 1)
        scores[:, :, first - keys.start :].masked_fill_(future, _MINIMUM)
    elif layer.mask is not None:
        scores = scores.masked_fill_(~_cut(layer.mask, place), _MINIMUM)
    return scores


def _softmax(scores: Tensor, layer: LazyLayer, heads: slice) -> Tensor:
    if layer.sinks is None:
        return torch.softmax(scores, dim=-1)
    column = layer.sinks[heads].float()[:, None, None].expand(*scores.shape[:2], 1)
    return torch.softmax(torch.cat([scores, column], dim=-1), dim=-1)[..., :-1].contiguous()


def _cut(tensor: Tensor, place: tuple[slice, slice, slice]) -> Tensor:
    """Return a part [head, row, key] of a mask or bias, which may be one for all of either."""
    return tensor[tuple(part if size > 1 else slice(None) for part, size in zip(place, tensor.shape, strict=True))]
