"""A small decoder that reads long texts, in a folder, and a long text for it."""

import random
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from tests.tiny_models import VOCABULARY

POSITIONS = 1600


def save_long_decoder(folder: Path, tokenizer) -> None:
    """Write a decoder of 2 layers of 2 heads whose attention is far from uniform, with its tokenizer."""
    torch.manual_seed(0)
    size = GPT2Config(
        vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=2, n_positions=POSITIONS, bos_token_id=1, eos_token_id=2,
        initializer_range=0.6,
    )  # fmt: skip
    GPT2LMHeadModel(size).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def letters(count: int) -> str:
    """Return a text of so many one-letter words, the same in every run."""
    chooser = random.Random(0)
    return " ".join(chooser.choices("abcdefghij", k=count))
