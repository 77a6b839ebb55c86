"""What both stacks are made of: embedding with positions, feed-forward network, residual connection, and the two blocks."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import Cache, PreTrainedConfig

from model.architectures.attention import MultiHeadAttention
from model.architectures.dropout import Dropout
from model.architectures.initialization import residual
from model.architectures.positions import alibi_bias, rotation, sinusoids


class Embedding(nn.Embedding):
    """Section 3.4: token embeddings multiplied by sqrt(d_model); section 3.5: plus position encodings; then dropout (5.4).

    Learned positions (Gehring et al. 2017) are added too; rotary and ALiBi positions act in the attention instead.
    """

    def __init__(self, config: PreTrainedConfig):
        super().__init__(config.vocab_size, config.d_model)
        self.kind, self.dropout = config.positions, Dropout(config.dropout)
        if self.kind == "learned":
            self.positions = nn.Embedding(config.max_position_embeddings, config.d_model)

    def forward(  # type: ignore[override]  # torch looks up one tensor, this one knows where it stands
        self, ids: Int[Tensor, "batch position"], positions: Int[Tensor, "#batch position"]
    ) -> Float[Tensor, "batch position d_model"]:
        """Return the input of the first block."""
        states = super().forward(ids) * self.embedding_dim**0.5
        if self.kind == "sinusoidal":
            states = states + sinusoids(positions, self.embedding_dim).to(states.dtype)
        elif self.kind == "learned":
            states = states + self.positions(positions)
        return self.dropout(states)


def position_options(
    config: PreTrainedConfig, queries: Int[Tensor, "#batch query"], keys: Int[Tensor, "#batch key"]
) -> dict[str, Tensor | tuple[Tensor, Tensor]]:
    """Return what self-attention needs of the positions: `turn` for rotary, `bias` for ALiBi, else nothing."""
    if config.positions == "rotary":
        return {"turn": rotation(queries, config.d_model // config.heads)}
    if config.positions == "alibi":
        return {"bias": alibi_bias(queries, keys, config.heads)}
    return {}


class FeedForward(nn.Module):
    """Section 3.3, equation 2: FFN(x) = max(0, x W_1 + b_1) W_2 + b_2, at every position alike."""

    def __init__(self, config: PreTrainedConfig):
        super().__init__()
        self.inner = residual(nn.Linear(config.d_model, config.d_ff))
        self.outer = residual(nn.Linear(config.d_ff, config.d_model))

    def forward(self, states: Float[Tensor, "batch position d_model"]) -> Float[Tensor, "batch position d_model"]:
        """Return FFN(x)."""
        return self.outer(torch.relu(self.inner(states)))


class Residual(nn.Module):
    """Sections 3.1 and 5.4: LayerNorm(x + Dropout(Sublayer(x))), or x + Dropout(Sublayer(LayerNorm(x))) with norm "pre"."""

    def __init__(self, config: PreTrainedConfig):
        super().__init__()
        self.norm, self.dropout = nn.LayerNorm(config.d_model), Dropout(config.dropout)
        self.first = config.norm == "pre"

    def entering(self, states: Float[Tensor, "batch position d_model"]) -> Float[Tensor, "batch position d_model"]:
        """Return what the sub-layer is given."""
        return self.norm(states) if self.first else states

    def leaving(
        self, states: Float[Tensor, "batch position d_model"], changed: Float[Tensor, "batch position d_model"]
    ) -> Float[Tensor, "batch position d_model"]:
        """Return the stream after the sub-layer."""
        # Numbers of two precisions are added more slowly than those of one.
        states = states + self.dropout(changed).to(states.dtype)
        return states if self.first else self.norm(states)


class EncoderBlock(nn.Module):
    """Section 3.1, encoder (figure 1, left): self-attention, then the feed-forward network; without `causal` no mask.

    With `causal` it is the block of a decoder-only model (Radford et al. 2018).
    """

    def __init__(self, config: PreTrainedConfig, layer: int, causal: bool = False):
        super().__init__()
        self.self_attention = MultiHeadAttention(config, layer, causal=causal)
        self.feed_forward = FeedForward(config)
        self.after_self_attention, self.after_feed_forward = Residual(config), Residual(config)

    def forward(
        self, states: Float[Tensor, "batch position d_model"], mask: Tensor | None, positions: dict[str, Any],
        cache: Cache | None = None,
    ) -> tuple[Float[Tensor, "batch position d_model"], Tensor | None]:  # fmt: skip
        """Return the stream after the block and the weights of its heads."""
        read, weights = self.self_attention(
            self.after_self_attention.entering(states), mask=mask, cache=cache, **positions
        )
        states = self.after_self_attention.leaving(states, read)
        changed = self.feed_forward(self.after_feed_forward.entering(states))
        return self.after_feed_forward.leaving(states, changed), weights


class DecoderBlock(nn.Module):
    """Section 3.1, decoder (figure 1, right): masked self-attention, attention to the encoder's output, feed-forward."""

    def __init__(self, config: PreTrainedConfig, layer: int):
        super().__init__()
        self.self_attention = MultiHeadAttention(config, layer, causal=True)
        self.cross_attention = MultiHeadAttention(config, layer, causal=False)
        self.feed_forward = FeedForward(config)
        self.after_self_attention, self.after_cross_attention = Residual(config), Residual(config)
        self.after_feed_forward = Residual(config)

    def forward(
        self, states: Float[Tensor, "batch position d_model"], memory: Float[Tensor, "batch source d_model"],
        mask: Tensor | None, memory_mask: Tensor | None, positions: dict[str, Any], cache: Cache | None = None,
    ) -> tuple[Float[Tensor, "batch position d_model"], Tensor | None, Tensor | None]:  # fmt: skip
        """Return the stream after the block, and the weights of self-attention and of cross-attention."""
        read, own = self.self_attention(self.after_self_attention.entering(states), mask=mask, cache=cache, **positions)
        states = self.after_self_attention.leaving(states, read)
        entering = self.after_cross_attention.entering(states)
        read, cross = self.cross_attention(entering, memory=memory, mask=memory_mask, cache=cache)
        states = self.after_cross_attention.leaving(states, read)
        changed = self.feed_forward(self.after_feed_forward.entering(states))
        return self.after_feed_forward.leaving(states, changed), own, cross
