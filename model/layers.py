"""Attention layers of a trace: what one module's attention is made of, and its weights when somebody looks."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from model.attention_weights import attention_weights, masked_scores

# Which sequence the queries and the keys of a stack come from.
SEQUENCES = {"encoder": ("encoder", "encoder"), "decoder": ("decoder", "decoder"), "cross": ("decoder", "encoder")}
ALL = slice(None)
Rows = slice | Sequence[int]  # of the queries


@dataclass(frozen=True)
class AttentionLayer:
    """One attention layer: `stack` is "encoder", "decoder" or "cross", `index` counts from 0 within the stack."""

    stack: str
    index: int
    module: str
    source: str = field(init=False)

    def __post_init__(self) -> None:
        _check(self.stack in tuple(SEQUENCES), f"a stack is one of {', '.join(SEQUENCES)}, not {self.stack!r}")
        _check(isinstance(self.index, int) and self.index >= 0, "the index of a layer is a number from 0")
        _check(isinstance(self.module, str), "the module of a layer is a name")

    @property
    def heads(self) -> int:
        """Number of query heads."""
        return self.shape[0]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of heads, queries and keys."""
        raise NotImplementedError

    def weights(self, head: int | None = None, rows: Rows = ALL) -> torch.Tensor:
        """Return float32 weights [query, key] of one head, or [head, query, key] of all; of some `rows` where they are given."""
        raise NotImplementedError

    def allowed(self, head: int = 0, rows: Rows = ALL) -> torch.Tensor:
        """Return bool [query, key]: True where the query may attend to the key; of some `rows` where they are given."""
        raise NotImplementedError

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the tensors this layer holds, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, torch.Tensor)}


