"""The models that we train: their sizes and how, as plain data."""

from collections.abc import Callable
from dataclasses import dataclass, field

from transformers import PreTrainedConfig

from model.architectures import RecurrentSearchConfig, SmallDecoderConfig, TransformerConfig


@dataclass(frozen=True)
class TrainedModel:
    """One architecture at one size; the learning rate follows Noam's schedule with these values."""

    config: Callable[..., PreTrainedConfig]
    sizes: dict[str, int | float | str | bool] = field(default_factory=dict)
    vocabulary: int = 4000
    epochs: int = 100
    batch_tokens: int = 4096
    warmup: int = 800
    factor: float = 0.64
    clip: float = 0.0
    repeated: float = 0.0
    drill: int = 0


# The Tiny size of Wu et al. 2021. The recurrent model has about as many weights: it shares its matrices in the same way.
TRANSLATORS = {
    "transformer-tiny": TrainedModel(
        TransformerConfig, dict(d_model=128, d_ff=256, heads=4, encoder_layers=4, decoder_layers=4, dropout=0.3),
        warmup=800, factor=0.64, clip=1.0,
    ),
    "recurrent-search": TrainedModel(
        RecurrentSearchConfig,
        dict(
            d_embedding=128, d_hidden=256, d_alignment=256, d_output=128, dropout=0.3, tie_word_embeddings=True,
        ),
        warmup=500, factor=0.75, clip=1.0,
    ),
}  # fmt: skip

DECODERS = {
    "small-decoder": TrainedModel(
        SmallDecoderConfig,
        dict(d_model=256, d_ff=1024, heads=4, layers=4, dropout=0.0, positions="rotary", max_position_embeddings=256),
        epochs=3, batch_tokens=2048, warmup=500, factor=0.7, clip=1.0, repeated=0.15, drill=600,
    ),
    # Trained once for each kind of position (--positions), on short windows, to be read far past them.
    "position-study": TrainedModel(
        SmallDecoderConfig, dict(d_model=128, d_ff=512, heads=4, layers=3, dropout=0.0, max_position_embeddings=64),
        vocabulary=2000, epochs=2, batch_tokens=2048, warmup=400, clip=1.0,
    ),
}  # fmt: skip
