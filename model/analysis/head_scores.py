"""What heads do, as numbers: sums of scores over the rows of attention weights that come block by block."""

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from model.analysis.score_names import DIAGONALS, KEY_SCORES, OFFSETS, PAIR_SCORES, offset_name
from model.analysis.score_sums import ScoreSums
from model.analysis.token_targets import TokenTargets, diagonal_of

# The smallest normal number of float32: 0 log2 0 is 0 without another pass over the weights.
_TINY = torch.finfo(torch.float32).tiny
_UNIFORM_BLOCK = 2**20


class TokenScores:
    """Adds up the scores of one layer's heads over a batch of texts, from blocks of rows in any order.

    Every score is a mean over rows: `sums()` gives the sum over the rows it is of and their number, per text and head
    (`model.analysis.score_catalog` has the formulas). Rows of special tokens count like all others. `baselines` are what
    uniform attention scores; they are the same for all layers that share the targets, so that `uniform_baselines` is
    best called once for all of them. The weights are read and never written to.
    """

    def __init__(self, targets: TokenTargets, baselines: Float64[np.ndarray, "score text"] | None = None):
        self._targets, self._baselines = targets, baselines
        self._totals: dict[str, Tensor] = {}

    def add(self, weights: Float32[Tensor, "text head row key"], start: int) -> None:
        """Add a block of consecutive rows, the first of which is row `start`."""
        targets, stop = self._targets, start + weights.shape[2]
        weights = weights.contiguous()
        if targets.valid is not None:
            weights = weights * targets.valid[:, None, start:stop, None]
        # One more tensor of this size is all the memory that is needed: first the logarithms, then the maxima.
        scratch = torch.clamp_min(weights, _TINY, out=targets.scratch_like(weights)).log2_()
        self._gain("entropy", -torch.linalg.vecdot(weights.flatten(2), scratch.flatten(2)))
        self._gain("columns", weights.sum(dim=2))
        if targets.same_sequence:
            masks = targets.pair_masks(start, stop).flatten(2)
            found = torch.bmm(masks, weights.flatten(2).transpose(1, 2))
            for place, name in enumerate(PAIR_SCORES):
                self._gain(name, found[:, place])
            for name, offset in DIAGONALS.items():
                self._gain(name, diagonal_of(weights, start + offset).sum(dim=-1))
        self._add_maxima(weights, scratch, start)

    def _add_maxima(self, weights: Tensor, scratch: Tensor, start: int) -> None:
        """Add where the rows' maxima lie; keys that share a maximum share the row, so that uniform rows have no offset."""
        highest = weights.amax(dim=-1, keepdim=True)
        maxima = torch.eq(weights, highest, out=scratch)
        # A row without weight (padding, or all of it at a sink logit) has no maximum.
        maxima = maxima.mul_((highest > 0) / maxima.sum(dim=-1, keepdim=True))
        for offset in OFFSETS:
            self._gain(offset_name(offset), diagonal_of(maxima, start + offset).sum(dim=-1))

    def sums(self) -> ScoreSums:
        """Return the sums over all rows, when they have been added."""
        targets, totals = self._targets, dict(self._totals)
        columns = totals.pop("columns")
        totals |= zip(KEY_SCORES, torch.bmm(columns, targets.key_masks).unbind(dim=2), strict=True)
        missing = (targets.valid_rows[:, None] - columns.sum(dim=2)).clamp_min(0)
        totals["sink"] = torch.maximum(columns.amax(dim=2), missing)
        values = torch.stack([totals[name] for name in targets.names]).cpu().numpy().astype(np.float64)
        baselines = uniform_baselines(targets) if self._baselines is None else self._baselines
        return ScoreSums(targets.names, values, baselines, targets.counts)

    def _gain(self, name: str, found: Tensor) -> None:
        known = self._totals.get(name)
        self._totals[name] = found if known is None else known + found


def uniform_baselines(targets: TokenTargets) -> Float64[np.ndarray, "score text"]:
    """Return the sums of every score for a head that attends alike to all it may: weight[q, k] = allowed[q, k] / keys allowed."""
    scores = TokenScores(targets, np.full((len(targets.names), targets.texts), np.nan))
    rows = max(1, _UNIFORM_BLOCK // (targets.texts * targets.keys))
    for start in range(0, targets.queries, rows):
        allowed = targets.allowed[:, start : start + rows].float()
        weights = allowed / allowed.sum(dim=2, keepdim=True).clamp_min(1)
        scores.add(weights[:, None].expand(targets.texts, -1, -1, -1), start)
    return scores.sums().values[..., 0]
