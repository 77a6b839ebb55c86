"""Models of GPT-2-small's size with random weights: what they compute costs as much as with trained ones.

`python -m benchmarks.random_models FOLDER` writes one that the app can open.
"""

import sys
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Model

VOCABULARY = 50_257
# The longest text of the pictures.
FOLDER_POSITIONS = 4096


def random_gpt2(
    positions: int, *, vocabulary: int = VOCABULARY, predicting: bool = False, implementation: str = "sdpa"
):
    """Return a random model of GPT-2-small's size that takes `positions` tokens, `predicting` with its head for predictions."""
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=vocabulary, n_positions=positions, bos_token_id=None, eos_token_id=None)
    family = GPT2LMHeadModel if predicting else GPT2Model
    return family._from_config(config, attn_implementation=implementation).eval()


def random_ids(tokens: int, vocabulary: int = VOCABULARY) -> torch.Tensor:
    """Return the numbers of random tokens [1, position], the same in every run."""
    return torch.randint(vocabulary, (1, tokens), generator=torch.Generator().manual_seed(0))


def save_random_gpt2(folder: Path) -> None:
    """Write a random model of GPT-2-small's size with the bundled model's tokenizer, for texts of up to 4,096 tokens."""
    from transformers import AutoTokenizer

    from model.sources import locate

    tokenizer = AutoTokenizer.from_pretrained(locate("minilm").folder)
    tokenizer.model_max_length = FOLDER_POSITIONS
    random_gpt2(FOLDER_POSITIONS, vocabulary=len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    from benchmarks.child import answer

    save_random_gpt2(Path(sys.argv[1]))
    answer({})
