"""The logit lens: what a model would predict if it stopped after each of its layers."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import torch

from model.encoding import Encoding, encode
from model.errors import HeadscopeError, InputError
from model.intervening import intervening
from model.interventions import HeadIntervention
from model.lazy_capture import Progress
from model.lens_head import FinalPart, check_head
from model.lens_readings import LensReadings, lens_readings, log_probabilities, probabilities
from model.lens_result import LogitLens
from model.loading import LoadedModel
from model.recording import record_encoding, rising
from model.running_alone import running_alone
from model.tokenization import tokens_from_ids
from model.tokens import Token
from model.trace import Trace

# Logits of a whole text, which the model itself computes at once: 1 GiB in float32.
MOST_LOGITS = 2**28
# Logits that are computed at once for the lens: 128 MiB in float32.
_LOGITS_AT_ONCE = 2**25
_RECORDING = 0.2


def logit_lens(
    loaded: LoadedModel,
    inputs: str | tuple[Any, ...] | list[Any] | Mapping[str, torch.Tensor],
    *,
    target: str | None = None,
    truncate: bool = False,
    chat: bool = False,
    prefix: str = "",
    interventions: Sequence[HeadIntervention] = (),
    positions: Sequence[int] | None = None,
    top: int = 5,
    progress: Progress | None = None,
) -> LogitLens:
    """Return the logit lens of an input (nostalgebraist 2020) of a decoder, a masked language model or an encoder-decoder's
    decoder; `inputs` and the options are those of `record`.

    p_l = softmax(final(h_l)), with final the model's own final part (normalisation, head, biases, softcap, scale) and h_l the
    states of layer l. It reads early layers in the last one's basis, so what it finds there may be too little; the tuned
    lens (Belrose et al. 2023) learns a map per layer and is not offered.

    `positions` chooses some, all without it; `progress` is called with the done share and may raise to cancel. Costs one run
    of the model, and its head once per layer and position. Raises HeadscopeError where the model has no head or its last
    layer does not give its own logits, and where the text has more than 2**28 / vocab tokens.
    """
    if top < 1:
        raise InputError("Ask for at least one prediction: give top from 1.")
    check_head(loaded)
    report = None if progress is None else rising(progress)
    with running_alone(loaded):
        with intervening(loaded, interventions, inputs if isinstance(inputs, Mapping) else None):
            encoding = encode(loaded, inputs, target=target, truncate=truncate, chat=chat, prefix=prefix)
            places = _places(loaded, encoding, positions)
            trace, own = _recorded(loaded, encoding, places, report)
        return _read(loaded, encoding, trace, own, places, top, report)


def _places(loaded: LoadedModel, encoding: Encoding, positions: Sequence[int] | None) -> list[int]:
    """Return the positions asked for; raises HeadscopeError before anything is computed."""
    count = len(_sequence(encoding))
    vocabulary = getattr(loaded.model.config.get_text_config(decoder=True), "vocab_size", None) or 1
    if count * vocabulary > MOST_LOGITS:
        raise HeadscopeError(
            f"The text has {count} tokens, and with a vocabulary of {vocabulary} the logit lens takes "
            f"{MOST_LOGITS // vocabulary}. Shorten the text."
        )
    places = list(range(count)) if positions is None else sorted({int(place) for place in positions})
    if not places or not 0 <= places[0] <= places[-1] < count:
        raise InputError(f"Choose positions from 0 to {count - 1}.")
    return places


def _sequence(encoding: Encoding) -> tuple[Token, ...]:
    return encoding.tokens if encoding.target_tokens is None else encoding.target_tokens


def _recorded(
    loaded: LoadedModel, encoding: Encoding, places: list[int], report: Progress | None
) -> tuple[Trace, torch.Tensor]:
    """Return the Trace, and the model's own logits [position, vocab] at these places, from the same run."""
    own: list[torch.Tensor] = []

    def keep(output: Any) -> None:
        logits = getattr(output, "logits", None)
        if not isinstance(logits, torch.Tensor) or logits.ndim != 3 or logits.shape[1] != len(_sequence(encoding)):
            raise HeadscopeError(f"{loaded.name} does not predict a token at every position. Load it with such a head.")
        # All of them are not copied: for a large vocabulary they take as much memory as the model's own output.
        own[:] = [(logits[0] if len(places) == logits.shape[1] else logits[0, places]).detach()]

    share = None if report is None else lambda done: report(_RECORDING * done)
    return record_encoding(loaded, encoding, share, read=keep), own[0]


