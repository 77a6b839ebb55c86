"""The chosen output: a number that relevance is asked for, and how far it is from another."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import normalize

from model.effects.batches import model_task
from model.encoding import Encoding, running
from model.errors import HeadscopeError
from model.lazy_capture import forward
from model.loading import LoadedModel
from model.running_alone import running_alone

_DECODER = "decoder_input_ids"


@dataclass(frozen=True)
class TokenOutput:
    """ln p(token) as predicted at a position: of the next token in a decoder, of the token there in a masked encoder.

    `token` is an id of the vocabulary; `position` counts in the decoder's sequence where there is one.
    """

    position: int
    token: int

    name = "ln p(token)"


@dataclass(frozen=True)
class EmbeddingOutput:
    """The mean m of the last hidden states, special tokens included, as sentence encoders use it (Reimers & Gurevych 2019).

    Its number is the norm |m|; between two inputs it changes by 1 - cos(m, m').
    """

    name = "embedding"


ChosenOutput = TokenOutput | EmbeddingOutput


def usual_output(loaded: LoadedModel, encoding: Encoding) -> ChosenOutput:
    """Return what is asked of a text without a choice: the likeliest next token after its end, the likeliest token under its
    first mask, or the embedding where the model predicts nothing there."""
    task, tensors = model_task(loaded), encoding.tensors
    ids = tensors[_DECODER if task == "translation" else "input_ids"][0]
    if task == "encoder":
        return EmbeddingOutput()
    position = len(ids) - 1
    if task == "masked":
        masks = (ids == loaded.tokenizer.mask_token_id).nonzero()
        if not len(masks):
            return EmbeddingOutput()
        position = int(masks[0, 0])
    with running_alone(loaded):
        logits = forward(loaded, tensors, None).logits
    return TokenOutput(position, int(logits[0, position].argmax()))


def output_at(loaded: LoadedModel, encoding: Encoding, position: int) -> ChosenOutput:
    """Return what a model says at one position: of the next token of the text in a decoder, of the token there in a masked
    encoder; `usual_output` after the last token, and where the model predicts nothing.

    Raises HeadscopeError where there is no such position.
    """
    task = model_task(loaded)
    if task == "encoder":
        return EmbeddingOutput()
    ids = encoding.tensors[_DECODER if task == "translation" else "input_ids"][0]
    if not 0 <= position < len(ids):
        raise HeadscopeError(f"There are positions 0 to {len(ids) - 1}; there is no position {position}.")
    if task == "masked":
        return TokenOutput(position, int(ids[position]))
    return TokenOutput(position, int(ids[position + 1])) if position + 1 < len(ids) else usual_output(loaded, encoding)


def check_output(loaded: LoadedModel, encoding: Encoding, output: ChosenOutput) -> None:
    """Raise HeadscopeError where a text has no such output."""
    if isinstance(output, EmbeddingOutput):
        if loaded.is_encoder_decoder:
            raise HeadscopeError("An encoder-decoder has no embedding here: choose a token of its output.")
        return
    if loaded.model.get_output_embeddings() is None:
        raise HeadscopeError(f"{loaded.name} has no output layer, so it predicts no token. Choose the embedding.")
    count = encoding.tensors[_DECODER if loaded.is_encoder_decoder else "input_ids"].shape[1]
    vocabulary = loaded.model.config.get_text_config().vocab_size
    if not (0 <= output.position < count and 0 <= output.token < vocabulary):
        raise HeadscopeError(f"Choose a position from 0 to {count - 1} and a token from 0 to {vocabulary - 1}.")


def readout(encoding: Encoding, output: ChosenOutput) -> Float64[np.ndarray, " query"]:
    """Return how much of the output is read at every position, summing to one: one position, or the mean over all of the text."""
    if isinstance(output, EmbeddingOutput):
        counted = _counted(encoding.tensors)[0].double().cpu().numpy()
        return counted / counted.sum()
    found = np.zeros(encoding.tensors.get(_DECODER, encoding.tensors["input_ids"]).shape[1])
    found[output.position] = 1
    return found


def output_rows(loaded: LoadedModel, tensors: Mapping[str, Tensor], output: ChosenOutput) -> Float[Tensor, "row width"]:
    """Return the output of every row of a batch, float32: ln p [row, 1], or the mean state m [row, d_model]."""
    if isinstance(output, TokenOutput):
        logits = forward(loaded, tensors, None).logits[:, output.position].float()
        return logits.log_softmax(dim=-1)[:, output.token, None]
    with running(loaded):
        states = loaded.model.base_model(**tensors).last_hidden_state.float()
    kept = _counted(tensors)[..., None]
    return (states * kept).sum(dim=1) / kept.sum(dim=1)


def output_number(rows: Float[Tensor, "row width"]) -> Float[Tensor, " row"]:
    """Return the number of every row: ln p itself, or |m|."""
    return rows[:, 0] if rows.shape[1] == 1 else rows.norm(dim=1)


def output_change(
    plain: Float[Tensor, "1 width"], rows: Float[Tensor, "row width"], output: ChosenOutput
) -> Float[Tensor, " row"]:
    """Return how far the output of each row is from the plain one: |ln p - ln p'|, or 1 - cos(m, m')."""
    if isinstance(output, TokenOutput):
        return (rows - plain)[:, 0].abs()
    # As half the squared distance of vectors of length one, which rounds less where little has changed.
    return (normalize(rows, dim=1) - normalize(plain, dim=1)).double().square().sum(dim=1).float() / 2


def _counted(tensors: Mapping[str, Tensor]) -> Tensor:
    """Return bool [row, position]: True where there is text, special tokens included."""
    return tensors.get("attention_mask", torch.ones_like(tensors["input_ids"])).bool()
