"""Why a head attends: one weight taken apart into the products of queries and keys, and every step up to the softmax."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float64

from model.errors import HeadscopeError
from model.layers import LazyLayer
from model.trace import Trace

# What a masked key's score is, as in `masked_scores`.
MASKED = float(torch.finfo(torch.float32).min)


@dataclass(frozen=True, eq=False)
class ScoreParts:
    """The chain of numbers from one query and one key, float64 [d_head], to the weight between them.

    products[i] = query[i] key[i], dot_product = sum_i products[i], scaled = scaling dot_product,
    capped = softcap tanh(scaled / softcap)  (scaled, where there is no softcap), biased = capped + bias,
    score = biased, or float32's minimum where the key is masked (`allowed` False; the bias is then 0),
    exponential = exp(score - maximum), weight = exponential / total,
    total = sum over keys of exp(score - maximum) + sink_exponential.

    `maximum` is the largest score of the query, or its head's `sink` (a logit; None: no sink, `sink_exponential` 0) where
    that is larger. Steps that the model does not take leave the number as it is.
    """

    query: Float64[np.ndarray, " d_head"]
    key: Float64[np.ndarray, " d_head"]
    dot_product: float
    scaling: float
    scaled: float
    softcap: float | None
    capped: float
    bias: float
    biased: float
    allowed: bool
    score: float
    maximum: float
    exponential: float
    sink: float | None
    sink_exponential: float
    total: float
    weight: float

    @property
    def products(self) -> Float64[np.ndarray, " d_head"]:
        """What each dimension of the head adds to the dot product."""
        return self.query * self.key


@dataclass(frozen=True, eq=False)
class ScoreRow:
    """The same chain for every key of one query: arrays float64 [key], and the vectors [d_head] and [key, d_head]."""

    query: Float64[np.ndarray, " d_head"]
    keys: Float64[np.ndarray, "key d_head"]
    scaling: float
    softcap: float | None
    sink: float | None
    capped: Float64[np.ndarray, " key"]
    bias: Float64[np.ndarray, " key"]
    allowed: Bool[np.ndarray, " key"]

    @property
    def products(self) -> Float64[np.ndarray, "key d_head"]:
        """What each dimension adds to the dot product with each key."""
        return self.keys * self.query

    @property
    def scores(self) -> Float64[np.ndarray, " key"]:
        """What the softmax is taken of."""
        return np.where(self.allowed, self.capped + self.bias, MASKED)

    @property
    def maximum(self) -> float:
        """The largest score, or the sink where that is larger."""
        return float(max(self.scores.max(), -np.inf if self.sink is None else self.sink))

    @property
    def sink_exponential(self) -> float:
        """exp(sink - maximum); 0 where the head has no sink."""
        return 0.0 if self.sink is None else float(np.exp(self.sink - self.maximum))

    @property
    def exponentials(self) -> Float64[np.ndarray, " key"]:
        """exp(score - maximum)."""
        return np.exp(self.scores - self.maximum)

    @property
    def weights(self) -> Float64[np.ndarray, " key"]:
        """The softmax: each exponential as a share of all of them and the sink's."""
        exponentials = self.exponentials
        return exponentials / (exponentials.sum() + self.sink_exponential)

    def at(self, key: int) -> ScoreParts:
        """Return the chain of one key; raises HeadscopeError where there is none."""
        _check_position(key, len(self.keys), "key")
        dot = float(self.products[key].sum())
        scores, exponentials = self.scores, self.exponentials
        capped, bias = float(self.capped[key]), float(self.bias[key])
        return ScoreParts(
            query=self.query, key=self.keys[key], dot_product=dot, scaling=self.scaling, scaled=dot * self.scaling,
            softcap=self.softcap, capped=capped, bias=bias, biased=capped + bias, allowed=bool(self.allowed[key]),
            score=float(scores[key]), maximum=self.maximum, exponential=float(exponentials[key]), sink=self.sink,
            sink_exponential=self.sink_exponential, total=float(exponentials.sum()) + self.sink_exponential,
            weight=float(self.weights[key]),
        )  # fmt: skip

    def contrast(self, key: int, other: int | None = None) -> Float64[np.ndarray, " d_head"]:
        """Return which dimensions make the query prefer one key to another: q_i (k_i - k'_i), float64 [d_head].

        Their sum times the scaling is the difference of the scaled scores; without softcap, bias and mask it is the logarithm
        of the ratio of the two weights. Without `other`, k' is the mean of the other keys that the query may attend to.
        Raises HeadscopeError where there is no such key, or no other.
        """
        _check_position(key, len(self.keys), "key")
        if other is not None:
            _check_position(other, len(self.keys), "key")
            return self.query * (self.keys[key] - self.keys[other])
        rest = self.allowed.copy()
        rest[key] = False
        if not rest.any():
            raise HeadscopeError("This query may attend to no other key, so there is nothing to compare with.")
        return self.query * (self.keys[key] - self.keys[rest].mean(axis=0))


