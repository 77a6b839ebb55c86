"""RNNsearch (Bahdanau et al. 2014): a recurrent encoder and decoder with attention between them, the Transformer's elder."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import Cache, DynamicCache, EncoderDecoderCache, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput

from model.architectures.configuration import RecurrentSearchConfig
from model.architectures.dropout import Dropout
from model.architectures.initialization import initialize
from model.architectures.recurrent_decoders import GlobalDecoder, SearchDecoder, State


class RecurrentEncoder(nn.Module):
    """Bahdanau et al. 2014, section 3.2 and appendix A.2.1: annotations h_j = [forward state; backward state]."""

    main_input_name = "input_ids"

    def __init__(self, config: RecurrentSearchConfig):
        super().__init__()
        self.embedding = nn.Embedding(config.vocab_size, config.d_embedding)
        self.dropout = Dropout(config.dropout)
        recurrent = nn.LSTM if config.cell == "lstm" else nn.GRU
        self.recurrent = recurrent(config.d_embedding, config.d_direction, batch_first=True, bidirectional=True)

    def forward(
        self, input_ids: Int[Tensor, "batch source"], attention_mask: Tensor | None = None, **_options: Any
    ) -> BaseModelOutput:
        """Return the annotations [batch, source, 2 * d_direction]; those of padding, on the right, are zero."""
        embedded = self.dropout(self.embedding(input_ids))
        if attention_mask is None or bool(attention_mask.all()):
            return BaseModelOutput(last_hidden_state=self.recurrent(embedded)[0])
        lengths = attention_mask.sum(dim=1).cpu()
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        annotations, _ = pad_packed_sequence(self.recurrent(packed)[0], True, total_length=input_ids.shape[1])
        return BaseModelOutput(last_hidden_state=annotations)


class RecurrentSearch(PreTrainedModel, GenerationMixin):
    """Bahdanau et al. 2014, section 3: encoder, decoder with attention, and the map to the logits of the next token.

    With attention "dot" or "general" the decoder is that of Luong et al. 2015. With tied weights one matrix serves both
    embeddings and the map to the logits, which is not in the paper.
    """

    config_class = RecurrentSearchConfig
    config: RecurrentSearchConfig
    _tied_weights_keys = {  # noqa: RUF012 (transformers' own protocol)
        "embedding.weight": "encoder.embedding.weight", "output.weight": "encoder.embedding.weight",
    }  # fmt: skip

    def __init__(self, config: RecurrentSearchConfig):
        super().__init__(config)
        self.encoder = RecurrentEncoder(config)
        self.embedding, self.dropout = nn.Embedding(config.vocab_size, config.d_embedding), Dropout(config.dropout)
        self.begin = nn.Linear(config.d_direction, config.d_hidden, bias=False)  # W_s
        self.decoder = (SearchDecoder if config.attention == "additive" else GlobalDecoder)(config)
        self.output = nn.Linear(config.d_output, config.vocab_size, bias=False)  # W_o
        self.post_init()

    @classmethod
    def _can_set_attn_implementation(cls) -> bool:
        # Its alignment is no scaled dot product: the weights come from the model itself.
        return False

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        initialize(module, self.config.d_embedding)

    def get_encoder(self, *_args: Any, **_options: Any) -> nn.Module:
        return self.encoder

    def get_input_embeddings(self) -> nn.Module:
        return self.encoder.embedding

    def get_output_embeddings(self) -> nn.Module:
        return self.output

    def forward(
        self,
        input_ids: Int[Tensor, "batch source"] | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Int[Tensor, "batch target"] | None = None,
        encoder_outputs: BaseModelOutput | tuple[Any, ...] | None = None,
        past_key_values: Any = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        **_options: Any,
    ) -> Seq2SeqLMOutput:
        """Return the logits [batch, target, vocab] and, where asked for, the alignment as cross-attention of one head."""
        if encoder_outputs is None:
            encoder_outputs = self.encoder(input_ids, attention_mask)
        annotations = encoder_outputs[0]
        if use_cache and past_key_values is None:
            past_key_values = EncoderDecoderCache(DynamicCache(config=self.config), DynamicCache(config=self.config))
        states = getattr(past_key_values, "self_attention_cache", past_key_values)
        state = _last_state(states) if states is not None and _steps(states) else self._first_state(annotations)
        embedded = self.dropout(self.embedding(decoder_input_ids))
        read, alignment, after = self.decoder(embedded, state, annotations, attention_mask)
        if states is not None:
            # States stand where a Transformer keeps keys, so that beams are reordered alike; only the last is read again.
            hidden, memory = (torch.stack(side, dim=1)[:, None] for side in zip(*after, strict=True))
            states.update(hidden, memory, 0)
        return Seq2SeqLMOutput(
            logits=self.output(self.dropout(read)),
            past_key_values=past_key_values,
            cross_attentions=(alignment[:, None],) if output_attentions else None,
            encoder_last_hidden_state=annotations,
        )

    def _first_state(self, annotations: Float[Tensor, "batch source annotation"]) -> State:
        """Return s_0 = tanh(W_s h_1), h_1 the backward state of the first token (appendix A.2.2); an LSTM's memory is zero."""
        hidden = torch.tanh(self.begin(annotations[:, 0, self.config.d_direction :]))
        return hidden, torch.zeros_like(hidden)


def _steps(cache: Cache | None) -> int:
    return 0 if cache is None else cache.get_seq_length()


def _last_state(cache: Cache) -> State:
    kept: Any = cache.layers[0]
    return kept.keys[:, 0, -1], kept.values[:, 0, -1]
