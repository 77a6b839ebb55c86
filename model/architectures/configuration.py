"""The sizes and options of our own architectures, as transformers configs: what config.json holds."""

from transformers import PreTrainedConfig

from model.architectures.positions import POSITIONS
from model.errors import HeadscopeError

NORMS = ("post", "pre")


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

    def __post_init__(self, **kwargs):
        self.key_value_heads = self.heads if self.key_value_heads is None else self.key_value_heads
        check_sizes(self)
        super().__post_init__(**kwargs)


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
