"""The Transformer of "Attention Is All You Need" (Vaswani et al. 2017), to be read beside the paper."""

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn
from transformers import Cache, DynamicCache, EncoderDecoderCache, GenerationMixin, PreTrainedModel
from transformers.masking_utils import create_bidirectional_mask, create_causal_mask
from transformers.modeling_outputs import (
    BaseModelOutput,
    BaseModelOutputWithPastAndCrossAttentions,
    Seq2SeqLMOutput,
)

from model.architectures.blocks import DecoderBlock, Embedding, EncoderBlock, position_options
from model.architectures.configuration import TransformerConfig
from model.architectures.initialization import initialize


class Encoder(nn.Module):
    """Section 3.1, figure 1, left: the embedding and N blocks; with norm "pre" a last normalisation."""

    main_input_name = "input_ids"

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.config = config
        self.embedding = Embedding(config)
        self.blocks = nn.ModuleList(EncoderBlock(config, layer) for layer in range(config.encoder_layers))
        self.norm = nn.LayerNorm(config.d_model) if config.norm == "pre" else nn.Identity()

    def forward(
        self, input_ids: Int[Tensor, "batch source"], attention_mask: Tensor | None = None,
        output_attentions: bool | None = None, output_hidden_states: bool | None = None, return_dict: bool | None = None,
    ) -> BaseModelOutput:  # fmt: skip
        """Return what the decoder reads, and on request the weights and the stream of every block."""
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
        states = self.embedding(input_ids, positions)
        mask = create_bidirectional_mask(config=self.config, inputs_embeds=states, attention_mask=attention_mask)
        options = position_options(self.config, positions, positions)
        weights, streams = [], [states]
        for block in self.blocks:
            states, attended = block(states, mask, options)
            weights.append(attended)
            streams.append(states)
        return BaseModelOutput(
            last_hidden_state=self.norm(states),
            attentions=tuple(weights) if output_attentions else None,
            hidden_states=tuple(streams) if output_hidden_states else None,
        )


class Decoder(nn.Module):
    """Section 3.1, figure 1, right: the embedding and N blocks; with norm "pre" a last normalisation."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.config = config
        self.embedding = Embedding(config)
        self.blocks = nn.ModuleList(DecoderBlock(config, layer) for layer in range(config.decoder_layers))
        self.norm = nn.LayerNorm(config.d_model) if config.norm == "pre" else nn.Identity()

    def forward(
        self, input_ids: Int[Tensor, "batch target"], memory: Tensor, attention_mask: Tensor | None = None,
        memory_mask: Tensor | None = None, past_key_values: Cache | None = None,
        output_attentions: bool | None = None, output_hidden_states: bool | None = None,
    ) -> BaseModelOutputWithPastAndCrossAttentions:  # fmt: skip
        """Return the stream that predicts the next tokens; `memory` is the encoder's output."""
        begun = 0 if past_key_values is None else past_key_values.get_seq_length()
        keys = torch.arange(begun + input_ids.shape[1], device=input_ids.device)[None]
        states = self.embedding(input_ids, keys[:, begun:])
        own_cache = getattr(past_key_values, "self_attention_cache", past_key_values)
        mask = create_causal_mask(
            config=self.config, inputs_embeds=states, attention_mask=attention_mask, past_key_values=own_cache
        )
        cross_mask = create_bidirectional_mask(
            config=self.config, inputs_embeds=states, attention_mask=memory_mask, encoder_hidden_states=memory
        )
        options = position_options(self.config, keys[:, begun:], keys)
        own, cross, streams = [], [], [states]
        for block in self.blocks:
            states, *attended = block(states, memory, mask, cross_mask, options, past_key_values)
            own.append(attended[0])
            cross.append(attended[1])
            streams.append(states)
        return BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=self.norm(states),
            past_key_values=past_key_values,
            attentions=tuple(own) if output_attentions else None,
            cross_attentions=tuple(cross) if output_attentions else None,
            hidden_states=tuple(streams) if output_hidden_states else None,
        )


class Transformer(PreTrainedModel, GenerationMixin):
    """Section 3, figure 1: encoder, decoder and the linear map to the logits of the next token.

    Section 3.4: one matrix serves both embeddings and the map to the logits.
    """

    config_class = TransformerConfig
    config: TransformerConfig
    _tied_weights_keys = {  # noqa: RUF012 (transformers' own protocol)
        "decoder.embedding.weight": "encoder.embedding.weight", "output.weight": "encoder.embedding.weight",
    }  # fmt: skip
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def __init__(self, config: TransformerConfig):
        super().__init__(config)
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.output = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        initialize(module, self.config.d_model)

    def get_encoder(self, *_args: Any, **_options: Any) -> nn.Module:
        return self.encoder

    def get_decoder(self) -> nn.Module:
        return self.decoder

    def get_input_embeddings(self) -> nn.Module:
        return self.encoder.embedding

    def get_output_embeddings(self) -> nn.Module:
        return self.output

    def forward(
        self,
        input_ids: Int[Tensor, "batch source"] | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Int[Tensor, "batch target"] | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: Any = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **_options: Any,
    ) -> Seq2SeqLMOutput:
        """Return the logits [batch, target, vocab] of the token after each of `decoder_input_ids`.

        Masks are 1 for tokens and 0 for padding; `encoder_outputs` and `past_key_values` are what earlier steps left.
        """
        wanted = {"output_attentions": output_attentions, "output_hidden_states": output_hidden_states}
        if encoder_outputs is None:
            encoder_outputs = self.encoder(input_ids, attention_mask, **wanted)
        elif not isinstance(encoder_outputs, BaseModelOutput):
            encoder_outputs = BaseModelOutput(*encoder_outputs)
        if use_cache and past_key_values is None:
            past_key_values = EncoderDecoderCache(DynamicCache(config=self.config), DynamicCache(config=self.config))
        decoded = self.decoder(
            decoder_input_ids, encoder_outputs.last_hidden_state, decoder_attention_mask, attention_mask,
            past_key_values, **wanted,
        )  # fmt: skip
        return Seq2SeqLMOutput(
            logits=self.output(decoded.last_hidden_state),
            past_key_values=decoded.past_key_values,
            decoder_hidden_states=decoded.hidden_states,
            decoder_attentions=decoded.attentions,
            cross_attentions=decoded.cross_attentions,
            encoder_last_hidden_state=encoder_outputs.last_hidden_state,
            encoder_hidden_states=encoder_outputs.hidden_states,
            encoder_attentions=encoder_outputs.attentions,
        )
