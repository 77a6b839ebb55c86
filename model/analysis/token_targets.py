"""What the scores of heads look for in a batch of texts, and where it may be found: the same for every layer and head."""

from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from model.analysis.score_names import DIAGONALS, KEY_SCORES, OFFSETS, PAIR_SCORES, offset_name, score_names
from model.analysis.token_facts import TokenFacts


def duplicate_pairs(ids: Int64[Tensor, "text position"]) -> Bool[Tensor, "text query key"]:
    """Return True where the key is another position with the query's id; ids below 0 are like no other."""
    same = (ids[:, :, None] == ids[:, None, :]) & (ids >= 0)[:, None, :]
    same.diagonal(dim1=1, dim2=2).fill_(False)
    return same


def prefix_pairs(ids: Int64[Tensor, "text position"]) -> Bool[Tensor, "text query key"]:
    """Return True where the key stands right after an earlier occurrence of the query's id (Olsson et al. 2022)."""
    earlier = duplicate_pairs(ids).tril_(diagonal=-1)
    found = torch.zeros_like(earlier)
    found[:, :, 1:] = earlier[:, :, :-1]
    return found


class TokenTargets:
    """The targets of every score in a batch of texts of one length, under one mask.

    `allowed` is True where a query may attend to a key; None: everywhere. A row that may attend to nothing (padding) counts
    for no score. `same_sequence` is False in cross-attention, where scores that compare positions make no sense. Tensors
    are on the device of `query`.
    """

    def __init__(
        self,
        query: TokenFacts,
        key: TokenFacts,
        *,
        same_sequence: bool,
        allowed: Bool[Tensor, "#text query key"] | None = None,
    ):
        self.names = score_names(same_sequence)
        self.same_sequence = same_sequence
        self.texts, self.queries = query.ids.shape
        self.keys = key.ids.shape[1]
        device = query.ids.device
        if allowed is None:
            allowed = torch.ones(1, self.queries, self.keys, dtype=torch.bool, device=device)
        self.allowed = allowed
        valid = allowed.any(dim=2)
        self.valid: Bool[Tensor, "#text query"] | None = None if bool(valid.all()) else valid
        self.valid_rows = valid.sum(dim=1).expand(self.texts)
        self.key_masks = self._key_masks(key)
        ids = key.ids.masked_fill(key.special, -1)
        pairs = [duplicate_pairs(ids), prefix_pairs(ids)] if same_sequence else [ids.new_empty(0, 0, 0)]
        self._pairs = torch.stack(pairs, dim=1)
        self._scratch: Tensor | None = None
        self._latest: tuple[tuple[int, int], Tensor] | None = None

    def pair_masks(self, start: int, stop: int) -> Float32[Tensor, "text score row key"]:
        """Return for rows `start` to `stop` what `PAIR_SCORES` weigh each key with: |q - k|, and 1 at the sought keys."""
        # A text that fits one block asks for the same rows in every layer.
        if self._latest is None or self._latest[0] != (start, stop):
            positions = torch.arange(self.keys, dtype=torch.float32, device=self.allowed.device)
            masks = positions.new_empty(self.texts, len(PAIR_SCORES), stop - start, self.keys)
            masks[:, 0] = (positions[start:stop, None] - positions).abs()
            masks[:, 1:] = self._pairs[:, :, start:stop]
            self._latest = (start, stop), masks
        return self._latest[1]

    def scratch_like(self, weights: Tensor) -> Tensor:
        """Return a tensor to write into, the same one for every block of a shape: new memory costs more than what is written."""
        if self._scratch is None or self._scratch.shape != weights.shape:
            self._scratch = torch.empty_like(weights)
        return self._scratch

    @cached_property
    def counts(self) -> Float64[np.ndarray, "score text"]:
        """How many rows each score is of: those that may attend to something that the score looks for."""
        allowed = self.allowed.expand(self.texts, -1, -1)
        reached = (self.allowed.float() @ self.key_masks > 0).sum(dim=1)
        found = {"entropy": self.valid_rows, "sink": self.valid_rows, "distance": self.valid_rows}
        found |= {name: reached[:, place] for place, name in enumerate(KEY_SCORES)}
        diagonals = {offset_name(offset): offset for offset in OFFSETS} | DIAGONALS
        found |= {name: diagonal_of(allowed, offset).sum(dim=-1) for name, offset in diagonals.items()}
        if self.same_sequence:
            pairs = (self._pairs & self.allowed[:, None]).any(dim=3).sum(dim=2)
            found |= {name: pairs[:, place] for place, name in enumerate(PAIR_SCORES[1:])}
        return torch.stack([found[name] for name in self.names]).cpu().numpy().astype(np.float64)

    def _key_masks(self, key: TokenFacts) -> Float32[Tensor, "text key score"]:
        reachable = self.allowed.any(dim=1)
        ends = [_only(reachable.float().argmax(dim=1), reachable)]
        ends.append(_only(self.keys - 1 - reachable.flip(1).float().argmax(dim=1), reachable))
        ends = [end.expand(self.texts, -1) for end in ends]
        masks = (*ends, key.separator & ~ends[0], key.punctuation, key.rarest)
        return torch.stack(masks, dim=2).float()


def diagonal_of(matrix: Tensor, offset: int) -> Tensor:
    """Return the diagonal key = query + offset of [..., query, key]; empty where there is none."""
    inside = -matrix.shape[-2] < offset < matrix.shape[-1]
    return matrix.diagonal(offset, dim1=-2, dim2=-1) if inside else matrix[..., 0, :0]


def _only(place: Tensor, among: Tensor) -> Tensor:
    """Return a mask [text, key] that is True at one place, where that is `among` the keys."""
    return torch.zeros_like(among).scatter_(1, place[:, None], True) & among
