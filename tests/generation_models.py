"""Tiny models that generate, prompts for them, and copies with settings of their own."""

from copy import deepcopy
from functools import cache

import torch
import transformers as t

from model import wrap
from tests.tiny_models import VOCABULARY, tiny, tiny_inputs
from tests.tiny_tokenizers import trained

DECODERS = ("gpt2", "gpt_neox", "opt", "llama", "mistral", "gemma2", "qwen3", "gpt_oss", "bloom")
ENCODER_DECODERS = ("bart", "marian", "t5")


@cache
def generator(name: str):
    """Return the tiny model of a family; T5 with as many layers in its decoder as in its encoder."""
    if name != "t5":
        return tiny(name)
    # transformers 5.23 cannot generate with a T5 whose decoder is deeper than its encoder.
    torch.manual_seed(0)
    return t.T5ForConditionalGeneration(
        t.T5Config(
            vocab_size=VOCABULARY, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, pad_token_id=0, eos_token_id=2,
            decoder_start_token_id=0, relative_attention_num_buckets=8,
        )
    ).eval()  # fmt: skip


def prompt_of(name: str, padding: str = "none", length: int = 11) -> dict[str, torch.Tensor]:
    """Return prompt tensors without anything for a decoder."""
    inputs = tiny_inputs(name, padding, length)
    return {field: inputs[field] for field in ("input_ids", "attention_mask")}


def with_settings(name: str, **settings):
    """Return a copy of a tiny model whose generation settings are others."""
    model = deepcopy(generator(name))
    for field, value in settings.items():
        setattr(model.generation_config, field, value)
    return model


@cache
def writer(kind: str):
    """Return a LoadedModel of a tiny GPT-2 with room for every entry of this tokenizer and 64 positions."""
    tokenizer = trained(kind)
    torch.manual_seed(0)
    config = t.GPT2Config(
        vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2, n_positions=64, eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )  # fmt: skip
    return wrap(t.GPT2LMHeadModel(config).eval(), tokenizer)


def ids_of(generation) -> list[int]:
    """Return the ids of the new tokens."""
    return [step.token.id for step in generation.steps]
