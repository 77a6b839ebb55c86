"""Neighbours in a model's vocabulary: the entries nearest to a hidden state, or to another entry.

Static embeddings are those of the tables alone, before any layer; a number such as 123 has its own only where the tokenizer does
not cut it into pieces, and then nothing but training puts it near 12 and 4.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from model.analysis.state_similarity import cosine_similarity
from model.errors import HeadscopeError
from model.loading import LoadedModel
from model.tokenization import shown_pieces, special_ids, tokenize, tokens_from_text
from model.tokens import Token

TABLES = ("input", "output")
MEASURES = ("cosine", "dot")
_BLOCK = 1 << 22  # numbers of the table, or of scores, that are held at once
# Entries that were kept free for later: [unused7], <unused7>, <|reserved_special_token_7|>, madeupword0007 ...
_UNUSED = re.compile(r"[\[<]\|?(?:unused|reserved|dummy)[\w-]*\|?[\]>]|madeupword\d+", re.IGNORECASE)


@dataclass(frozen=True)
class Neighbour:
    """One entry of the vocabulary and its score; `unused` where training never saw it (kept free, or a row without a name)."""

    token: Token
    score: float
    unused: bool


def nearest_entries(
    loaded: LoadedModel,
    states: Float[np.ndarray, "state d_model"],
    *,
    count: int = 10,
    table: str = "input",
    measure: str = "cosine",
    words_only: bool = False,
    progress: Callable[[float], object] | None = None,
) -> tuple[tuple[Neighbour, ...], ...]:
    """Return for every state the `count` entries of the vocabulary nearest to it, the nearest first.

    cosine = x . e / (|x| |e|)      dot = x . e      e [vocab, d_model] the table of the token embeddings, in float32

    The table "input" is that of the model's input, "output" that of its head, whose dot product is the logit only without the
    head's normalisation and bias; the logit lens has those. `words_only` leaves out special and unused entries, which are
    marked otherwise. A cosine with a row that is 0 is 0. The table is read block by block; `progress` is called with the done
    share and may raise to cancel. Raises HeadscopeError for a table or measure that is not there, or states of another width.
    """
    rows = _table(loaded, table)
    _check(loaded, states, rows, table, measure, count)
    vectors = torch.tensor(states, dtype=torch.float32, device=rows.device)
    allowed = _word_rows(loaded, len(rows)).to(rows.device) if words_only else None
    if measure == "cosine":
        vectors = torch.nn.functional.normalize(vectors, dim=1)
    scores, places = _best(vectors, rows, min(count, len(rows)), measure == "cosine", allowed, progress)
    entries = _entries(loaded, sorted(set(places.flatten().tolist())))
    # With few words in the vocabulary, what was left out would fill the list up.
    return tuple(
        tuple(Neighbour(entries[row][0], score, entries[row][1]) for score, row in pairs if score > -np.inf)
        for pairs in (zip(*found, strict=True) for found in zip(scores.tolist(), places.tolist(), strict=True))
    )


def static_neighbours(
    loaded: LoadedModel, ids: Sequence[int], *, count: int = 10, measure: str = "cosine", words_only: bool = False
) -> tuple[tuple[Neighbour, ...], ...]:
    """Return for every id of the vocabulary the entries whose own input embeddings are nearest to its own, without itself.

    Raises HeadscopeError for an id that is not in the vocabulary.
    """
    found = nearest_entries(loaded, _embeddings(loaded, ids), count=count + 1, measure=measure, words_only=words_only)
    others = ([one for one in neighbours if one.token.id != own] for own, neighbours in zip(ids, found, strict=True))
    return tuple(tuple(neighbours[:count]) for neighbours in others)


def static_cosines(loaded: LoadedModel, ids: Sequence[int]) -> Float64[np.ndarray, "id id"]:
    """Return the cosine of the input embeddings of every two ids; raises HeadscopeError for one not in the vocabulary."""
    return cosine_similarity(_embeddings(loaded, ids))


def text_pieces(loaded: LoadedModel, text: str) -> tuple[Token, ...]:
    """Return the entries of the vocabulary that a text is made of, special ones left out ("123" may be one or three).

    Raises HeadscopeError where the model has no tokenizer, or nothing is left.
    """
    if loaded.tokenizer is None:
        raise HeadscopeError(f"{loaded.name} has no tokenizer: give ids of its vocabulary.")
    tokens = tokens_from_text(loaded.tokenizer, text, tokenize(loaded.tokenizer, text))
    found = tuple(token for token in tokens if not token.special)
    if not found:
        raise HeadscopeError("There is no token in this text: write a word or a number.")
    return found


def _check(loaded: LoadedModel, states: np.ndarray, rows: Tensor, table: str, measure: str, count: int) -> None:
    if measure not in MEASURES or count < 1:
        raise HeadscopeError(f"At least one neighbour is found by {' or '.join(MEASURES)}: choose one of these.")
    if states.shape[1] != rows.shape[1]:
        raise HeadscopeError(
            f"These states have {states.shape[1]} dimensions and the {table} embeddings of {loaded.name} {rows.shape[1]}: "
            "they lie in different spaces, so that no entry is near a state."
        )
    if not np.isfinite(states).all():
        raise HeadscopeError("A state that is not of finite numbers has no neighbours. Load the model in float32.")


def _table(loaded: LoadedModel, table: str) -> Float[Tensor, "vocab d_model"]:
    if table not in TABLES:
        raise HeadscopeError(f"There is no table “{table}”. Choose {' or '.join(TABLES)}.")
    find = {"input": loaded.model.get_input_embeddings, "output": loaded.model.get_output_embeddings}[table]
    try:
        module: Any = find()
    except (AttributeError, NotImplementedError):
        module = None
    weight = getattr(module, "weight", None)
    if weight is None or weight.ndim != 2:
        raise HeadscopeError(
            f"{loaded.name} has no {table} embeddings of tokens, so it has no vocabulary to be near to."
        )
    if weight.is_meta:
        raise HeadscopeError(
            f"The {table} embeddings of {loaded.name} are not in memory. Load it without a device_map."
        )
    return weight.detach()


def _embeddings(loaded: LoadedModel, ids: Sequence[int]) -> Float[np.ndarray, "id d_model"]:
    rows = _table(loaded, "input")
    if not ids or min(ids) < 0 or max(ids) >= len(rows):
        raise HeadscopeError(
            f"The vocabulary of {loaded.name} has the ids 0 to {len(rows) - 1}: give at least one of these."
        )
    return rows[torch.tensor(list(ids), device=rows.device)].float().cpu().numpy()


def _best(
    vectors: Tensor,
    rows: Tensor,
    count: int,
    cosine: bool,
    allowed: Tensor | None,
    progress: Callable[[float], object] | None,
) -> tuple[Tensor, Tensor]:
    """Return the largest scores [state, count] and their rows, merged block by block of the table.

    With `cosine` the table's rows have their length taken away; that of the vectors is 1 already.
    """
    step = max(1, _BLOCK // max(vectors.shape))
    scores = vectors.new_empty(len(vectors), 0)
    places = torch.empty(len(vectors), 0, dtype=torch.long, device=vectors.device)
    for start in range(0, len(rows), step):
        block = rows[start : start + step].float()
        own = vectors @ (torch.nn.functional.normalize(block, dim=1) if cosine else block).T
        if allowed is not None:
            own[:, ~allowed[start : start + step]] = -torch.inf
        own, best = own.topk(min(count, len(block)), dim=1)
        scores, places = torch.cat([scores, own], dim=1), torch.cat([places, start + best], dim=1)
        scores, order = scores.sort(dim=1, descending=True, stable=True)
        scores, places = scores[:, :count], places.gather(1, order)[:, :count]
        if progress is not None:
            progress(min(1.0, (start + step) / len(rows)))
    return scores, places


def _word_rows(loaded: LoadedModel, count: int) -> Bool[Tensor, " vocab"]:
    """Return True for the entries that are neither special nor unused."""
    if loaded.tokenizer is None:
        return torch.ones(count, dtype=torch.bool)
    known = special_ids(loaded.tokenizer)
    pieces = _pieces(loaded.tokenizer, range(count))
    return torch.tensor([number not in known and not _is_unused(piece) for number, piece in enumerate(pieces)])


def _entries(loaded: LoadedModel, ids: Sequence[int]) -> dict[int, tuple[Token, bool]]:
    """Return by id its token and whether it is unused; named by number where there is no tokenizer."""
    if loaded.tokenizer is None:
        return {number: (Token(str(number), str(number), number), False) for number in ids}
    known, pieces = special_ids(loaded.tokenizer), _pieces(loaded.tokenizer, ids)
    special = [number in known for number in ids]
    shown = shown_pieces(loaded.tokenizer, [piece or "" for piece in pieces], special)
    return {
        number: (Token(text if piece else f"row {number}", piece or "", number, flag), _is_unused(piece))
        for number, piece, text, flag in zip(ids, pieces, shown, special, strict=True)
    }


def _pieces(tokenizer: Any, ids: Sequence[int]) -> list[str | None]:
    """Return the vocabulary's entries of rising ids; None for the rows that pad a table to a round number."""
    known = [number for number in ids if number < len(tokenizer)]
    pieces = tokenizer.convert_ids_to_tokens(known)
    named = [None if piece is None else str(piece) for piece in pieces]
    return named + [None] * (len(ids) - len(known))


def _is_unused(piece: str | None) -> bool:
    return piece is None or _UNUSED.fullmatch(piece) is not None
