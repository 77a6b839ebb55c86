"""How well a causal language model predicts running text: bits per character, whatever its tokens are."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from model.errors import HeadscopeError

Progress = Callable[[float], None]
_BATCH_TOKENS = 4096


@dataclass(frozen=True)
class LanguageFigures:
    """bits_per_character = -sum log2 p(token | tokens before) / characters; `unknown` tokens hide what they stand for."""

    bits_per_character: float
    characters: int
    tokens: int
    unknown: int


def running_text(text: str) -> str:
    """Return the text with wrapped lines joined by a space and paragraphs (set apart by empty lines) one a line."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text.replace("\r\n", "\n")))
    return "\n".join(paragraph for paragraph in paragraphs if paragraph)


@torch.no_grad()
def language_figures(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    *,
    context: int,
    progress: Progress | None = None,
) -> LanguageFigures:
    """Return bits per character of a text, usually what `running_text` returns; line ends are characters too.

    The text is read in windows of `context` tokens that overlap by half, so that every token but the first few is predicted
    from at least half a window. Raises HeadscopeError where there is no text.
    """
    ids = token_stream(tokenizer, text)
    if len(ids) < 2 or context < 2:
        raise HeadscopeError(
            "There is no text to measure on. Give a file with text, and a context of 2 tokens or more."
        )
    stride, total, begin = max(1, context // 2), 0.0, 0
    rows = max(1, _BATCH_TOKENS // context)
    starts = list(range(0, max(1, len(ids) - 1 - stride), stride))
    while begin < len(starts):
        chosen = starts[begin : begin + rows]
        for losses, start in _window_losses(model, ids, chosen, context):
            total += float(losses[0 if start == 0 else context - stride :].double().sum())
        begin += len(chosen)
        if progress is not None:
            progress(begin / len(starts))
    unknown = int((ids == tokenizer.unk_token_id).sum()) if tokenizer.unk_token_id is not None else 0
    return LanguageFigures(total / math.log(2) / len(text), len(text), len(ids) - 1, unknown)


def token_stream(tokenizer: PreTrainedTokenizerBase, text: str) -> Int[Tensor, " position"]:
    """Return the ids of a text after the token that begins one, where the tokenizer has it."""
    begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return torch.tensor(([] if begin is None else [begin]) + ids)


def _window_losses(
    model: PreTrainedModel, ids: Tensor, starts: list[int], context: int
) -> list[tuple[Float[Tensor, " token"], int]]:
    """Return, for every window, -log p of the tokens after each of its positions; the last window may be shorter."""
    found: list[tuple[Tensor, int]] = []
    for full in (True, False):
        chosen = [start for start in starts if (start + context < len(ids)) == full]
        if not chosen:
            continue
        windows = torch.stack([ids[start : start + context + 1] for start in chosen])
        found += zip(token_losses(model, windows), chosen, strict=True)
    return found


@torch.no_grad()
def token_losses(model: PreTrainedModel, windows: Int[Tensor, "window position"]) -> Float[Tensor, "window predicted"]:
    """Return -ln p(token t | tokens 0 to t - 1) of every window, t from 1, float32 on the CPU."""
    windows = windows.to(model.device)
    logits = model(input_ids=windows[:, :-1], use_cache=False).logits.float()
    return cross_entropy(logits.transpose(1, 2), windows[:, 1:], reduction="none").cpu()
