"""The weights of a batch of texts, some rows at a time: the same softmax as `attention_weights`, written for speed."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_MINIMUM = torch.finfo(torch.float32).min


@dataclass(frozen=True, eq=False)
class BlockScores:
    """What one attention call of a batch is made of, in float32, from which the weights of any rows follow.

    weight = softmax over keys of (softcap * tanh(scaling * q.k / softcap) + added), with the sinks as one more key

    query [text, head, query, d_head]; key [text, key-value head, key, d_head]; added (mask and bias, additive)
    [1 or text, 1 or head, 1 or query, key]; reach (bool, True: may attend) [1 or text, 1, query, key], or None for
    everything; sinks [head].
    """

    query: Tensor
    key: Tensor
    scaling: float
    softcap: float | None
    added: Tensor | None
    reach: Tensor | None
    sinks: Tensor | None

    @classmethod
    def of(
        cls,
        query: Tensor,
        key: Tensor,
        mask: Tensor | None,
        scaling: float,
        causal: bool,
        softcap: float | int | None,
        bias: Tensor | None,
        sinks: Tensor | None,
        known: MutableMapping[Any, Any],
    ) -> "BlockScores":
        """Return the scores of a call; `known` keeps what a mask comes to, for the layers that share it."""
        added, reach = _mask_terms(mask, causal, query, key, known)
        if bias is not None:
            bias = bias.float()
            # A bias that forbids has the lowest number of its type, which its own softmax must not lift.
            added = bias if added is None else (added + bias).clamp_(min=_MINIMUM)
        return cls(query.float(), key.float(), scaling, softcap, added, reach, sinks)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Number of texts, heads, queries and keys."""
        return (*self.query.shape[:3], self.key.shape[2])

    def weights(self, rows: slice) -> Tensor:
        """Return the weights [text, head, row, key] of some rows."""
        texts, heads, _, keys = self.shape
        query = self.query[:, :, rows]
        groups = texts * self.key.shape[1]
        # Heads that share keys stand below each other, as if they were more rows.
        query, key = query.reshape(groups, -1, query.shape[3]), self.key.flatten(0, 1).transpose(1, 2)
        scores = torch.baddbmm(query.new_empty(1, 1, 1), query, key, beta=0, alpha=self.scaling)
        scores = scores.view(texts, heads, -1, keys)
        if self.softcap is not None:
            scores = scores.div_(self.softcap).tanh_().mul_(self.softcap)
        if self.added is not None:
            scores = scores.add_(_rows(self.added, rows))
        if self.sinks is None:
            return torch.softmax(scores, dim=-1)
        column = self.sinks.float().reshape(1, heads, 1, 1).expand(texts, heads, scores.shape[2], 1)
        return torch.softmax(torch.cat([scores, column], dim=-1), dim=-1)[..., :-1].contiguous()


def _mask_terms(
    mask: Tensor | None, causal: bool, query: Tensor, key: Tensor, known: MutableMapping[Any, Any]
) -> tuple[Tensor | None, Tensor | None]:
    """Return (additive mask, allowed), both None where nothing is masked."""
    if mask is None and not causal:
        return None, None
    place = "causal" if mask is None else (mask.data_ptr(), mask.shape, mask.stride())
    if place not in known:
        if mask is None:
            mask = torch.ones(1, 1, query.shape[2], key.shape[2], dtype=torch.bool, device=query.device).tril_()
        # The mask itself is kept beside the result, so that its address is not given to another one.
        added, reach = _terms(_same_for_all(mask))
        known[place] = (mask, added, None if reach is None else reach.expand(-1, -1, query.shape[2], -1))
    return known[place][1:]


def _same_for_all(mask: Tensor) -> Tensor:
    """Return the mask with a text axis of one where all texts have the same, as texts without padding do."""
    return mask[:1] if bool((mask[1:] == mask[:1]).all()) else mask


def _terms(mask: Tensor) -> tuple[Tensor | None, Tensor | None]:
    if mask.dtype == torch.bool:
        if bool(mask.all()):
            return None, None
        return torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, _MINIMUM), mask[:, :1]
    reach = mask[:, :1] > torch.finfo(mask.dtype).min / 2
    # Lowest numbers of narrower types must swallow a float32 score too.
    added = mask.float().masked_fill(mask <= torch.finfo(mask.dtype).min / 2, _MINIMUM)
    return added, None if bool(reach.all()) else reach


def _rows(tensor: Tensor, rows: slice) -> Tensor:
    return tensor if tensor.shape[2] == 1 else tensor[:, :, rows]
