"""Tiny models with tokenizers, one for every task that the effects of heads are measured by."""

import copy
from functools import cache

import torch
import transformers as t

from model import wrap
from tests.tiny_models import tiny
from tests.tiny_tokenizers import trained

TEXTS = ("the cats cross the street", "it rains", "the animal was too tired to cross the street because it rains")


@cache
def of_task(task: str):
    """Return a LoadedModel for "causal", "masked", "encoder" or "translation", with weights far from zero."""
    tokenizer = copy.deepcopy(trained("word piece"))
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    if task == "causal":
        return wrap(tiny("gpt2"), tokenizer)
    if task == "encoder":
        return wrap(tiny("bert"), tokenizer)
    if task == "translation":
        return wrap(tiny("marian"), tokenizer)
    tokenizer.add_special_tokens({"mask_token": "[MASK]"})
    torch.manual_seed(0)
    config = t.BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=64,
    )  # fmt: skip
    model = t.BertForMaskedLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4)
    return wrap(model, tokenizer)
