"""How a model goes on with a sequence: greedy, sampled or beam, with transformers' own generate and its key-value cache."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from model.encoding import running
from model.errors import InputError, tell
from model.loading import LoadedModel

METHODS = ("greedy", "sampled", "beam")
# What a checkpoint's own generation settings may not change, so that a method means the same for every model. Tokens that
# the model was trained to begin with, or never to write, stay forced and forbidden.
_SETTINGS = dict(
    do_sample=False, num_return_sequences=1, num_beam_groups=None, max_new_tokens=None, min_new_tokens=None, min_length=0,
    max_time=None, stop_strings=None, length_penalty=1.0, early_stopping=False, repetition_penalty=1.0,
    encoder_repetition_penalty=1.0, no_repeat_ngram_size=0, encoder_no_repeat_ngram_size=0, sequence_bias=None,
    exponential_decay_length_penalty=None, guidance_scale=None, watermarking_config=None, forced_eos_token_id=None,
    prompt_lookup_num_tokens=None, dola_layers=None, penalty_alpha=None, use_cache=True, cache_implementation=None,
    return_dict_in_generate=False, output_attentions=False, output_hidden_states=False,
)  # fmt: skip


@dataclass(frozen=True)
class Decoding:
    """How the next token is chosen; temperature and filters are for "sampled", `beams` for "beam".

    Raises InputError where a value makes no sense.
    """

    method: str = "greedy"
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    beams: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        _check(self.method in METHODS, f"The method is one of {', '.join(METHODS)}, not “{self.method}”.")
        _check(0 < self.temperature < float("inf"), "Give a temperature above 0. For none at all, choose greedy.")
        _check(self.top_k is None or self.top_k >= 1, "Give top_k as a number of tokens from 1, or leave it out.")
        _check(self.top_p is None or 0 < self.top_p <= 1, "Give top_p as a share above 0 and up to 1, or leave it out.")
        _check(self.beams >= 1, "Give a number of beams from 1.")
        _check(-(2**63) <= self.seed < 2**63, "Give a seed of 64 bits.")

    def processors(self) -> LogitsProcessorList:
        """Return what stands between the logits and the choice of the highest."""
        if self.method != "sampled":
            return LogitsProcessorList()
        filters: list[LogitsProcessor] = [TemperatureLogitsWarper(float(self.temperature))]
        filters += [] if self.top_k is None else [TopKLogitsWarper(self.top_k)]
        filters += [] if self.top_p is None else [TopPLogitsWarper(float(self.top_p))]
        return LogitsProcessorList([*filters, _Draw(self.seed)])


class _Draw(LogitsProcessor):
    """Draws from the softmax with a generator of its own and leaves only the drawn token.

    The random numbers of the caller, and of other threads, are not touched.
    """

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        # On the CPU, so that one seed draws the same on every device.
        drawn = torch.multinomial(scores.float().softmax(dim=-1).cpu(), 1, generator=self.generator)
        return torch.full_like(scores, -float("inf")).scatter_(1, drawn.to(scores.device), 0.0)


class _Telling(StoppingCriteria):
    """Never stops; tells the share of the tokens that are written, and what that raises cancels."""

    def __init__(self, begun: int, length: int, progress: Callable[[float], None]):
        self.begun, self.length, self.progress = begun, length, progress

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_options: Any) -> torch.Tensor:
        tell(self.progress, (input_ids.shape[1] - self.begun) / (self.length - self.begun))
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


class _Rows(LogitsProcessor):
    """Changes nothing; keeps the ids [beam, position] that each step of a beam search goes on from."""

    def __init__(self) -> None:
        self.steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self.steps.append(input_ids.cpu())
        return scores


class _Ranking(StoppingCriteria):
    """Never stops; keeps the ids [continuation, position] that each step of a beam search ranks, the best first."""

    def __init__(self) -> None:
        self.steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_options: Any) -> torch.Tensor:
        self.steps.append(input_ids.cpu())
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


@dataclass(frozen=True, eq=False)
class BeamRun:
    """What a beam search ends with and, for each step, what it went through, as transformers' own generate has it.

    It ends with `ids` [beam, position] and their `scores`, the best first. A step goes on from `rows` [beam, position] with
    `log_probabilities` [beam, vocab] and ranks twice as many continuations as it has beams, or more: `ranked`
    [continuation, position], the best first. Those among the first `beams` that end are finished; the best `beams` of
    the others are the rows of the next step.

    score = mean_t log p(token_t | tokens before it) (Wu et al. 2016, section 7, with a length penalty of 1)
    """

    ids: torch.Tensor
    scores: tuple[float, ...]
    rows: tuple[torch.Tensor, ...]
    log_probabilities: tuple[torch.Tensor, ...]
    ranked: tuple[torch.Tensor, ...]


def written_ids(
    loaded: LoadedModel,
    tensors: Mapping[str, torch.Tensor],
    decoding: Decoding,
    length: int,
    progress: Callable[[float], None] | None = None,
) -> torch.Tensor:
    """Return the ids [position] of what `tensors` begin and the model goes on with, at most `length` of them.

    An encoder-decoder goes on with decoder_input_ids, any other model with input_ids. Raises InputError where the model
    cannot run them.
    """
    begun = tensors["decoder_input_ids" if loaded.is_encoder_decoder else "input_ids"].shape[1]
    criteria = [] if progress is None else [_Telling(begun, length, progress)]
    return _generated(loaded, tensors, decoding, length, [], criteria)[0]


def run_beams(loaded: LoadedModel, tensors: Mapping[str, torch.Tensor], decoding: Decoding, length: int) -> BeamRun:
    """Return what a beam search goes through and what it ends with, all on the CPU; see `written_ids`."""
    rows, ranking = _Rows(), _Ranking()
    options = {"num_return_sequences": decoding.beams, "return_dict_in_generate": True, "output_scores": True}
    found = _generated(loaded, tensors, decoding, length, [rows], [ranking], **options)
    log_probabilities = tuple(table.cpu() for table in found.scores)
    scores = tuple(found.sequences_scores.tolist())
    return BeamRun(found.sequences.cpu(), scores, tuple(rows.steps), log_probabilities, tuple(ranking.steps))


def _generated(
    loaded: LoadedModel,
    tensors: Mapping[str, torch.Tensor],
    decoding: Decoding,
    length: int,
    processors: list[Any],
    criteria: list[Any],
    **options: Any,
) -> Any:
    """Return what the model's own generate gives; `processors` come after those of `decoding`."""
    ends = end_ids(loaded)
    padding = (loaded.model.generation_config.pad_token_id, getattr(loaded.tokenizer, "pad_token_id", None), *ends)
    model: Any = loaded.model
    with running(loaded):
        return model.generate(
            **tensors,
            **{**_SETTINGS, **options},
            num_beams=decoding.beams if decoding.method == "beam" else 1,
            max_length=length,
            eos_token_id=list(ends) or None,
            pad_token_id=next((number for number in padding if number is not None), None),
            logits_processor=LogitsProcessorList([*decoding.processors(), *processors]),
            stopping_criteria=StoppingCriteriaList(criteria),
        )


def end_ids(loaded: LoadedModel) -> tuple[int, ...]:
    """Return the ids that end a text: the model's own, or else its tokenizer's; none that the vocabulary does not have."""
    config = loaded.model.config.get_text_config()
    vocabulary = getattr(config, "vocab_size", None) or float("inf")
    for source in (loaded.model.generation_config, config, loaded.tokenizer):
        named = getattr(source, "eos_token_id", None)
        ids = named if isinstance(named, list | tuple) else () if named is None else (named,)
        found = tuple(number for number in ids if 0 <= number < vocabulary)
        if found:
            return found
    return ()


def _check(true: bool, sentence: str) -> None:
    if not true:
        raise InputError(sentence)
