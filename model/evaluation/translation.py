"""Translations of a list of sentences, many at a time."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

Progress = Callable[[float], None]


@torch.no_grad()
def translations(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sentences: Sequence[str],
    *,
    beams: int = 1,
    length_penalty: float | int = 1.0,
    longest: int = 100,
    batch_tokens: int = 2048,
    progress: Progress | None = None,
) -> list[str]:
    """Return the model's translation of each sentence, by beam search `beams` wide (1: greedy), in their order.

    A hypothesis of n tokens is scored log p / n^length_penalty (Wu et al. 2016 in transformers' form) and has at most
    `longest` tokens. `progress` is called with the done share; what it raises cancels.
    """
    ids = tokenizer(list(sentences), truncation=True)["input_ids"]
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    found, begin = [""] * len(ids), 0
    while begin < len(order):
        room = max(1, batch_tokens // beams)
        chosen = _fitting(order[begin:], ids, room)
        batch = tokenizer.pad({"input_ids": [ids[index] for index in chosen]}, return_tensors="pt").to(model.device)
        generator: Any = model
        written = generator.generate(
            **batch, num_beams=beams, do_sample=False, length_penalty=float(length_penalty), max_new_tokens=longest
        )
        texts = tokenizer.batch_decode(written, skip_special_tokens=True)
        for index, text in zip(chosen, texts, strict=True):
            found[index] = text
        begin += len(chosen)
        if progress is not None:
            progress(begin / len(order))
    return found


def _fitting(order: Sequence[int], ids: Sequence[Sequence[int]], room: int) -> list[int]:
    """Return the first sentences of `order`, sorted by length, whose padded tokens fit; at least one."""
    count = 1
    while count < len(order) and (count + 1) * len(ids[order[count]]) <= room:
        count += 1
    return list(order[:count])