@dataclass(frozen=True, eq=False)
class LazyLayer(AttentionLayer):
    """Queries and keys as the softmax sees them (after rotary embedding), from which any weight is computed exactly.

    Shapes: query [head, query, d_head]; key [key-value head, key, d_head]; value [key-value head, key, d_value];
    mask (bool, True: may attend) and bias (additive) [1 or head, 1 or query, 1 or key]; sinks [head]. The heads in
    `replaced_heads` had other weights in this run, through an intervention: replaced [replaced head, query, key].
    Raises ValueError where they do not fit together.
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
    replaced_heads: tuple[int, ...] = ()
    replaced: torch.Tensor | None = None
    source: str = field(default="lazy", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, tensor in (("query", self.query), ("key", self.key), ("value", self.value)):
            _check(tensor is None or _is_map(tensor), f"{name} has floating-point numbers in three dimensions")
        heads, _, keys = self.shape
        _check(self.query.shape[2] == self.key.shape[2], "queries and keys have the same d_head")
        for tensor in (self.key, self.value):
            _check(tensor is None or heads % tensor.shape[0] == 0, "the heads are a multiple of the key-value heads")
        _check(self.value is None or self.value.shape[1] == keys, "there are as many values as keys")
        _check(self.sinks is None or self.sinks.shape == (heads,), "there is one sink per head")
        _check_broadcast("mask", self.mask, self.shape, boolean=True)
        _check_broadcast("bias", self.bias, self.shape, boolean=False)
        numbers = (self.scaling, 1.0 if self.softcap is None else self.softcap)
        _check(all(isinstance(number, int | float) for number in numbers), "scaling and softcap are numbers")
        self._check_replaced()

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.query.shape[0], self.query.shape[1], self.key.shape[1]

    def _check_replaced(self) -> None:
        heads, (count, *size) = self.replaced_heads, self.shape
        _check(isinstance(heads, tuple) and all(type(head) is int for head in heads), "replaced heads are numbers")
        _check(len(set(heads)) == len(heads) and set(heads) <= set(range(count)), "replaced heads are of the layer")
        _check((self.replaced is None) == (not heads), "replaced heads and their weights come together")
        fits = self.replaced is None or (_is_map(self.replaced) and self.replaced.shape == (len(heads), *size))
        _check(fits, "there are weights [query, key] for every replaced head")

    def weights(self, head: int | None = None, rows: Rows = ALL) -> torch.Tensor:
        if self.replaced is not None and head in self.replaced_heads:
            return self.replaced[self.replaced_heads.index(head), rows].float()
        weights = self._own_weights(ALL if head is None else slice(head, head + 1), rows)
        if head is None and self.replaced is not None:
            weights[list(self.replaced_heads)] = self.replaced[:, rows].float()
        return weights if head is None else weights[0]

    def _own_weights(self, heads: slice, rows: Rows) -> torch.Tensor:
        """Return weights [head, query, key] as queries and keys give them."""
        scores = masked_scores(
            self.query[heads, rows],
            self.key[self._key_heads(heads)],
            self.scaling,
            allowed=None if self.causal else self._allowed(heads, rows),
            bias=None if self.bias is None else _part(self.bias, heads, rows),
            softcap=self.softcap,
        )
        if self.causal:
            # Every key before the first of these rows is allowed: to go through them all takes as long as the softmax.
            first = _first_place(rows, self.shape[1])
            future = ~self._past(rows)[:, first:]
            scores[..., first:].masked_fill_(future, torch.finfo(torch.float32).min)
        return attention_weights(scores, None if self.sinks is None else self.sinks[heads])

    def allowed(self, head: int = 0, rows: Rows = ALL) -> torch.Tensor:
        heads = slice(head, head + 1)
        given = self._allowed(heads, rows)
        allowed = self._past(rows) if self.causal else _everything(self.shape, rows, self.query.device)
        if given is not None:
            allowed &= given[0]
        if self.bias is not None:
            floor = torch.finfo(self.bias.dtype).min / 2
            allowed &= _part(self.bias, heads, rows)[0] > floor
        return allowed

    def _key_heads(self, heads: slice) -> slice:
        if heads == ALL:
            return heads
        groups = self.query.shape[0] // self.key.shape[0]
        return slice(heads.start // groups, heads.start // groups + 1)

    def _allowed(self, heads: slice, rows: Rows) -> torch.Tensor | None:
        """Return what the mask allows; a causal layer has none beside its own."""
        return None if self.causal or self.mask is None else _part(self.mask, heads, rows)

    def _past(self, rows: Rows) -> torch.Tensor:
        """Return bool [query, key]: True for the keys up to each of these queries."""
        whole = _everything(self.shape, rows, self.query.device)
        if isinstance(rows, slice) and rows.step in (None, 1):
            return whole.tril_(_first_place(rows, self.shape[1]))
        places = torch.arange(self.shape[1], device=whole.device)[rows]
        return torch.arange(self.shape[2], device=whole.device) <= places[:, None]


@dataclass(frozen=True, eq=False)
class DenseLayer(AttentionLayer):
    """Weights [head, query, key] as the model itself returned them, for families that cannot be captured lazily.

    mask (bool, True: may attend) [1 or head, 1 or query, 1 or key]. Raises ValueError where the two do not fit together.
    """

    dense: torch.Tensor
    mask: torch.Tensor | None = None
    source: str = field(default="dense", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(_is_map(self.dense), "weights are floating-point numbers in three dimensions")
        _check_broadcast("mask", self.mask, self.shape, boolean=True)

    @property
    def shape(self) -> tuple[int, int, int]:
        heads, queries, keys = self.dense.shape
        return heads, queries, keys

    def weights(self, head: int | None = None, rows: Rows = ALL) -> torch.Tensor:
        return (self.dense if head is None else self.dense[head])[..., rows, :].float()

    def allowed(self, head: int = 0, rows: Rows = ALL) -> torch.Tensor:
        allowed = _everything(self.shape, rows, self.dense.device)
        return allowed if self.mask is None else allowed & _part(self.mask, slice(head, head + 1), rows)[0]


def _first_place(rows: Rows, queries: int) -> int:
    """Return the first of these rows; 0 where they are not one after the other."""
    return rows.indices(queries)[0] if isinstance(rows, slice) and rows.step in (None, 1) else 0


def _everything(shape: tuple[int, int, int], rows: Rows, device: torch.device) -> torch.Tensor:
    """Return bool [query, key] of these rows, True everywhere."""
    count = len(range(shape[1])[rows]) if isinstance(rows, slice) else len(rows)
    return torch.ones(count, shape[2], dtype=torch.bool, device=device)


def _part(tensor: torch.Tensor, heads: slice, rows: Rows) -> torch.Tensor:
    """Return some heads and rows of a mask or bias, which may be one for all of either."""
    tensor = tensor if tensor.shape[0] == 1 else tensor[heads]
    return tensor if tensor.shape[1] == 1 else tensor[:, rows]


def _is_map(tensor: torch.Tensor) -> bool:
    return isinstance(tensor, torch.Tensor) and tensor.is_floating_point() and tensor.ndim == 3 and tensor.numel() > 0


def _check_broadcast(name: str, tensor: torch.Tensor | None, shape: tuple[int, int, int], boolean: bool) -> None:
    if tensor is None:
        return
    _check(tensor.ndim == 3, f"{name} has three dimensions")
    fits = all(size in (1, full) for size, full in zip(tensor.shape, shape, strict=True))
    _check(fits, f"{name} {tuple(tensor.shape)} fits the heads, queries and keys {shape}")
    kind_fits = tensor.dtype == torch.bool if boolean else tensor.is_floating_point()
    _check(kind_fits, f"{name} is {'true or false' if boolean else 'a floating-point number'} everywhere")


def _check(true: bool, expected: str) -> None:
    if not true:
        raise ValueError(f"The tensors of an attention layer do not fit together: {expected}.")
