"""Attention layers of a trace: what one module's attention is made of, and its weights when somebody looks."""

from dataclasses import dataclass, field

import torch

from model.attention_weights import attention_weights, masked_scores


@dataclass(frozen=True)
class AttentionLayer:
    """One attention layer: `stack` is "encoder", "decoder" or "cross", `index` counts from 0 within the stack."""

    stack: str
    index: int
    module: str
    source: str = field(init=False)

    @property
    def heads(self) -> int:
        """Number of query heads."""
        return self.shape[0]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of heads, queries and keys."""
        raise NotImplementedError

    def weights(self, head: int | None = None) -> torch.Tensor:
        """Return float32 weights [query, key] of one head, or [head, query, key] of all."""
        raise NotImplementedError

    def allowed(self, head: int = 0) -> torch.Tensor:
        """Return bool [query, key]: True where the query may attend to the key."""
        raise NotImplementedError

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the tensors this layer holds, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, torch.Tensor)}


@dataclass(frozen=True, eq=False)
class LazyLayer(AttentionLayer):
    """Queries and keys as the softmax sees them (after rotary embedding), from which any weight is computed exactly.

    Shapes: query [head, query, d_head]; key [key-value head, key, d_head]; value [key-value head, key, d_value];
    mask (bool, True: may attend) and bias (additive) [1 or head, query, key]; sinks [head].
    """

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor | None
    scaling: float
    causal: bool = False
    softcap: float | None = None
    mask: torch.Tensor | None = None
    bias: torch.Tensor | None = None
    sinks: torch.Tensor | None = None
    source: str = field(default="lazy", init=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.query.shape[0], self.query.shape[1], self.key.shape[1]

    def weights(self, head: int | None = None) -> torch.Tensor:
        heads = slice(None) if head is None else slice(head, head + 1)
        key_heads = self._key_heads(heads)
        scores = masked_scores(
            self.query[heads],
            self.key[key_heads],
            self.scaling,
            allowed=self._allowed(heads),
            bias=_per_head(self.bias, heads),
            softcap=self.softcap,
        )
        weights = attention_weights(scores, None if self.sinks is None else self.sinks[heads])
        return weights if head is None else weights[0]

    def allowed(self, head: int = 0) -> torch.Tensor:
        heads = slice(head, head + 1)
        allowed = torch.ones(self.shape[1:], dtype=torch.bool, device=self.query.device)
        given = self._allowed(heads)
        if given is not None:
            allowed &= given[0]
        if self.bias is not None:
            floor = torch.finfo(self.bias.dtype).min / 2
            allowed &= _per_head(self.bias, heads)[0] > floor
        return allowed

    def _key_heads(self, heads: slice) -> slice:
        if heads == slice(None):
            return heads
        groups = self.query.shape[0] // self.key.shape[0]
        return slice(heads.start // groups, heads.start // groups + 1)

    def _allowed(self, heads: slice) -> torch.Tensor | None:
        if self.causal:
            _, queries, keys = self.shape
            return torch.ones(1, queries, keys, dtype=torch.bool, device=self.query.device).tril_()
        return _per_head(self.mask, heads)


@dataclass(frozen=True, eq=False)
class DenseLayer(AttentionLayer):
    """Weights [head, query, key] as the model itself returned them, for families that cannot be captured lazily."""

    dense: torch.Tensor
    mask: torch.Tensor | None = None
    source: str = field(default="dense", init=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        return tuple(self.dense.shape)

    def weights(self, head: int | None = None) -> torch.Tensor:
        return (self.dense if head is None else self.dense[head]).float()

    def allowed(self, head: int = 0) -> torch.Tensor:
        if self.mask is not None:
            return _per_head(self.mask, slice(head, head + 1))[0]
        return torch.ones(self.dense.shape[1:], dtype=torch.bool, device=self.dense.device)


def _per_head(tensor: torch.Tensor | None, heads: slice) -> torch.Tensor | None:
    if tensor is None or tensor.shape[0] == 1:
        return tensor
    return tensor[heads]
