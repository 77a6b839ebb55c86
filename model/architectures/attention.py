"""Scaled dot-product attention in several heads, computed by whatever function transformers has under its name."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import Cache, EncoderDecoderCache, PreTrainedConfig
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from model.architectures.initialization import residual
from model.architectures.positions import rotated


def eager_attention_forward(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    dropout: float | int = 0.0,
    position_bias: Tensor | None = None,
    **_options: Any,
) -> tuple[Tensor, Tensor]:
    """Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V, with all weights written out (Vaswani et al. 2017, eq. 1).

    Returns the output [batch, query, head, d_head] and the weights [batch, head, query, key].
    """
    groups = module.num_key_value_groups
    key, value = (states.repeat_interleave(groups, dim=1) if groups > 1 else states for states in (key, value))
    scores = torch.matmul(query, key.transpose(-1, -2)) * scaling
    for added in (position_bias, attention_mask):
        scores = scores if added is None else scores + added
    weights = torch.softmax(scores.float(), dim=-1).to(value.dtype)
    weights = nn.functional.dropout(weights, dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


class MultiHeadAttention(nn.Module):
    """Section 3.2.2: MultiHead(Q, K, V) = Concat(head_1 ... head_h) W^O, head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V).

    With fewer `key_value_heads` than `heads`, groups of heads share their keys and values (Ainslie et al. 2023); with one,
    all do (Shazeer 2019). `causal` is the decoder's mask of section 3.2.3.
    """

    def __init__(self, config: PreTrainedConfig, layer: int, causal: bool):
        super().__init__()
        self.config, self.layer, self.is_causal = config, layer, causal
        self.d_head = config.d_model // config.heads
        self.num_key_value_groups = config.heads // config.key_value_heads
        self.scaling = self.d_head**-0.5
        self.query = nn.Linear(config.d_model, config.heads * self.d_head, bias=False)  # W^Q of all heads
        self.key = nn.Linear(config.d_model, config.key_value_heads * self.d_head, bias=False)  # W^K
        self.value = residual(nn.Linear(config.d_model, config.key_value_heads * self.d_head, bias=False))  # W^V
        self.output = residual(nn.Linear(config.heads * self.d_head, config.d_model, bias=False))  # W^O

    def forward(
        self,
        states: Float[Tensor, "batch query d_model"],
        memory: Float[Tensor, "batch key d_model"] | None = None,
        mask: Tensor | None = None,
        turn: tuple[Tensor, Tensor] | None = None,
        bias: Float[Tensor, "#batch head query key_all"] | None = None,
        cache: Cache | None = None,
    ) -> tuple[Float[Tensor, "batch query d_model"], Tensor | None]:
        """Return what the heads read, and their weights where the implementation gives them.

        `memory` is the encoder's output (cross-attention) or None (self-attention); `turn` are the cosine and sine of rotary
        positions, `bias` is added to the scores.
        """
        query = self._split(self.query(states))
        if turn is not None:
            query = rotated(query, *turn)
        key, value = self._keys_and_values(states if memory is None else memory, memory is not None, turn, cache)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention_forward)
        options = {} if bias is None else {"position_bias": bias.to(query.dtype)}
        read, weights = attend(self, query, key, value, mask, scaling=self.scaling, dropout=0.0, **options)
        return self.output(read.flatten(-2)), weights

    def _keys_and_values(self, read: Tensor, cross: bool, turn: Any, cache: Cache | None) -> tuple[Tensor, Tensor]:
        """Return keys and values, those of earlier steps from the cache; the encoder's are computed once for all steps."""
        if isinstance(cache, EncoderDecoderCache):
            if cross and cache.is_updated.get(self.layer):
                kept: Any = cache.cross_attention_cache.layers[self.layer]
                return kept.keys, kept.values
            if cross:
                cache.is_updated[self.layer] = True
            cache = cache.cross_attention_cache if cross else cache.self_attention_cache
        key, value = self._split(self.key(read)), self._split(self.value(read))
        if turn is not None:
            key = rotated(key, *turn)
        return (key, value) if cache is None else cache.update(key, value, self.layer)

    def _split(self, states: Tensor) -> Tensor:
        return states.unflatten(-1, (-1, self.d_head)).transpose(1, 2)  # [batch, head, position, d_head]
