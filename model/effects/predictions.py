"""What a language model expects at a position, to be seen before and after heads are changed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from model.effects.batches import model_task
from model.encoding import encode
from model.errors import HeadscopeError, InputError
from model.intervening import intervening
from model.interventions import HeadIntervention
from model.lazy_capture import forward
from model.loading import LoadedModel
from model.running_alone import running_alone
from model.tokenization import tokens_from_ids
from model.tokens import Token


@dataclass(frozen=True)
class Prediction:
    """The most probable tokens, the first the most, for what stands at `position` of the sequence; p = softmax(logits)."""

    position: int
    top: tuple[tuple[Token, float], ...]


def predictions(
    loaded: LoadedModel,
    text: str,
    interventions: Sequence[HeadIntervention] = (),
    position: int | None = None,
    top: int = 10,
) -> tuple[Prediction, ...]:
    """Return what a causal model expects next, or a masked one under each of its masks.

    Without a `position` that is the token after the text, or every mask in it; with one the token there, from what stands
    before it (causal; from 1) or around it (masked: a mask is put there). Raises HeadscopeError where the model predicts no
    tokens, the text has no mask, or there is no such position.
    """
    if top < 1:
        raise InputError("Ask for at least one prediction: give top from 1.")
    task = model_task(loaded)
    if task not in ("causal", "masked"):
        raise HeadscopeError(f"{loaded.name} predicts no tokens of a text. Choose a causal or masked language model.")
    with running_alone(loaded), intervening(loaded, interventions):
        encoding = encode(loaded, text)
        tensors, length = dict(encoding.tensors), len(encoding.tokens)
        if task == "causal":
            places = [_checked(length if position is None else position, 1, length)]
            rows = [place - 1 for place in places]
        else:
            tensors["input_ids"], places = _masked(loaded, tensors["input_ids"], position)
            rows = places
        logits = forward(loaded, tensors, None).logits[0, rows].float()
    found = logits.softmax(dim=-1).topk(min(top, logits.shape[-1]))
    named = iter(tokens_from_ids(loaded.tokenizer, found.indices.flatten()[None].cpu()))
    return tuple(
        Prediction(place, tuple((replace(next(named), word=None), value) for value in values))
        for place, values in zip(places, found.values.tolist(), strict=True)
    )


def _masked(loaded: LoadedModel, ids: torch.Tensor, position: int | None) -> tuple[torch.Tensor, list[int]]:
    """Return ids with their masks, and the positions of those that are asked for."""
    mask = loaded.tokenizer.mask_token_id
    if position is not None:
        ids = ids.clone()
        ids[0, _checked(position, 0, ids.shape[1] - 1)] = mask
        return ids, [position]
    places = (ids[0] == mask).nonzero()[:, 0].tolist()
    if not places:
        raise InputError(f"There is nothing to fill in: write {loaded.tokenizer.mask_token} for the word to predict.")
    return ids, places


def _checked(position: int, first: int, last: int) -> int:
    if not first <= position <= last:
        raise InputError(f"There is no prediction for position {position}: choose one from {first} to {last}.")
    return position
