"""Blank-out: how far the output moves when one token of the input is made unreadable."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from model.encoding import Encoding
from model.errors import HeadscopeError, tell
from model.lazy_capture import Progress
from model.loading import LoadedModel
from model.relevance.copies import copied, in_pieces
from model.relevance.embedding import embeddings_changed
from model.relevance.outputs import ChosenOutput, check_output, output_change, output_rows
from model.running_alone import running_alone

MOST_TOKENS = 512
ZERO_EMBEDDING = "zero embedding"
_OTHER_USES = ("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id", "pad_token_id")


@dataclass(frozen=True)
class Blank:
    """What stands for a token that is blanked out: the id of a special token, or None for an embedding of zeros."""

    name: str
    token: int | None


@dataclass(frozen=True, eq=False)
class BlankOut:
    """How far the output moves without each input token (of the source, in an encoder-decoder), NaN at special tokens.

    `changes` [position] is |ln p - ln p'| of a token, or 1 - cos(m, m') of an embedding; `blank` says what stood there instead.
    """

    blank: Blank
    changes: Float64[np.ndarray, " position"]


def usual_blank(loaded: LoadedModel) -> Blank:
    """Return what stands for a blanked token: the mask token, which an encoder knows as “unreadable”; else the unknown token, as
    in Abnar & Zuidema 2020; else, or where that has another use too (GPT-2), an embedding of zeros."""
    used = {getattr(loaded.tokenizer, name, None) for name in _OTHER_USES}
    for name, attribute in (("mask token", "mask_token_id"), ("unknown token", "unk_token_id")):
        token = getattr(loaded.tokenizer, attribute, None)
        if token is not None and token not in used:
            return Blank(name, int(token))
    return Blank(ZERO_EMBEDDING, None)


def blank_out(
    loaded: LoadedModel,
    encoding: Encoding,
    output: ChosenOutput,
    *,
    blank: Blank | None = None,
    progress: Progress | None = None,
) -> BlankOut:
    """Return how far `output` moves when each token that is not special is blanked out, one at a time (Abnar & Zuidema 2020).

    A large change stands for an important token, whatever its sign. `blank` is `usual_blank` where it is left out. `progress`
    is called with the done share and may raise to cancel. Raises HeadscopeError where there is no such output, no such token,
    or more than 512 of them.
    """
    check_output(loaded, encoding, output)
    places = torch.tensor([place for place, token in enumerate(encoding.tokens) if not token.special], dtype=torch.long)
    if not len(places):
        raise HeadscopeError("There is no token to blank out: all of them are special.")
    if len(places) > MOST_TOKENS:
        raise HeadscopeError(
            f"At most {MOST_TOKENS} tokens are blanked out, and this text has {len(places)}: shorten it."
        )
    blank = usual_blank(loaded) if blank is None else blank
    changes = np.full(len(encoding.tokens), np.nan)
    tokens = sum(tensor.shape[1] for name, tensor in encoding.tensors.items() if name.endswith("input_ids"))
    with running_alone(loaded):
        plain = output_rows(loaded, encoding.tensors, output)
    for piece in in_pieces(places.to(loaded.device), tokens, loaded.device):
        # Other threads have their turns between the pieces.
        with running_alone(loaded):
            rows = _blanked_rows(loaded, encoding, output, blank, piece)
            changes[piece.cpu().numpy()] = output_change(plain, rows, output).double().cpu().numpy()
            if progress is not None:
                tell(progress, float((~np.isnan(changes)).sum() / len(places)))
    return BlankOut(blank, changes)


def _blanked_rows(
    loaded: LoadedModel, encoding: Encoding, output: ChosenOutput, blank: Blank, places: Tensor
) -> Tensor:
    """Return the output of copies of the input, each with one of the places blanked out."""
    tensors = {name: copied(tensor, len(places)) for name, tensor in encoding.tensors.items()}
    rows = torch.arange(len(places), device=places.device)
    if blank.token is None:

        def zeroed(embedded: Tensor) -> Tensor:
            embedded = embedded.clone()
            embedded[rows, places] = 0
            return embedded

        with embeddings_changed(loaded, zeroed):
            return output_rows(loaded, tensors, output)
    tensors["input_ids"] = tensors["input_ids"].clone()
    tensors["input_ids"][rows, places] = blank.token
    return output_rows(loaded, tensors, output)
