"""Random tokens that repeat themselves: which heads complete a pattern that they have seen (Elhage et al. 2021).

In a passage of `period` random tokens, written `repeats` times, the key right after the last occurrence of the query's
token lies at the offset 1 - period. Nothing but the repetition makes that key worth looking at.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from model.analysis.score_names import RANDOM_SCORES
from model.analysis.score_sums import ScoreSums
from model.analysis.token_targets import diagonal_of
from model.analysis.trace_scores import allowed_by_any_head, trace_scores
from model.errors import HeadscopeError
from model.layers import AttentionLayer
from model.loading import LoadedModel
from model.recording import record
from model.tokenization import special_ids, tokenize
from model.trace import Trace


@dataclass(frozen=True)
class RepeatedTokens:
    """How the texts are made: `sequences` texts of `period` random tokens, each written `repeats` times (at least twice).

    Period and repeats are those of Olsson et al. 2022, who also leave out the most and the least common tokens.
    """

    period: int = 25
    repeats: int = 4
    sequences: int = 8
    seed: int = 0

    @property
    def offset(self) -> int:
        """Where the induction score looks: key - query."""
        return 1 - self.period


def repeated_token_scores(
    loaded: LoadedModel, plan: RepeatedTokens | None = None, progress: Callable[[float], object] | None = None
) -> dict[str, dict[int, ScoreSums]]:
    """Return by stack and layer index the sums of `RANDOM_SCORES`, one text for each sequence.

    induction                 mean over q of the 2nd to last repeat of weight[q, q + 1 - period]
    prefix matching (random)  mean over these q of sum of weight[q, k], k - 1 an earlier place of the token of q

    Encoders and decoders alike, encoder-decoders in both self-attentions; in an encoder, later occurrences do not count.
    Raises HeadscopeError where the model takes fewer tokens or the plan makes no sense.
    """
    plan = plan or RepeatedTokens()
    found: dict[str, dict[int, list[ScoreSums]]] = {}
    for done, trace in enumerate(repeated_traces(loaded, plan)):
        for stack in trace.stacks:
            if stack != "cross":
                for layer, sums in random_scores(trace, stack, plan).items():
                    found.setdefault(stack, {}).setdefault(layer, []).append(sums)
        if progress is not None:
            progress((done + 1) / plan.sequences)
    return {stack: {layer: _texts(parts) for layer, parts in layers.items()} for stack, layers in found.items()}


def random_scores(trace: Trace, stack: str, plan: RepeatedTokens) -> dict[int, ScoreSums]:
    """Return by layer index the sums of `RANDOM_SCORES` over one text of `repeated_traces`."""
    found = {}
    for index, scores in trace_scores(trace, stack).items():
        place = scores.names.index("prefix matching")
        values, baseline, rows = induction_sums(trace.layer(index, stack), _random_start(trace, index, stack), plan)
        found[index] = ScoreSums(
            RANDOM_SCORES,
            np.stack([values[None], scores.values[place]]),
            np.stack([[baseline], scores.baselines[place]]),
            np.stack([[float(rows)], scores.counts[place]]),
        )
    return found


def induction_sums(
    layer: AttentionLayer, start: int, plan: RepeatedTokens
) -> tuple[Float[np.ndarray, " head"], float, int]:
    """Return (sum over rows of weight[q, q + 1 - period] per head, the same of uniform attention, number of rows).

    The repeated tokens begin at position `start`; the rows are those of the second to the last repeat (Olsson et al. 2022).
    """
    rows = slice(start + plan.period, start + plan.period * plan.repeats)
    allowed = allowed_by_any_head(layer)[rows].float()
    uniform = allowed / allowed.sum(dim=1, keepdim=True).clamp_min(1)
    values = _at_offset(layer.weights(rows=rows), rows.start + plan.offset)
    return values.cpu().double().numpy(), float(_at_offset(uniform, rows.start + plan.offset)), rows.stop - rows.start


def repeated_traces(loaded: LoadedModel, plan: RepeatedTokens) -> Iterator[Trace]:
    """Yield the traces of a model over texts of random repeated tokens.

    The tokens are drawn alike from the vocabulary, without special ones; around them stand the special tokens that the
    tokenizer puts around a text. Raises HeadscopeError where the model takes fewer tokens or the plan makes no sense.
    """
    special = special_ids(loaded.tokenizer) if loaded.tokenizer is not None else set()
    before, after = _template(loaded, special)
    _check(loaded, plan, len(before) + len(after))
    ids = np.array([number for number in range(loaded.model.config.vocab_size) if number not in special])
    random = np.random.default_rng(plan.seed)
    for _ in range(plan.sequences):
        drawn = random.choice(ids, plan.period, replace=len(ids) < plan.period).tolist() * plan.repeats
        inputs = {"input_ids": torch.tensor([[*before, *drawn, *after]])}
        if loaded.is_encoder_decoder:
            begin = getattr(loaded.model.config, "decoder_start_token_id", None)
            inputs["decoder_input_ids"] = torch.tensor([[*([begin] if begin in special else []), *drawn]])
        yield record(loaded, inputs)


def _template(loaded: LoadedModel, special: set[int]) -> tuple[list[int], list[int]]:
    """Return the special tokens before and after a text."""
    if loaded.tokenizer is None:
        return [], []
    ids = tokenize(loaded.tokenizer, "a")["input_ids"]
    text = [place for place, number in enumerate(ids) if number not in special]
    return (ids[: text[0]], ids[text[-1] + 1 :]) if text else ([], [])


def _random_start(trace: Trace, layer: int, stack: str) -> int:
    """Return the position of the first token that is not special."""
    return next(place for place, token in enumerate(trace.sequence(layer, "query", stack)) if not token.special)


def _at_offset(weights: Tensor, offset: int) -> Tensor:
    return diagonal_of(weights, offset).sum(dim=-1)


def _check(loaded: LoadedModel, plan: RepeatedTokens, special: int) -> None:
    if plan.period < 2 or plan.repeats < 2 or plan.sequences < 1:
        raise HeadscopeError("Give a period and repeats of at least 2, and at least one sequence.")
    limit = loaded.position_limit
    if limit is not None and plan.period * plan.repeats + special > limit:
        raise HeadscopeError(
            f"{loaded.name} takes {limit} tokens. Give a period of at most {(limit - special) // plan.repeats} for "
            f"{plan.repeats} repeats."
        )


def _texts(parts: list[ScoreSums]) -> ScoreSums:
    """Return the same scores of several texts as one."""
    joined = (
        np.concatenate([getattr(part, name) for part in parts], axis=1) for name in ("values", "baselines", "counts")
    )
    return ScoreSums(parts[0].names, *joined)
