"""Headscope's library: run a transformer once, then read the attention of every head exactly.

    from model import load_model, record
    trace = record(load_model("minilm"), "The animal didn't cross the street because it was too tired.")
    trace.attention(layer=3, head=1)          # float32 [query, key]

Axes, everywhere and in this order:

    layer     attention layers of a stack, counted from 0
    head      query heads of a layer, counted from 0
    query     rows: the token that looks
    key       columns: the token looked at
    position  tokens of a sequence, counted from 0
    d_model   width of the hidden states
    d_head    width of one head's queries and keys
    vocab     entries of the tokenizer
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Imported on first use: torch and transformers take seconds, and a page should stand before that.
_EXPORTS = {
    "load_model": "model.loading",
    "wrap": "model.loading",
    "LoadedModel": "model.loading",
    "record": "model.recording",
    "record_generation": "model.generation",
    "read_npz": "model.importing",
    "trace_from_arrays": "model.importing",
    "trace_from_transformers": "model.importing",
    "trace_from_transformer_lens": "model.importing",
    "Trace": "model.trace",
    "Token": "model.tokens",
    "HeadscopeError": "model.errors",
}
__all__ = [
    "HeadscopeError",
    "LoadedModel",
    "Token",
    "Trace",
    "__version__",
    "load_model",
    "read_npz",
    "record",
    "record_generation",
    "trace_from_arrays",
    "trace_from_transformer_lens",
    "trace_from_transformers",
    "wrap",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'model' has no attribute {name!r}")
    value = getattr(import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value