def _read(
    loaded: LoadedModel,
    encoding: Encoding,
    trace: Trace,
    own: torch.Tensor,
    places: list[int],
    top: int,
    report: Progress | None,
) -> LogitLens:
    """Return the lens from the states of a Trace and the model's own logits [position, vocab] at the same places."""
    side, states = _states(loaded, trace, encoding, places)
    sequence = _sequence(encoding)
    truth = tuple(_truth(loaded, sequence, place, side) for place in places)
    ids = torch.tensor([-1 if token is None or token.id is None else token.id for token in truth])
    part = FinalPart(loaded, encoding.tensors, len(states) - 1)
    chunks, difference = [], 0.0
    step = max(1, _LOGITS_AT_ONCE // own.shape[-1])
    for start in range(0, len(places), step):
        chunk = slice(start, start + step)
        done = start / len(places), min(1.0, (start + step) / len(places))
        share = None if report is None else _part_of(report, *done)
        layers, off = _layers(part, [state[chunk] for state in states], own[chunk], ids[chunk], top, share)
        chunks.append(layers)
        difference = max(difference, off)
    arrays = {
        field.name: np.concatenate(
            [np.stack([getattr(rows, field.name).cpu().numpy() for rows in layers]) for layers in chunks], axis=1
        )
        for field in fields(LensReadings)
    }
    return LogitLens(
        stack=side, positions=tuple(places), tokens=tuple(sequence[place] for place in places), truth=truth,
        names=_names(loaded, arrays["top_ids"]), difference=difference, provenance=trace.provenance, **arrays,
    )  # fmt: skip


def _states(loaded: LoadedModel, trace: Trace, encoding: Encoding, places: list[int]) -> tuple[str, list[torch.Tensor]]:
    """Return the side that predicts, and its states [position, d_model] of every layer at these places."""
    side = "decoder" if loaded.is_encoder_decoder else next(iter(trace.states), "")
    states = trace.states.get(side, ())
    if not states or any(len(state) != len(_sequence(encoding)) for state in states):
        raise HeadscopeError(
            f"{loaded.name} hands no state of every token from block to block, so there is nothing to read layer by layer."
        )
    return side, [state[places] for state in states]


def _part_of(report: Progress, first: float, last: float) -> Progress:
    """Return a progress from 0 to 1 for some of the positions, in what is left after the recording."""
    return lambda share: report(_RECORDING + (1 - _RECORDING) * (first + (last - first) * share))


def _layers(
    part: FinalPart,
    states: list[torch.Tensor],
    own: torch.Tensor,
    truth: torch.Tensor,
    top: int,
    progress: Progress | None,
) -> tuple[list[LensReadings], float]:
    """Return the readings of every layer at some positions, and how far the last is from the model itself."""
    count, device = len(states[0]), own.device
    final_logs, truth = log_probabilities(own), truth.to(device)
    final = probabilities(final_logs)
    # The last layer comes first, so that a model whose final part takes more than its states is refused at once.
    groups = _groups(len(states), max(1, _LOGITS_AT_ONCE // (count * own.shape[-1])))
    readings: dict[int, LensReadings] = {}
    for done, group in enumerate(groups, start=1):
        logits = part.logits(torch.cat([states[layer].to(device) for layer in group])).to(device)
        for layer, rows in zip(group, logits.split(count), strict=True):
            if layer == len(states) - 1:
                difference = float(part.difference(rows, own))
            readings[layer] = lens_readings(log_probabilities(rows), final, final_logs, truth, top)
        if progress is not None:
            progress(done / len(groups))
    return [readings[layer] for layer in range(len(states))], difference


def _groups(count: int, size: int) -> list[list[int]]:
    """Return the layers from the last to the first, in groups that are run at once."""
    layers = list(range(count))[::-1]
    return [layers[start : start + size] for start in range(0, count, size)]


def _truth(loaded: LoadedModel, sequence: Sequence[Token], place: int, side: str) -> Token | None:
    """Return what should be predicted at a place."""
    if side == "decoder":
        return sequence[place + 1] if place + 1 < len(sequence) else None
    mask = getattr(loaded.tokenizer, "mask_token_id", None)
    return None if mask is not None and sequence[place].id == mask else sequence[place]


def _names(loaded: LoadedModel, ids: np.ndarray) -> dict[int, str]:
    """Return the display form of every id; vocabularies may be padded with entries that the tokenizer does not know."""
    numbers = np.unique(ids)
    limit = len(loaded.tokenizer) if loaded.tokenizer is not None else int(numbers[-1]) + 1
    known = tokens_from_ids(loaded.tokenizer, torch.tensor(numbers[numbers < limit][None]))
    names = {int(number): f"#{number}" for number in numbers}
    return names | {token.id: token.text for token in known if token.id is not None}
