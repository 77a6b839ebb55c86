"""How far a model's output is from what it was: divergence of predictions, cross entropy, change of embeddings, BLEU."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, normalize

from model.effects.batches import TextBatch, model_task, text_batches
from model.encoding import running
from model.errors import HeadscopeError
from model.evaluation.bleu import corpus_bleu
from model.evaluation.translation import translations
from model.lazy_capture import forward
from model.loading import LoadedModel


class Measure(ABC):
    """A number for the model as it runs now: batch by batch a score, `plain` being what it is compared with.

    `name`, `unit` and `higher_is_better` say what the number is; `texts` how many texts it is of.
    """

    name: str
    unit: str
    texts: int
    higher_is_better = False
    batches: Sequence[Any]

    def plain(self, batch: Any) -> Any:
        """Return what the model gives for a batch when nothing is changed; None where nothing is compared."""
        return None

    @abstractmethod
    def score(self, batch: Any, plain: Any) -> Any:
        """Return the score of a batch for the model as it runs now."""

    @abstractmethod
    def value(self, scores: Sequence[Any]) -> float:
        """Return the measure from the scores of all batches."""


class _Mean(Measure):
    """A mean over positions or texts: the score of a batch is (sum, count)."""

    def __init__(self, loaded: LoadedModel, batches: Sequence[TextBatch], texts: int):
        self.loaded, self.batches, self.texts = loaded, batches, texts

    def value(self, scores: Sequence[tuple[float, int]]) -> float:
        count = sum(count for _, count in scores)
        if not count:
            raise HeadscopeError("There is nothing to predict in these texts. Give longer ones.")
        return math.fsum(total for total, _ in scores) / count


class PredictionDivergence(_Mean):
    """Mean over positions of KL(p || p') in bits, p the model's own predictions and p' those it makes now.

    KL(p || p') = sum_v p(v) log2(p(v) / p'(v)), from 0; where the model predicts is said by `text_batches`.
    """

    name, unit = "divergence", "bits"

    def plain(self, batch: TextBatch) -> Tensor:
        return log_predictions(self.loaded, batch)

    def score(self, batch: TextBatch, plain: Tensor) -> tuple[float, int]:
        found = log_predictions(self.loaded, batch)
        total = kl_div(found, plain, reduction="none", log_target=True).sum(dim=-1).double().sum()
        return float(total) / math.log(2), len(plain)


class CrossEntropy(_Mean):
    """Mean over positions of -log2 p(label), in bits: of the next token, of the one under the mask, or of the reference."""

    name, unit = "cross entropy", "bits"

    def score(self, batch: TextBatch, plain: None) -> tuple[float, int]:
        losses = label_losses(self.loaded, batch)
        return float(losses.double().sum()) / math.log(2), int((batch.labels >= 0).sum())


class EmbeddingChange(_Mean):
    """Mean over texts of 1 - cos(e, e'), from 0 to 2, e the mean of the last hidden states (Reimers & Gurevych 2019)."""

    name, unit = "embedding", "1 - cosine"

    def plain(self, batch: TextBatch) -> Tensor:
        return embeddings(self.loaded, batch)

    def score(self, batch: TextBatch, plain: Tensor) -> tuple[float, int]:
        # As half the squared distance of vectors of length one, which rounds less where little has changed.
        distances = (embeddings(self.loaded, batch) - plain).double().square().sum(dim=-1) / 2
        return float(distances.sum()), len(plain)


class TranslationBleu(Measure):
    """BLEU in percent of the model's greedy translations of all texts, lower-cased (Papineni et al. 2002)."""

    name, unit, higher_is_better = "bleu", "BLEU", True

    def __init__(self, loaded: LoadedModel, sources: Sequence[str], references: Sequence[str], beams: int = 1):
        self.loaded, self.references, self.beams = loaded, tuple(references), beams
        self.batches, self.texts = (tuple(sources),), len(sources)

    def score(self, batch: tuple[str, ...], plain: None) -> list[str]:
        with running(self.loaded):
            return translations(self.loaded.model, self.loaded.tokenizer, batch, beams=self.beams)

    def value(self, scores: Sequence[list[str]]) -> float:
        (found,) = scores
        return corpus_bleu(found, self.references, lowercase=True).score


_BATCHED = {one.name: one for one in (PredictionDivergence, CrossEntropy, EmbeddingChange)}
# What each task has to measure by, the usual one first.
MEASURES = {
    "causal": ("divergence", "cross entropy"),
    "masked": ("divergence", "cross entropy"),
    "encoder": ("embedding",),
    "translation": ("bleu", "divergence", "cross entropy"),
}


def measures_of(loaded: LoadedModel, has_references: bool = False) -> tuple[str, ...]:
    """Return the names of the measures there are for a model, the usual one first; some need references."""
    task = model_task(loaded)
    return tuple(name for name in MEASURES[task] if has_references or task != "translation" or name == "divergence")


def measure_of(
    loaded: LoadedModel, texts: Sequence[str], name: str | None = None, references: Sequence[str] | None = None
) -> Measure:
    """Return a measure over texts by its name, or the usual one; `references` are their translations.

    Raises HeadscopeError where the model has no such measure.
    """
    known = measures_of(loaded, references is not None)
    name = known[0] if name is None else name
    if name not in known:
        hint = " Give references: the others need them." if references is None and loaded.is_encoder_decoder else ""
        raise HeadscopeError(f"There is no measure “{name}” for {loaded.name}. Choose {' or '.join(known)}.{hint}")
    if name == "bleu":
        return TranslationBleu(loaded, texts, references or ())
    return _BATCHED[name](loaded, text_batches(loaded, texts, references), len(texts))


def log_predictions(loaded: LoadedModel, batch: TextBatch) -> Float[Tensor, "counted vocab"]:
    """Return ln p(v) at every position that counts, float32, rows in order."""
    return forward(loaded, batch.tensors, None).logits[batch.counted].float().log_softmax(dim=-1)


def label_losses(loaded: LoadedModel, batch: TextBatch) -> Float[Tensor, "row position"]:
    """Return -ln p(label) at every position, float32; 0 where there is no label."""
    logits = forward(loaded, batch.tensors, None).logits.float()
    return cross_entropy(logits.transpose(1, 2), batch.labels, reduction="none")


def embeddings(loaded: LoadedModel, batch: TextBatch) -> Float[Tensor, "row d_model"]:
    """Return the mean of every text's last hidden states, special tokens included, scaled to length one, float32."""
    with running(loaded):
        states = loaded.model.base_model(**batch.tensors).last_hidden_state.float()
    kept = batch.counted[..., None]
    return normalize((states * kept).sum(dim=1) / kept.sum(dim=1), dim=-1)
