"""A small decoder-only language model (Radford et al. 2018) made of the Transformer's own blocks."""

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn
from transformers import Cache, DynamicCache, GenerationMixin, PreTrainedModel
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import CausalLMOutputWithPast

from model.architectures.blocks import Embedding, EncoderBlock, position_options
from model.architectures.configuration import SmallDecoderConfig
from model.architectures.initialization import initialize


class SmallDecoder(PreTrainedModel, GenerationMixin):
    """Embedding, N causal blocks of self-attention and feed-forward network, and the map to the logits.

    The embedding's matrix serves the logits too (Press & Wolf 2017); with norm "pre" a last normalisation precedes them.
    """

    config_class = SmallDecoderConfig
    config: SmallDecoderConfig
    _tied_weights_keys = {"output.weight": "embedding.weight"}  # noqa: RUF012 (transformers' own protocol)
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def __init__(self, config: SmallDecoderConfig):
        super().__init__(config)
        self.embedding = Embedding(config)
        self.blocks = nn.ModuleList(EncoderBlock(config, layer, causal=True) for layer in range(config.layers))
        self.norm = nn.LayerNorm(config.d_model) if config.norm == "pre" else nn.Identity()
        self.output = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        initialize(module, self.config.d_model)

    def get_input_embeddings(self) -> nn.Module:
        return self.embedding

    def get_output_embeddings(self) -> nn.Module:
        return self.output

    def forward(
        self,
        input_ids: Int[Tensor, "batch position"],
        attention_mask: Tensor | None = None,
        position_ids: Int[Tensor, "#batch position"] | None = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **_options: Any,
    ) -> CausalLMOutputWithPast:
        """Return the logits [batch, position, vocab] of the token after each; `attention_mask` is 0 for padding."""
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        begun = 0 if past_key_values is None else past_key_values.get_seq_length()
        keys = torch.arange(begun + input_ids.shape[1], device=input_ids.device)[None]
        positions = keys[:, begun:] if position_ids is None else position_ids
        states = self.embedding(input_ids, positions)
        mask = create_causal_mask(
            config=self.config, inputs_embeds=states, attention_mask=attention_mask, past_key_values=past_key_values
        )
        # Distances are the same wherever a padded sequence begins.
        options = position_options(self.config, keys[:, begun:], keys)
        weights, streams = [], [states]
        for block in self.blocks:
            states, attended = block(states, mask, options, past_key_values)
            weights.append(attended)
            streams.append(states)
        return CausalLMOutputWithPast(
            logits=self.output(self.norm(states)),
            past_key_values=past_key_values,
            attentions=tuple(weights) if output_attentions else None,
            hidden_states=tuple(streams) if output_hidden_states else None,
        )