def score_row(trace: Trace, layer: int, head: int, query: int, stack: str | None = None) -> ScoreRow:
    """Return the scores of one query with every key, in their parts, in float64.

    Its `weights` are the trace's, but for the rounding of float32. Keys of grouped-query attention are those that the head
    shares (Ainslie et al. 2023); queries and keys are as the softmax sees them, after rotary embedding. Raises HeadscopeError
    where there is no such layer, head or query, where the trace holds no queries and keys, and for a head whose weights an
    intervention replaced.
    """
    chosen = queries_and_keys(trace, layer, head, stack)
    _check_position(query, chosen.shape[1], "query")
    key_head = head // (chosen.heads // chosen.key.shape[0])
    own, keys = (_array(part) for part in (chosen.query[head, query], chosen.key[key_head]))
    scaled = (keys * own).sum(axis=1) * chosen.scaling
    capped = scaled if chosen.softcap is None else chosen.softcap * np.tanh(scaled / chosen.softcap)
    allowed = chosen.allowed(head, [query])[0].cpu().numpy()
    return ScoreRow(
        query=own,
        keys=keys,
        scaling=float(chosen.scaling),
        softcap=None if chosen.softcap is None else float(chosen.softcap),
        sink=None if chosen.sinks is None else float(chosen.sinks[head]),
        capped=capped,
        bias=np.where(allowed, _bias(chosen, head, query), 0.0),
        allowed=allowed,
    )


def score_parts(trace: Trace, layer: int, head: int, query: int, key: int, stack: str | None = None) -> ScoreParts:
    """Return how one attention weight comes about, from the dimensions of query and key to the softmax; see `score_row`."""
    return score_row(trace, layer, head, query, stack).at(key)


def dimension_products(parts: ScoreParts) -> pd.DataFrame:
    """Return what every dimension adds to the dot product, the largest in size first: dimension, query, key, product, cumulative.

    `cumulative` sums the products down to its row; the last is the dot product.
    """
    order = np.argsort(-np.abs(parts.products), kind="stable")
    products = parts.products[order]
    return pd.DataFrame(
        {
            "dimension": order, "query": parts.query[order], "key": parts.key[order], "product": products,
            "cumulative": products.cumsum(),
        }
    )  # fmt: skip


def queries_and_keys(trace: Trace, layer: int, head: int, stack: str | None = None) -> LazyLayer:
    """Return the layer whose queries and keys give the head's weights.

    Raises HeadscopeError where there is no such layer or head, where the trace holds no queries and keys, and where an
    intervention gave the head other weights.
    """
    chosen = trace.layer(layer, stack)
    if not 0 <= head < chosen.heads:
        raise HeadscopeError(f"Layer {layer} has heads 0 to {chosen.heads - 1}; there is no head {head}.")
    if not isinstance(chosen, LazyLayer):
        raise HeadscopeError(
            "Of this model only the weights were recorded, not the queries and keys that they are made of, so they cannot be "
            "taken apart. Choose a model that is captured lazily; the list of architectures says which are."
        )
    if head in chosen.replaced_heads:
        raise HeadscopeError(
            f"L{layer} H{head} was given other weights by an intervention in this run, so they do not come from its queries and "
            "keys. Run the text without that intervention to see why the head attends."
        )
    return chosen


def _bias(layer: LazyLayer, head: int, query: int) -> np.ndarray:
    """Return what is added to the scores of one row, float64 [key]; it may hold the mask too."""
    if layer.bias is None:
        return np.zeros(layer.shape[2])
    rows = layer.bias[head if layer.bias.shape[0] > 1 else 0]
    return np.broadcast_to(_array(rows[query if rows.shape[0] > 1 else 0]), layer.shape[2])


def _check_position(position: int, count: int, axis: str) -> None:
    if not 0 <= position < count:
        raise HeadscopeError(f"There is no {axis} {position}; they are counted from 0 to {count - 1}.")


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().cpu().numpy()
