"""Learning to translate from sentence pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from model.evaluation.bleu import corpus_bleu
from model.evaluation.translation import translations
from model.training.batches import PairBatch, batch_order, pair_batch
from model.training.loss import smoothed_cross_entropy


@dataclass(frozen=True, eq=False)
class TranslationTask:
    """Sentence pairs to learn from, and others to see how well it goes (the loss, and BLEU every `bleu_epochs`)."""

    tokenizer: PreTrainedTokenizerBase
    pairs: Sequence[tuple[str, str]]
    validation: Sequence[tuple[str, str]] = ()
    batch_tokens: int = 4096
    smoothing: float | int = 0.1
    seed: int = 0
    bleu_epochs: int = 5
    device: str = "cpu"

    @cached_property
    def encoded(self) -> tuple[list[list[int]], list[list[int]]]:
        """The ids of sources and targets, each with the end token; a pair too long for the model is left out."""
        return self._encode(self.pairs)

    def batches(self, epoch: int) -> list[PairBatch]:
        """Return the batches of an epoch, in an order that follows from the seed and the epoch."""
        return self._batches(*self.encoded, seed=(self.seed, epoch))

    def loss(self, model: PreTrainedModel, batch: PairBatch) -> tuple[torch.Tensor, int]:
        """Return the mean smoothed cross-entropy over the target tokens, and their number."""
        return self._loss(model, batch, self.smoothing), batch.tokens

    @torch.no_grad()
    def measure(self, model: PreTrainedModel, epoch: int) -> dict[str, float]:
        """Return the validation loss in nats a token, without smoothing, and now and then BLEU of greedy translations."""
        if not self.validation:
            return {}
        batches = self._batches(*self._encode(self.validation), seed=(0, 0))
        losses = [(float(self._loss(model, batch, 0.0)), batch.tokens) for batch in batches]
        total = sum(count for _, count in losses)
        figures = {"validation_loss": sum(loss * count for loss, count in losses) / total}
        if epoch % self.bleu_epochs == 0:
            sources, references = zip(*self.validation, strict=True)
            found = translations(model, self.tokenizer, sources)
            figures["validation_bleu"] = corpus_bleu(found, references, lowercase=True).score
        return figures

    def _loss(self, model: PreTrainedModel, batch: PairBatch, smoothing: float | int) -> torch.Tensor:
        batch = batch.to(self.device)
        output = model(
            input_ids=batch.source, attention_mask=batch.mask, decoder_input_ids=batch.target, use_cache=False
        )
        return smoothed_cross_entropy(output.logits, batch.labels, smoothing)

    def _encode(self, pairs: Sequence[tuple[str, str]]) -> tuple[list[list[int]], list[list[int]]]:
        sources, targets = (self.tokenizer(list(side))["input_ids"] for side in zip(*pairs, strict=True))
        longest = self.tokenizer.model_max_length
        fitting = [pair for pair in zip(sources, targets, strict=True) if max(map(len, pair)) <= longest]
        return [source for source, _ in fitting], [target for _, target in fitting]

    def _batches(self, sources: list[Any], targets: list[Any], seed: tuple[int, int]) -> list[PairBatch]:
        lengths = np.array([[len(source), len(target)] for source, target in zip(sources, targets, strict=True)])
        return [
            pair_batch(
                [sources[index] for index in chosen], [targets[index] for index in chosen],
                start=self.tokenizer.bos_token_id, padding=self.tokenizer.pad_token_id,
            )
            for chosen in batch_order(lengths, self.batch_tokens, seed)
        ]  # fmt: skip
