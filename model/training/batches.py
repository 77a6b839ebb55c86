"""Batches of sentence pairs that are nearly of one length, so that little of the work goes into padding."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class PairBatch:
    """Sentence pairs side by side; `mask` is None where no source is padded, and labels are IGNORED where there is padding."""

    source: Int[Tensor, "sentence source"]
    mask: Int[Tensor, "sentence source"] | None
    target: Int[Tensor, "sentence target"]
    labels: Int[Tensor, "sentence target"]

    @property
    def tokens(self) -> int:
        """The target tokens that are predicted."""
        return int((self.labels != IGNORED).sum())

    def to(self, device: torch.device | str) -> "PairBatch":
        """Return the batch on a device."""
        mask = None if self.mask is None else self.mask.to(device)
        return PairBatch(self.source.to(device), mask, self.target.to(device), self.labels.to(device))


IGNORED = -100


def batch_order(lengths: np.ndarray, batch_tokens: int, seed: Sequence[int]) -> list[np.ndarray]:
    """Return the indices of the pairs of each batch, in random order; `lengths` is int [pair, side].

    Pairs of one source length stand together, by target length, in an order that turns at every new source length; a batch
    holds as many as keep sentences * (longest source + longest target) within `batch_tokens`, and at least one.
    """
    random = np.random.default_rng(list(seed))
    source, target = lengths[:, 0], lengths[:, 1]
    turning = np.where(source % 2 == 0, target, -target)
    order = np.lexsort((random.random(len(lengths)), turning, source))
    batches, begin, longest = [], 0, np.zeros(2, dtype=np.int64)
    for place, index in enumerate(order):
        longer = np.maximum(longest, lengths[index])
        if place > begin and (place - begin + 1) * int(longer.sum()) > batch_tokens:
            batches.append(order[begin:place])
            begin, longer = place, lengths[index]
        longest = longer
    batches.append(order[begin:])
    return [batches[number] for number in random.permutation(len(batches))]


def pair_batch(
    sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], *, start: int, padding: int
) -> PairBatch:
    """Return ids side by side: the decoder reads `start` and all but the last target id, and predicts every target id."""
    source = _side_by_side(sources, padding)
    labels = _side_by_side(targets, IGNORED)
    target = labels.roll(1, dims=1)
    target[:, 0] = start
    mask = _side_by_side([[1] * len(ids) for ids in sources], 0) if len({len(ids) for ids in sources}) > 1 else None
    return PairBatch(source, mask, target.masked_fill(target == IGNORED, padding), labels)


def _side_by_side(rows: Sequence[Sequence[int]], padding: int) -> Tensor:
    filled = np.full((len(rows), max(map(len, rows))), padding, dtype=np.int64)
    for row, ids in enumerate(rows):
        filled[row, : len(ids)] = ids
    return torch.from_numpy(filled)
