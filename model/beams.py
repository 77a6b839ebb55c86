"""A beam search, step by step: the hypotheses that it keeps, those that end, and the candidates that it ends with."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from model.decoding import BeamRun, Decoding, end_ids, run_beams
from model.errors import InputError
from model.loading import LoadedModel
from model.prompting import encode_prompt
from model.running_alone import running_alone
from model.tokenization import tokens_from_ids

# The new tokens of a hypothesis, which tell it from every other.
_Ids = tuple[int, ...]
_NEVER = -float("inf")


@dataclass(frozen=True)
class BeamHypothesis:
    """One hypothesis of a step: the token that it is longer by, as tokens are displayed, and what it goes on from.

    `parent` counts the hypotheses of the step before from 0 (None at the first step); `total` is the sum of the
    log-probabilities of its tokens, `score` their mean; one that `ended` leaves the beam, at an end of text or at the limit.
    """

    token_id: int
    text: str
    parent: int | None
    total: float
    score: float
    ended: bool


@dataclass(frozen=True)
class BeamCandidate:
    """One finished candidate: its text, the mean log-probability of its tokens, and its hypothesis at each step, from 0."""

    text: str
    score: float
    path: tuple[int, ...]


@dataclass(frozen=True)
class BeamSearch:
    """The hypotheses after 1, 2, ... new tokens, and the candidates that the search ends with; the best first in each.

    A step holds the hypotheses that the next step goes on from and those that ended there: these were among the best
    `beams` of all continuations. A live hypothesis without a child was dropped; those of the last step are left unfinished.
    """

    steps: tuple[tuple[BeamHypothesis, ...], ...]
    candidates: tuple[BeamCandidate, ...]


def beam_search(loaded: LoadedModel, text: str, *, beams: int = 4, max_new_tokens: int = 64) -> BeamSearch:
    """Return the beam search of an encoder-decoder that `record_generation` makes, and writes the first candidate of.

    total = sum_t log p(token_t | tokens before it, text), score = total / number of tokens (Wu et al. 2016, section 7, with a
    length penalty of 1), p being what is left where the model forces or forbids tokens

    Raises InputError for a decoder alone, fewer than two beams, no new token, and a text that the model cannot run.
    """
    if beams < 2 or max_new_tokens < 1 or not loaded.is_encoder_decoder:
        raise InputError("A beam search needs an encoder-decoder, at least two beams and a new token to write.")
    with running_alone(loaded):
        begun = encode_prompt(loaded, text)
        limit = loaded.position_limit or begun.length + max_new_tokens
        length = min(limit, begun.length + max_new_tokens)
        run = run_beams(loaded, begun.tensors, Decoding("beam", 1.0, None, None, beams, 0), length)
    ends = end_ids(loaded)
    steps = _kept(run, begun.length, length, ends, beams)
    return BeamSearch(_hypotheses(loaded, steps), _candidates(loaded, run, begun.length, ends, steps))


def _kept(
    run: BeamRun, begun: int, length: int, ends: tuple[int, ...], beams: int
) -> list[dict[_Ids, tuple[float, bool]]]:
    """Return for each step the hypotheses that it keeps, the best first: their sum of log-probabilities, whether they ended.

    Where a model forces its first token, the search holds that one hypothesis several times; it counts once.
    """
    steps: list[dict[_Ids, tuple[float, bool]]] = []
    totals: dict[_Ids, float] = {(): 0.0}
    for step, ranked in enumerate(run.ranked):
        continuations = _new_ids(ranked, begun)
        over = [begun + len(ids) >= length or ids[-1] in ends for ids in continuations]
        ended = {ids for ids, is_over in zip(continuations[:beams], over, strict=False) if is_over}
        open_ = [ids for ids, is_over in zip(continuations, over, strict=True) if not is_over][:beams]
        # Between equal scores the search may choose others than the first, so what it went on from is asked for.
        live = _new_ids(run.rows[step + 1], begun) if step + 1 < len(run.rows) else open_
        row = {ids: index for index, ids in enumerate(_new_ids(run.rows[step], begun))}
        table = run.log_probabilities[step]
        # What is forbidden fills the search where nothing else is left, and is no hypothesis.
        sums = (
            (ids, totals.get(ids[:-1], _NEVER) + float(table[row[ids[:-1]], ids[-1]]))
            for ids in [*live, *sorted(ended)]
        )
        totals = {ids: total for ids, total in sums if total > _NEVER}
        if not totals:
            break
        best_first = sorted(totals, key=totals.__getitem__, reverse=True)
        steps.append({ids: (totals[ids], ids in ended) for ids in best_first})
    return steps


def _new_ids(sequences: torch.Tensor, begun: int) -> list[_Ids]:
    return [tuple(ids) for ids in sequences[:, begun:].tolist()]


def _hypotheses(
    loaded: LoadedModel, steps: Sequence[Mapping[_Ids, tuple[float, bool]]]
) -> tuple[tuple[BeamHypothesis, ...], ...]:
    # All at once, since a tokenizer's special tokens are listed anew for every call.
    every = torch.tensor([[ids[-1] for step in steps for ids in step]])
    named = iter(tokens_from_ids(loaded.tokenizer, every))
    places: list[dict[_Ids, int]] = [{}, *(_places(step) for step in steps)]
    return tuple(
        tuple(
            BeamHypothesis(ids[-1], next(named).text, before.get(ids[:-1]), total, total / len(ids), ended)
            for ids, (total, ended) in step.items()
        )
        for before, step in zip(places, steps, strict=False)
    )


def _places(step: Iterable[_Ids]) -> dict[_Ids, int]:
    return {ids: place for place, ids in enumerate(step)}


def _candidates(
    loaded: LoadedModel,
    run: BeamRun,
    begun: int,
    ends: tuple[int, ...],
    steps: Sequence[Mapping[_Ids, tuple[float, bool]]],
) -> tuple[BeamCandidate, ...]:
    texts = loaded.tokenizer.batch_decode(run.ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    places = [_places(step) for step in steps]
    found: dict[_Ids, BeamCandidate] = {}
    for ids, text, score in zip(_new_ids(run.ids, begun), texts, run.scores, strict=True):
        # After its end a shorter sequence is filled up; where fewer ended than there are beams, a whole one is filling.
        end = next((place + 1 for place, number in enumerate(ids) if number in ends), len(ids))
        if ids[:end] in places[end - 1]:
            path = tuple(places[step][ids[: step + 1]] for step in range(end))
            found.setdefault(ids[:end], BeamCandidate(text, score, path))
    return tuple(found.values())
