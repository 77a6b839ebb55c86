"""The loss of a causal language model at each position of its window, also far past the length that it was trained on."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from model.architectures import SmallDecoder
from model.devices import choose_device
from model.errors import HeadscopeError
from model.evaluation.language import token_losses, token_stream
from model.length_results import LengthCurve, SpanLoss
from model.loading import load_model
from model.reading import read_tokenizer
from model.sources import ModelFiles
from model.training.run_record import is_run, read_run
from model.training.shipping import averaged_model

Progress = Callable[[float], None]
_BATCH_TOKENS = 4096
_SPANS_PER_DOUBLING = 4
STRETCHES = 64


@dataclass(frozen=True, eq=False)
class PositionLosses:
    """loss[w, t - 1] = -ln p(token t of window w | tokens 0 to t - 1), in nats; NaN where the model has no position.

    The windows stand in the order of the text.
    """

    losses: Float[np.ndarray, "window position"]

    def over(self, first: int, last: int) -> SpanLoss:
        """Return the mean over positions `first` to `last` (from 1) and all windows, with its standard error.

        error = s / sqrt(B), s the sample deviation of the means of B = min(64, windows) stretches of neighbouring windows
        (batch means): windows overlap, and what stands close together in a text is alike.
        """
        means = self.losses[:, first - 1 : last].mean(axis=1, dtype=np.float64)
        stretches = [part.mean() for part in np.array_split(means, min(STRETCHES, len(means)))]
        error = np.std(stretches, ddof=1) / math.sqrt(len(stretches))
        return SpanLoss(first, last, float(means.mean()), float(error))


def loss_by_position(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    *,
    length: int,
    windows: int,
    progress: Progress | None = None,
) -> PositionLosses:
    """Return the loss at positions 1 to `length` of windows that begin evenly spread over the text.

    Windows overlap where the text has fewer than `windows` times `length` tokens: a token is then read at several positions,
    which makes positions easier to compare. Learned positions have no row past the trained length: there the losses are NaN.
    Raises HeadscopeError where the text is too short.
    """
    ids = token_stream(tokenizer, text)
    beginnings = len(ids) - length
    if length < 1 or windows < 2 or beginnings < windows:
        raise HeadscopeError(
            f"The text has {len(ids)} tokens, too few for {windows} windows of {length} and one more. Give more text, or fewer "
            "and shorter windows (at least 2, of 1 token)."
        )
    starts = torch.linspace(0, beginnings - 1, windows, dtype=torch.float64).round().long()
    read = min(length, last_position(model) or length)
    losses = np.full((windows, length), np.nan, dtype=np.float32)
    rows, streams = max(1, _BATCH_TOKENS // read), ids.unfold(0, read + 1, 1)
    for begin in range(0, windows, rows):
        losses[begin : begin + rows, :read] = token_losses(model, streams[starts[begin : begin + rows]]).numpy()
        if progress is not None:
            progress(min(1.0, (begin + rows) / windows))
    return PositionLosses(losses)


def last_position(model: PreTrainedModel) -> int | None:
    """Return how many tokens one of our decoders can read; None where its kind of position has no end."""
    return model.config.max_position_embeddings if model.config.positions == "learned" else None


def position_spans(length: int, trained: int) -> list[tuple[int, int]]:
    """Return first and last position of spans that cover 1 to `length`: four to a doubling, the first of one position each.

    They end at trained 2^(k / 4), rounded, for whole k, so that none reaches across the trained length or a doubling of it.
    """
    steps = range(-_SPANS_PER_DOUBLING * trained.bit_length(), _SPANS_PER_DOUBLING * length.bit_length() + 1)
    between = {round(trained * 2 ** (step / _SPANS_PER_DOUBLING)) for step in steps}
    ends = [0, *sorted(end for end in between | {length} if 0 < end <= length)]
    return [(before + 1, end) for before, end in pairwise(ends)]


def last_quarters(length: int, trained: int) -> list[tuple[int, int]]:
    """Return first and last position of the last quarter of the trained length, of twice it, and so on up to `length`."""
    ends = [trained << doubling for doubling in range(length.bit_length()) if trained << doubling <= length]
    return [(3 * end // 4 + 1, end) for end in ends]


@dataclass(frozen=True, eq=False)
class TrainedDecoder:
    """A small decoder to measure, and what is known of its training."""

    model: SmallDecoder
    tokenizer: PreTrainedTokenizerBase
    trained_tokens: int | None = None
    seed: int | None = None
    command: str | None = None
    warnings: tuple[str, ...] = ()

    def curve(self, losses: PositionLosses, length: int) -> LengthCurve:
        """Return the losses by span, as far as the model has positions."""
        trained = self.model.config.max_position_embeddings
        end = min(length, last_position(self.model) or length)
        return LengthCurve(
            spans=tuple(losses.over(*span) for span in position_spans(end, trained)),
            quarters=tuple(losses.over(*span) for span in last_quarters(end, trained)),
            parameters=sum(weight.numel() for weight in self.model.parameters()),
            trained_tokens=self.trained_tokens,
            seed=self.seed,
            command=self.command,
        )


def read_decoder(name: str, device: str = "auto") -> TrainedDecoder:
    """Read a run of python -m model train language with the weights of its last epoch, or any folder of a small decoder.

    Raises HeadscopeError where it is neither.
    """
    folder = Path(name).expanduser()
    if is_run(folder):
        return _read_run(folder, device)
    loaded = load_model(name, device=device)
    return TrainedDecoder(_decoder(loaded.model, loaded.name), loaded.tokenizer, warnings=loaded.warnings)


def _read_run(run: Path, device: str) -> TrainedDecoder:
    model = _decoder(averaged_model(run, 1), run.name)
    model.to(choose_device(device))  # type: ignore[arg-type]  # as transformers declares it
    about = read_run(run)
    context = model.config.max_position_embeddings
    rows = max(1, about.batch_tokens // context)
    tokenizer = read_tokenizer(ModelFiles(run.name, "local folder", run))
    return TrainedDecoder(model, tokenizer, about.steps * rows * context, about.seed, about.command)


def _decoder(model: PreTrainedModel, name: str) -> SmallDecoder:
    if not isinstance(model, SmallDecoder):
        raise HeadscopeError(f"“{name}” is no small decoder of python -m model train language. Choose one.")
    return model
