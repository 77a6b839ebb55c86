"""Learning to go on with running text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from model.errors import HeadscopeError
from model.evaluation.language import language_figures, token_stream
from model.training.loss import smoothed_cross_entropy

_SHORTEST_PERIOD = 16
_DRILL_SHARE, _DRILL_PERIODS = 0.9, (4, 32)


@dataclass(frozen=True, eq=False)
class LanguageTask:
    """Texts to learn from as one stream of tokens, and others to measure bits per character on.

    `repeated` is the share of windows that hold one passage over and over, its tokens shuffled: what comes next there is known
    only from what came next before, which books alone teach a small model slowly (Olsson et al. 2022). The second epoch begins
    with `drill` batches in which nearly every window does, with short passages: then the model finds out how.
    """

    tokenizer: PreTrainedTokenizerBase
    stream: Int[Tensor, " position"]
    validation: str = ""
    context: int = 256
    batch_tokens: int = 4096
    seed: int = 0
    device: str = "cpu"
    repeated: float | int = 0.0
    drill: int = 0

    def __post_init__(self) -> None:
        if len(self.stream) < 2 * self.context:
            raise HeadscopeError(
                f"The texts have {len(self.stream)} tokens, too few for windows of {self.context}. Give more text."
            )
        if not 0 <= self.repeated <= 1:
            raise HeadscopeError(f"Give the share of repeated windows from 0 to 1, not {self.repeated}.")

    def batches(self, epoch: int) -> list[Int[Tensor, "window position"]]:
        """Return windows of context + 1 tokens that begin at a random place of the stream, in random order."""
        random = np.random.default_rng([self.seed, epoch])
        first = int(random.integers(self.context))
        starts = random.permutation(np.arange(first, len(self.stream) - self.context, self.context))
        rows = max(1, self.batch_tokens // self.context)
        windows = self.stream.unfold(0, self.context + 1, 1)
        batches = [windows[torch.from_numpy(starts[begin : begin + rows])] for begin in range(0, len(starts), rows)]
        for number, batch in enumerate(batches):
            drilled = epoch == 1 and number < self.drill
            share = _DRILL_SHARE if drilled else self.repeated
            periods = _DRILL_PERIODS if drilled else (_SHORTEST_PERIOD, self.context // 2)
            for window in batch if share else ():
                if random.random() < share:
                    window.copy_(_repeated(window, periods, random))
        return batches

    def loss(self, model: PreTrainedModel, batch: Int[Tensor, "window position"]) -> tuple[Tensor, int]:
        """Return the mean cross-entropy of the tokens after each position, and their number."""
        batch = batch.to(self.device)
        logits = model(input_ids=batch[:, :-1], use_cache=False).logits
        return smoothed_cross_entropy(logits, batch[:, 1:].contiguous()), batch[:, 1:].numel()

    def measure(self, model: PreTrainedModel, epoch: int) -> dict[str, float]:
        """Return bits per character on the validation text."""
        if not self.validation:
            return {}
        figures = language_figures(model, self.tokenizer, self.validation, context=self.context)
        return {"validation_bits_per_character": figures.bits_per_character}


def _repeated(
    window: Int[Tensor, " position"], periods: tuple[int, int], random: np.random.Generator
) -> Int[Tensor, " position"]:
    """Return a window of the same length that repeats its first tokens in a random order; `periods` is their range."""
    shortest, longest = (min(period, len(window) // 2) for period in periods)
    period = int(random.integers(shortest, longest + 1))
    passage = window[torch.from_numpy(random.permutation(period))]
    return passage.repeat(-(-len(window) // period))[: len(window)]


def joined_stream(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> Int[Tensor, " position"]:
    """Return the tokens of all texts one after the other, each after the token that begins a text."""
    return torch.cat([token_stream(tokenizer, text) for text in texts])
