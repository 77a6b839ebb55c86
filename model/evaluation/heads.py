"""Which heads of a causal model look at the token before, and which complete a pattern that they have seen."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from model.errors import HeadscopeError
from model.loading import LoadedModel
from model.recording import record
from model.tokenization import special_ids


@dataclass(frozen=True, eq=False)
class PatternScores:
    """Mean attention of every head, float32 [layer, head], to the token before and to the token that came next last time."""

    previous_token: Float[np.ndarray, "layer head"]
    induction: Float[np.ndarray, "layer head"]


def previous_token_score(weights: Float[np.ndarray, "head query key"]) -> Float[np.ndarray, " head"]:
    """Return mean over i >= 1 of weight[i, i - 1] (Voita et al. 2019 name such heads positional)."""
    return np.diagonal(weights, offset=-1, axis1=1, axis2=2).mean(axis=1)


def induction_score(weights: Float[np.ndarray, "head query key"], period: int) -> Float[np.ndarray, " head"]:
    """Return mean over i >= period of weight[i, i - period + 1] (Olsson et al. 2022).

    In a sequence of tokens that repeats itself after `period` of them, that is the token after the last occurrence of token i.
    """
    return np.diagonal(weights[:, period:], offset=1, axis1=1, axis2=2)[:, : weights.shape[1] - period].mean(axis=1)


def pattern_scores(loaded: LoadedModel, *, period: int = 50, sequences: int = 8, seed: int = 0) -> PatternScores:
    """Return the scores of a causal model's heads on random tokens that are repeated once.

    The tokens are drawn alike from the vocabulary, without special ones. Raises HeadscopeError where the model takes fewer than
    2 * period tokens or does not attend in one causal stack.
    """
    if loaded.position_limit is not None and 2 * period > loaded.position_limit:
        raise HeadscopeError(f"{loaded.name} takes {loaded.position_limit} tokens. Give a period of half as many.")
    random = np.random.default_rng(seed)
    special = special_ids(loaded.tokenizer) if loaded.tokenizer is not None else set()
    ids = np.array([number for number in range(loaded.model.config.vocab_size) if number not in special])
    previous, induction = [], []
    for _ in range(sequences):
        drawn = random.choice(ids, period, replace=len(ids) < period)
        trace = record(loaded, {"input_ids": torch.from_numpy(np.concatenate([drawn, drawn]))[None]})
        if trace.stacks != ("decoder",):
            raise HeadscopeError(f"{loaded.name} is no causal language model. Choose a decoder.")
        weights = [layer.weights().numpy() for layer in trace.of_stack("decoder")]
        previous.append([previous_token_score(layer) for layer in weights])
        induction.append([induction_score(layer, period) for layer in weights])
    return PatternScores(np.mean(previous, axis=0, dtype=np.float32), np.mean(induction, axis=0, dtype=np.float32))
