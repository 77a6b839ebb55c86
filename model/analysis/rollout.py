"""Attention rollout: where the states of the top layer come from, if every layer mixes as its weights say."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float64

from model.errors import HeadscopeError
from model.trace import Trace

HEAD_COMBINATIONS = ("mean", "maximum")
RESIDUAL = 0.5  # the share of a state that the residual connection carries, as Abnar and Zuidema set it
_ROUNDING = 1e-3


def combined_heads(
    trace: Trace, stack: str | None = None, *, combination: str = "mean", head: int | None = None
) -> Float64[np.ndarray, "layer query key"]:
    """Return one map per layer of a stack: the mean or the maximum over its heads, or one `head`; rows of a maximum rescaled.

    Rows sum to one, or to less where the model has an attention sink. Raises HeadscopeError where there is no such stack,
    combination or head, or the layers attend over different numbers of tokens.
    """
    if combination not in HEAD_COMBINATIONS:
        raise HeadscopeError(
            f"There is no combination “{combination}” of heads. Choose {' or '.join(HEAD_COMBINATIONS)}."
        )
    maps: list[np.ndarray] = []
    for layer in trace.of_stack(stack):
        if head is not None:
            maps.append(trace.attention(layer.index, head, stack).astype(np.float64))
            continue
        weights = layer.weights()
        combined = weights.mean(dim=0) if combination == "mean" else weights.amax(dim=0)
        found = combined.double().cpu().numpy()
        maps.append(found if combination == "mean" else rows_to_one(found[None])[0])
    if len({one.shape for one in maps}) != 1:
        raise HeadscopeError(
            "The layers of this model attend over different numbers of tokens: nothing follows through them."
        )
    return np.stack(maps)


def allowed_maps(trace: Trace, stack: str | None = None) -> Bool[np.ndarray, "layer query key"]:
    """Return where the queries of each layer of a stack may attend, by the mask of its first head."""
    return np.stack([layer.allowed().cpu().numpy() for layer in trace.of_stack(stack)])


def rows_to_one(maps: Float[np.ndarray, "*rest key"]) -> Float64[np.ndarray, "*rest key"]:
    """Return maps whose rows are divided by their sums; a row of zeros stays one."""
    maps = np.asarray(maps, dtype=np.float64)
    sums = maps.sum(axis=-1, keepdims=True)
    return np.divide(maps, sums, out=np.zeros_like(maps), where=sums > 0)


def with_residual(
    maps: Float[np.ndarray, "layer query key"], residual: float | int = RESIDUAL
) -> Float64[np.ndarray, "layer query key"]:
    """Return A' = r I + (1 - r) A for every layer, r the share of the residual connection (0 where A has it inside).

    What a row of A lacks to one went to an attention sink, which hands on nothing: it is counted to the token itself. Raises
    HeadscopeError where r is not from 0 to 1, a map is not square, or a row is negative or sums to more than one.
    """
    if not 0 <= residual <= 1:
        raise HeadscopeError("The share of the residual connection is a number from 0 to 1.")
    if maps.shape[1] != maps.shape[2]:
        raise HeadscopeError(
            "Only the attention of a sequence to itself can be followed through the layers: choose such a stack."
        )
    mixed = (1 - residual) * _checked(maps)
    own = np.arange(maps.shape[1])
    mixed[:, own, own] += 1 - mixed.sum(axis=2)
    return mixed


def attention_rollout(
    maps: Float[np.ndarray, "layer query key"], *, residual: float | int = RESIDUAL
) -> Float64[np.ndarray, "layer query key"]:
    """Return for every layer how much of each input token is in each token above it (Abnar & Zuidema 2020).

    R_l = A'_l R_{l-1}, R_{-1} = I, A' = r I + (1 - r) A (see `with_residual`)

    Rows sum to one. It takes the maps for what moves: values, their projections and the feed-forward layers are not in it.
    Maps of contributions that hold the residual connection already (value zeroing, ALTI) take `residual` 0. Raises as
    `with_residual` does.
    """
    rolled, found = np.eye(maps.shape[1]), []
    for mixed in with_residual(maps, residual):
        rolled = mixed @ rolled
        found.append(rolled)
    return np.stack(found)


def receptive_field_corrected(
    rolled: Float[np.ndarray, "layer query key"],
    allowed: Bool[np.ndarray, "layer query key"],
    *,
    residual: float | int = RESIDUAL,
) -> Float64[np.ndarray, "layer query key"]:
    """Return a decoder's rollout divided by that of a model which attends to all allowed keys alike, rows rescaled to one.

    C_l[q, k] = (R_l[q, k] / U_l[q, k]) / sum_j (R_l[q, j] / U_l[q, j]), U the rollout of uniform attention

    Under a causal mask early tokens are in everything that follows, so rollout and flow lean to them; Abnar & Zuidema 2020
    (section 5) ask to normalise by the receptive field first and leave open how. Here uniform attention is what counts as none:
    it gives even rows. What lies outside of the receptive field stays 0.
    """
    uniform = attention_rollout(rows_to_one(allowed.astype(np.float64)), residual=residual)
    ratio = np.divide(rolled, uniform, out=np.zeros(rolled.shape), where=uniform > 0)
    return rows_to_one(ratio)


def translation_rollout(
    encoder: Float[np.ndarray, "encoder_layer source source"],
    decoder: Float[np.ndarray, "decoder_layer target target"],
    cross: Float[np.ndarray, "cross_layer target source"],
    *,
    residual: float | int = RESIDUAL,
) -> Float64[np.ndarray, "decoder_layer target input"]:
    """Return for every decoder layer how much of each input is in each target token: first the source tokens, then the target's.

    D <- A'_self D; D <- r D + (1 - r) [C E, 0], D = [0, I] at the start, E the encoder's rollout, C the cross-attention

    Rows sum to one: rollout (Abnar & Zuidema 2020) through both attentions of a block, in their usual order. Mass that
    cross-attention lacks to one stays at the token. Raises as `with_residual` does.
    """
    _check_layers(decoder, cross)
    sources, targets = cross.shape[2], cross.shape[1]
    reached = attention_rollout(encoder, residual=residual)[-1]
    rolled, found = np.concatenate([np.zeros((targets, sources)), np.eye(targets)], axis=1), []
    for own, looked in zip(with_residual(decoder, residual), _checked(cross), strict=True):
        rolled = own @ rolled
        given = (1 - residual) * looked
        rolled = (1 - given.sum(axis=1, keepdims=True)) * rolled
        rolled[:, :sources] += given @ reached
        found.append(rolled)
    return np.stack(found)


def _check_layers(decoder: np.ndarray, cross: np.ndarray) -> None:
    if len(decoder) != len(cross):
        raise HeadscopeError(
            f"The decoder has {len(decoder)} layers of self-attention and {len(cross)} of cross-attention: give as many of both."
        )


def _checked(maps: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Return float64 maps that are shares, rows of 1 + rounding scaled back to one."""
    maps = np.asarray(maps, dtype=np.float64)
    sums = maps.sum(axis=2, keepdims=True)
    if not (np.isfinite(maps).all() and (maps >= 0).all() and (sums <= 1 + _ROUNDING).all()):
        raise HeadscopeError("A map holds shares: numbers from 0 whose rows sum to at most 1. Rescale its rows first.")
    return maps / np.maximum(sums, 1)
