"""What attention moves, up to one of three places in the block: after attention, the residual connection, or the layer norm."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from model.errors import HeadscopeError
from model.value_projection import BLOCK, ValueMixing, row_blocks

# Attn, AttnRes and AttnResLn of Kobayashi et al. 2021.
FORMS = ("attention", "residual", "layer norm")


@dataclass(frozen=True, eq=False)
class MixedVectors:
    """The vectors that make up each position's state in a form; T[q, k] is what comes from key k.

    T[q, k] = linear(sum_h weight[h, q, k] f_h(x_k)) / deviation[q] + [q = k] kept[q],   whole[q] = sum_k T[q, k]

    `whole` + `constant` is `output`, the tensor of the model itself: `constant` is what biases add, which comes from no token.
    In cross-attention `kept`, the target's own residual, is of no key: whole[q] = sum_k T[q, k] + kept[q].
    """

    mixing: ValueMixing
    linear: Callable[[Tensor], Tensor]
    deviation: Float[Tensor, " query"]
    kept: Float[Tensor, "query d_model"] | None
    whole: Float[Tensor, "query d_model"]
    constant: Float[Tensor, "query d_model"]
    output: Float[Tensor, "query d_model"]

    @property
    def is_cross(self) -> bool:
        """Whether the keys are of another sequence than the queries."""
        return self.mixing.layer.stack == "cross"

    def moved(self, keys: slice = slice(None)) -> Float[Tensor, "head key d_model"]:
        """Return linear(f_h(x_k)) of some keys, still to be divided by the deviation of a query."""
        return self.linear(self.mixing.moved_vectors(keys))

    def key_blocks(self, rows: int = 1) -> list[slice]:
        """Return the keys in blocks of which `rows` times as many vectors of every head fit in memory at once."""
        heads, _, keys = self.mixing.layer.shape
        size = max(1, BLOCK // (max(heads, rows) * self.whole.shape[1]))
        return [slice(start, min(start + size, keys)) for start in range(0, keys, size)]

    def own(self) -> Float[Tensor, "query d_model"]:
        """Return T[q, q] with what is kept: what of a position's state comes from the position itself."""
        own = torch.zeros_like(self.whole)
        for rows in [] if self.is_cross else row_blocks(self.mixing.layer):
            weights = self.mixing.layer.weights(rows=rows)[:, range(len(rows)), rows]
            keys = slice(rows[0], rows[-1] + 1)
            own[keys] = torch.einsum("hq,hqd->qd", weights, self.moved(keys)) / self.deviation[keys, None]
        return own if self.kept is None else own + self.kept


def form_refusal(mixing: ValueMixing, form: str) -> str | None:
    """Return the sentence that says why a layer has no such form; None where it has. Raises HeadscopeError for other names."""
    if form not in FORMS:
        raise HeadscopeError(f"There is no form “{form}”. Choose {', '.join(FORMS[:-1])} or {FORMS[-1]}.")
    place = f"{mixing.layer.stack} layer {mixing.layer.index}"
    if form != "attention" and mixing.added is None:
        return (
            f"What the output of {place} is added to was not found: the block scales or changes it first. Choose the form "
            "“attention”."
        )
    if form == "layer norm" and (mixing.added is None or mixing.added.norm_after is None):
        return (
            f"The residual stream of {place} goes on without a layer norm: this model normalises before attention, not after. "
            "Choose the form “residual”."
        )
    return None


def fullest_form(mixing: ValueMixing) -> str:
    """Return the last form of FORMS that a layer has."""
    return next(form for form in reversed(FORMS) if form_refusal(mixing, form) is None)


def mixed_vectors(mixing: ValueMixing, form: str = "attention") -> MixedVectors:
    """Return the MixedVectors of a layer in a form.

    attention:   T[q, k] = sum_h weight[h, q, k] f_h(x_k)                     (Kobayashi et al. 2020)
    residual:    the same + [q = k] x_q                                       (AttnRes, Kobayashi et al. 2021)
    layer norm:  weight * (T - mean(T)) / std(residual sum), T of "residual"  (AttnResLn, Kobayashi et al. 2021)

    Where the model scales the output of attention (Granite) or normalises it (Gemma 2) before it adds it, so do the last two.
    Raises HeadscopeError where the layer has no such form.
    """
    refusal = form_refusal(mixing, form)
    if refusal is not None:
        raise HeadscopeError(refusal)
    mixed = mixing.mixed_output()
    constant = torch.zeros_like(mixed) if mixing.bias is None else mixing.bias.float().expand_as(mixed)
    linear: Callable[[Tensor], Tensor] = _unchanged
    kept: Tensor | None = None
    deviation, output = torch.ones_like(mixed[:, 0]), mixing.output
    added = None if form == "attention" else mixing.added
    if added is not None:
        norm, after = added.norm_before, added.norm_after
        kept, output = added.residual, added.total
        deviation, constant = deviation / added.scale, constant * added.scale
        if norm is not None:
            linear, deviation, constant = norm.linear, norm.deviation, norm.output(constant)
        if form == "layer norm" and after is not None:
            linear, deviation = _after(linear, after.linear), deviation * after.deviation
            kept, constant, output = after.without_bias(kept), after.output(constant), after.output(output)
    whole = linear(mixed) / deviation[:, None] + (0 if kept is None else kept)
    return MixedVectors(mixing, linear, deviation, kept, whole, constant, output)


def _unchanged(vectors: Tensor) -> Tensor:
    return vectors


def _after(first: Callable[[Tensor], Tensor], second: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda vectors: second(first(vectors))
