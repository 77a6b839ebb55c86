"""The sizes and options of our own architectures, as transformers configs: what config.json holds."""

from typing import Any, no_type_check

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from model.architectures.positions import POSITIONS
from model.errors import HeadscopeError

NORMS = ("post", "pre")
ALIGNMENTS = ("additive", "dot", "general")
CELLS = ("gru", "lstm")


@no_type_check  # transformers writes the initialiser; `strict` checks the types of the fields.
@strict
class TransformerConfig(PreTrainedConfig):
    """Sizes of the encoder-decoder of Vaswani et al. 2017; the defaults are its base model (table 3).

    `positions` is one of POSITIONS; `key_value_heads` (None: as many as `heads`) groups the heads; `norm` says whether
    normalisation follows the residual connection ("post", as in the paper) or comes before the sub-layer ("pre").
    Raises HeadscopeError where the sizes do not go together.
    """

    model_type = "headscope_transformer"
    keys_to_ignore_at_inference = ["past_key_values"]  # noqa: RUF012 (transformers' own protocol)
    attribute_map = {  # noqa: RUF012
        "hidden_size": "d_model", "num_attention_heads": "heads", "num_key_value_heads": "key_value_heads",
        "num_hidden_layers": "decoder_layers",
    }  # fmt: skip

    vocab_size: int = 37000
    d_model: int = 512
    d_ff: int = 2048
    heads: int = 8
    key_value_heads: int | None = None
    encoder_layers: int = 6
    decoder_layers: int = 6
    dropout: float | int = 0.1
    positions: str = "sinusoidal"
    norm: str = "post"
    max_position_embeddings: int = 512
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    decoder_start_token_id: int | None = 1
    is_encoder_decoder: bool = True
    tie_word_embeddings: bool = True
    use_cache: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        self.key_value_heads = self.heads if self.key_value_heads is None else self.key_value_heads
        check_sizes(self)
        super().__post_init__(**kwargs)


@no_type_check  # transformers writes the initialiser; `strict` checks the types of the fields.
@strict
class SmallDecoderConfig(PreTrainedConfig):
    """Sizes of a decoder-only language model made of the Transformer's blocks; options as in TransformerConfig.

    Raises HeadscopeError where the sizes do not go together.
    """

    model_type = "headscope_small_decoder"
    keys_to_ignore_at_inference = ["past_key_values"]  # noqa: RUF012
    attribute_map = {  # noqa: RUF012
        "hidden_size": "d_model", "num_attention_heads": "heads", "num_key_value_heads": "key_value_heads",
        "num_hidden_layers": "layers",
    }  # fmt: skip

    vocab_size: int = 4000
    d_model: int = 192
    d_ff: int = 768
    heads: int = 6
    key_value_heads: int | None = None
    layers: int = 4
    dropout: float | int = 0.1
    positions: str = "learned"
    norm: str = "pre"
    max_position_embeddings: int = 256
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    tie_word_embeddings: bool = True
    use_cache: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        self.key_value_heads = self.heads if self.key_value_heads is None else self.key_value_heads
        check_sizes(self)
        super().__post_init__(**kwargs)


@no_type_check  # transformers writes the initialiser; `strict` checks the types of the fields.
@strict
class RecurrentSearchConfig(PreTrainedConfig):
    """Sizes of the recurrent encoder-decoder with attention of Bahdanau et al. 2014, whose own are the defaults.

    `attention` is one of ALIGNMENTS (additive: Bahdanau; dot, general: Luong et al. 2015), `cell` one of CELLS; a dot product
    needs annotations as wide as the decoder's state, so there each direction of the encoder has half of `d_hidden`.
    Raises HeadscopeError where an option is not one of these or the sizes do not go together.
    """

    model_type = "headscope_recurrent_search"
    keys_to_ignore_at_inference = ["past_key_values"]  # noqa: RUF012
    attribute_map = {"hidden_size": "d_hidden"}  # noqa: RUF012

    vocab_size: int = 30000
    d_embedding: int = 620
    d_hidden: int = 1000
    d_alignment: int = 1000
    d_output: int = 500
    attention: str = "additive"
    cell: str = "gru"
    dropout: float | int = 0.0
    max_position_embeddings: int = 512
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    decoder_start_token_id: int | None = 1
    is_encoder_decoder: bool = True
    tie_word_embeddings: bool = False
    use_cache: bool = True
    num_hidden_layers: int = 1

    def __post_init__(self, **kwargs: Any) -> None:
        if self.attention not in ALIGNMENTS or self.cell not in CELLS:
            raise HeadscopeError(
                f"The attention is one of {', '.join(ALIGNMENTS)} and the cell one of {', '.join(CELLS)}, not "
                f"“{self.attention}” and “{self.cell}”."
            )
        if self.tie_word_embeddings and self.d_output != self.d_embedding:
            raise HeadscopeError("One matrix for embeddings and output needs d_output and d_embedding to be equal.")
        if self.attention == "dot" and self.d_hidden % 2:
            raise HeadscopeError(
                f"Give an even d_hidden ({self.d_hidden}): with a dot product each direction has half."
            )
        super().__post_init__(**kwargs)

    @property
    def d_direction(self) -> int:
        """Width of the encoder's state in each direction."""
        return self.d_hidden // 2 if self.attention == "dot" else self.d_hidden


def check_sizes(config: PreTrainedConfig) -> None:
    """Raise HeadscopeError where the sizes of a config do not go together."""
    if config.positions not in POSITIONS:
        raise HeadscopeError(f"The positions are one of {', '.join(POSITIONS)}, not “{config.positions}”.")
    if config.norm not in NORMS:
        raise HeadscopeError(f"The norm is one of {', '.join(NORMS)}, not “{config.norm}”.")
    if config.heads < 1 or config.d_model % config.heads:
        raise HeadscopeError(f"Give a d_model ({config.d_model}) that the {config.heads} heads divide evenly.")
    if config.key_value_heads < 1 or config.heads % config.key_value_heads:
        raise HeadscopeError(f"Give key_value_heads ({config.key_value_heads}) that divide the {config.heads} heads.")
    if config.d_model % 2 or (config.positions == "rotary" and config.d_model // config.heads % 2):
        raise HeadscopeError("Sinusoidal and rotary positions come in pairs: give an even d_model and d_head.")
