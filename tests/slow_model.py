"""A model folder that takes seconds to run: many thin layers, so that progress is told all the time."""

import torch
import transformers as t

from tests.tiny_models import VOCABULARY

LAYERS = 300
TOKENS = 1500
TEXT = " ".join("abcdefghij"[place % 10] for place in range(TOKENS))


def save_slow_model(folder, tokenizer) -> None:
    """Write a decoder of 300 layers with random weights, and its tokenizer, into a folder."""
    torch.manual_seed(0)
    config = t.GPT2Config(
        vocab_size=VOCABULARY, n_embd=64, n_layer=LAYERS, n_head=2, n_positions=2048, bos_token_id=1, eos_token_id=2
    )
    t.GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
