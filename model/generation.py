"""record_generation: a model goes on with a prompt, and one run over the prompt and what it wrote is kept as a Trace."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from model.decoding import Decoding, end_ids, written_ids
from model.encoding import Encoding
from model.errors import InputError
from model.intervening import intervening
from model.interventions import HeadIntervention
from model.lazy_capture import Progress
from model.loading import LoadedModel
from model.prompting import Prompt, encode_prompt
from model.recording import record_encoding
from model.running_alone import running_alone
from model.tokenization import tokens_from_ids
from model.tokens import Token
from model.trace import Trace

# The share of the work that is done when the last token is written; the recording is one run more.
_WRITTEN = 0.8


@dataclass(frozen=True)
class GenerationStep:
    """One new token at `position` of its sequence, with what the model expected there.

    probability = softmax(logits[position - 1])[token], before temperature, filters and forced tokens; `top` holds the
    tokens with the highest probability, the first highest.
    """

    position: int
    token: Token
    probability: float
    top: tuple[tuple[Token, float], ...]


@dataclass(frozen=True, eq=False)
class Generation:
    """What a model wrote and the trace of one run over the prompt and all of it.

    `prompt_length` counts the prompt's tokens (the encoder's in an encoder-decoder); `stopped` is "end of text" or
    "length".
    """

    trace: Trace
    prompt_length: int
    steps: tuple[GenerationStep, ...]
    method: str
    text: str
    stopped: str


def record_generation(
    loaded: LoadedModel,
    prompt: str | Sequence[Mapping[str, str]] | Mapping[str, torch.Tensor],
    *,
    max_new_tokens: int = 32,
    method: str = "greedy",
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    beams: int = 4,
    seed: int = 0,
    top: int = 5,
    chat: bool = False,
    prefix: str = "",
    device_budget: int | None = None,
    progress: Progress | None = None,
    interventions: Sequence[HeadIntervention] = (),
) -> Generation:
    """Let the model go on with a text, messages or tensors, and record one run over the prompt and the new tokens.

    `method` is "greedy", "sampled" (from softmax(logits / temperature), of it the `top_k` most probable tokens and those
    that make up `top_p`: Fan et al. 2018, Holtzman et al. 2020) or "beam" (`beams` wide, by mean log-probability). There
    are fewer than `max_new_tokens` where the text ends or the model has no positions left. The same seed draws the same.
    `top` predictions are kept per step; `chat`, `prefix`, `device_budget` and `interventions` are as in record. `progress`
    is called with the done share after every token, then after every block of the recorded run; what it raises cancels.

    Raises InputError (TextTooLong) where the model cannot generate, the prompt leaves no room or a value makes no sense,
    and NoAttention where the model has no map to show.
    """
    decoding = Decoding(method, temperature, top_k, top_p, beams, seed)
    if max_new_tokens < 1 or top < 0:
        raise InputError("Give max_new_tokens from 1 and top from 0.")
    writing, recording = (None, None) if progress is None else _shares(progress)
    with running_alone(loaded), intervening(loaded, interventions):
        begun = encode_prompt(loaded, prompt, chat=chat, prefix=prefix)
        length = _length(loaded, begun, max_new_tokens)
        ids = written_ids(loaded, begun.tensors, decoding, length, writing)
        encoding = begun.continued(loaded, ids)
        logits: dict[str, torch.Tensor] = {}
        trace = record_encoding(
            loaded, encoding, recording, lambda output: logits.update(last=output["logits"][0]), device_budget
        )
    if "encoder" in trace.stacks and not loaded.is_encoder_decoder:
        raise InputError(
            f"{loaded.name} reads in both directions, so what it writes changes what it has read. Choose a decoder."
        )
    return Generation(
        trace=trace,
        prompt_length=len(begun.tokens),
        steps=_steps(loaded, begun, encoding, logits["last"], top),
        method=method,
        text=_text(loaded.tokenizer, ids.tolist(), begun.length),
        stopped="end of text" if int(ids[-1]) in end_ids(loaded) else "length",
    )


def _shares(progress: Progress) -> tuple[Progress, Progress]:
    """Return the progress of the writing and that of the recording, which goes on from there."""
    return lambda share: progress(_WRITTEN * share), lambda share: progress(_WRITTEN + (1 - _WRITTEN) * share)


def _length(loaded: LoadedModel, begun: Prompt, new: int) -> int:
    """Return how long the sequence may become; raises InputError where nothing new fits."""
    limit = loaded.position_limit
    if limit is not None and begun.length >= limit:
        raise InputError(
            f"The prompt has {begun.length} tokens and the model takes {limit}, so there is no room for a new one. "
            "Shorten it."
        )
    return begun.length + new if limit is None else min(limit, begun.length + new)


def _steps(
    loaded: LoadedModel, begun: Prompt, encoding: Encoding, logits: torch.Tensor, top: int
) -> tuple[GenerationStep, ...]:
    """Return the steps from the logits [position, vocab] of the recorded run: of all positions, or of those that count."""
    tokens = encoding.tokens if encoding.target_tokens is None else encoding.target_tokens
    positions = range(begun.length, len(tokens))
    if len(logits) == len(tokens):
        logits = logits[begun.length - 1 : -1]
    found = []
    for position, row in zip(positions, logits, strict=True):
        probabilities = row.float().softmax(dim=-1)
        highest = probabilities.topk(min(top, len(row)))
        token = tokens[position]
        found.append((position, token, float(probabilities[token.id]), highest.indices.cpu(), highest.values.tolist()))
    # All at once, since a tokenizer's special tokens are listed anew for every call.
    every = torch.cat([indices for *_, indices, _ in found])
    named = iter([replace(token, word=None) for token in tokens_from_ids(loaded.tokenizer, every[None])])
    return tuple(
        GenerationStep(position, token, probability, tuple((next(named), value) for value in values))
        for position, token, probability, _, values in found
    )


def _text(tokenizer: Any, ids: list[int], begun: int) -> str:
    """Return the new text, with the space that it begins with where the tokenizer writes one there."""
    if tokenizer is None:
        return " ".join(str(number) for number in ids[begun:])
    options = dict(skip_special_tokens=True, clean_up_tokenization_spaces=False)
    before, whole = (tokenizer.decode(part, **options) for part in (ids[:begun], ids))
    return whole.removeprefix(before) if whole.startswith(before) else tokenizer.decode(ids[begun:], **options)
