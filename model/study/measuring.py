"""What the heads of a model do in a batch of texts: sums of every score of every layer, streamed while the model runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from model.analysis.dependencies import RelationFacts, RelationScores, offset_sums, relation_facts
from model.analysis.head_scores import TokenScores, uniform_baselines
from model.analysis.score_sums import ScoreSums
from model.analysis.token_facts import TokenFacts, token_facts
from model.analysis.token_targets import TokenTargets
from model.analysis.trace_scores import allowed_by_any_head, weight_blocks
from model.conllu import ParsedSentence
from model.encoding import Encoding
from model.layers import SEQUENCES
from model.loading import LoadedModel
from model.recording import record_encoding
from model.study.moments import OFFSETS, RELATIONS, TOKENS, Key, beside
from model.trace import Trace
from model.weight_stream import BLOCK_BYTES, Observe, StreamPlan, WeightBlock, plan_of, stream_weights

# Largest difference between a streamed weight and the recorded one: of rounding, and of rounding in half precision.
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4}
_HALF_TOLERANCE = 5e-2


# The sums of a batch's texts by stack, layer, and TOKENS, RELATIONS or OFFSETS.
BatchSums = Mapping[Key, ScoreSums]


@dataclass(frozen=True)
class ScoredWith:
    """What scores need beside a text: how often the corpus has each token, and the relations to look for."""

    frequencies: Mapping[int, int] | None = None
    relations: tuple[str, ...] = ()


class BatchScores:
    """Adds up the scores of all layers over one batch of texts, from blocks of weights."""

    def __init__(
        self, encodings: Sequence[Encoding], sentences: Sequence[ParsedSentence] | None, scored_with: ScoredWith
    ):
        self._encodings, self._sentences, self._with = encodings, sentences, scored_with
        self._facts: dict[str, TokenFacts] = {}
        # By stack and mask, which layers share: what does not depend on the head. The mask keeps its address by being kept.
        self._shared: dict[tuple[str, int], tuple[Any, ...]] = {}
        self._open: dict[tuple[str, int], dict[str, Any]] = {}
        self._done: dict[Key, ScoreSums] = {}

    def observe(self, block: WeightBlock) -> None:
        """Add a block of rows."""
        layer = (block.stack, block.index)
        if layer not in self._open:
            self._open[layer] = self._accumulators(block)
        for accumulator in self._open[layer].values():
            accumulator.add(block.weights, block.start)
        if block.is_last:
            self._done |= {(*layer, kind): accumulator.sums() for kind, accumulator in self._open.pop(layer).items()}

    def sums(self) -> BatchSums:
        """Return the sums of all layers."""
        return self._done

    def _accumulators(self, block: WeightBlock) -> dict[str, Any]:
        key = (block.stack, id(block.allowed))
        if key not in self._shared:
            self._shared[key] = (block.allowed, *self._mask_facts(block))
        _, targets, baselines, relations, offsets = self._shared[key]
        if relations is None:
            return {TOKENS: TokenScores(targets, baselines)}
        self._done[block.stack, block.index, OFFSETS] = offsets
        return {TOKENS: TokenScores(targets, baselines), RELATIONS: RelationScores(relations)}

    def _mask_facts(self, block: WeightBlock) -> tuple[TokenTargets, Any, RelationFacts | None, ScoreSums | None]:
        allowed = None if block.allowed is None else block.allowed[:, 0]
        query, key = (self._side(side, block.weights.device) for side in SEQUENCES[block.stack])
        targets = TokenTargets(query, key, same_sequence=block.stack != "cross", allowed=allowed)
        relations, offsets = self._relations(block, allowed)
        return targets, uniform_baselines(targets), relations, offsets

    def _relations(
        self, block: WeightBlock, allowed: Tensor | None
    ) -> tuple[RelationFacts, ScoreSums] | tuple[None, None]:
        # The annotation is of the text that was given; what a decoder wrote beside it has none.
        alone = self._encodings[0].target_tokens is None
        ours = block.stack == "encoder" or (block.stack == "decoder" and alone)
        if self._sentences is None or not self._with.relations or not ours:
            return None, None
        tokens = [encoding.tokens for encoding in self._encodings]
        facts = relation_facts(
            self._sentences, tokens, self._with.relations, allowed=allowed, device=block.weights.device
        )
        return facts, offset_sums(facts, self._sentences)

    def _side(self, side: str, device: torch.device) -> TokenFacts:
        if side not in self._facts:
            written = side == "decoder" and self._encodings[0].target_tokens is not None
            tokens = [(one.target_tokens or ()) if written else one.tokens for one in self._encodings]
            self._facts[side] = token_facts(tokens, self._with.frequencies).to(device)
        return self._facts[side]


def trace_blocks(trace: Trace) -> Iterator[WeightBlock]:
    """Yield the weights of every layer of a trace as blocks of rows of one text."""
    for layer in trace.layers:
        by_any = allowed_by_any_head(layer)
        allowed = None if bool(by_any.all()) else by_any[None, None]
        for start, weights in weight_blocks(layer):
            yield WeightBlock(layer.stack, layer.index, weights[None], start, layer.shape[1], allowed)


@dataclass(eq=False)
class Measurer:
    """Measures batches of one model: streamed where the family allows it and the first batch agrees with `record`.

    `streams` says which of the two it does: None before the first batch.
    """

    loaded: LoadedModel
    scored_with: ScoredWith = field(default_factory=ScoredWith)
    block_bytes: int = BLOCK_BYTES
    streams: bool | None = None
    _plan: StreamPlan | None = None

    def batch(
        self,
        encodings: Sequence[Encoding],
        sentences: Sequence[ParsedSentence] | None = None,
        watch: Observe | None = None,
    ) -> BatchSums:
        """Return the sums of texts whose tensors have equal shapes; `watch` is called with every block too.

        Raises InputError where the model cannot run them, and NoAttention where it has no map to show.
        """
        if self.streams is not False:
            scores = BatchScores(encodings, sentences, self.scored_with)
            first = self.streams is None
            self.streams = (self._first if first else self._stream)(encodings, _both(scores.observe, watch))
            if self.streams:
                return scores.sums()
        return self._from_traces(encodings, sentences, watch)

    def _stream(self, encodings: Sequence[Encoding], observe: Observe) -> bool:
        if self._plan is None:
            return False
        return stream_weights(self.loaded, encodings, self._plan, observe, block_bytes=self.block_bytes)

    def _first(self, encodings: Sequence[Encoding], observe: Observe) -> bool:
        """Stream the first batch and say whether its first text's weights are those that `record` gives for it alone."""
        trace = record_encoding(self.loaded, encodings[0])
        if any(layer.source != "lazy" for layer in trace.layers):
            return False
        self._plan = plan_of(self.loaded, trace)
        layers = {(layer.stack, layer.index): layer for layer in trace.layers}
        off = [0.0]

        def compare(block: WeightBlock) -> None:
            recorded = layers[block.stack, block.index].weights(
                rows=slice(block.start, block.start + block.weights.shape[2])
            )
            found = block.weights[0]
            off.append(float((found - recorded.to(found.device)).abs().max()) if found.shape == recorded.shape else 1.0)

        tolerance = TOLERANCE.get(self.loaded.dtype, _HALF_TOLERANCE)
        return self._stream(encodings, _both(observe, compare)) and max(off) <= tolerance

    def _from_traces(
        self, encodings: Sequence[Encoding], sentences: Sequence[ParsedSentence] | None, watch: Observe | None
    ) -> BatchSums:
        parts = []
        for place, encoding in enumerate(encodings):
            own = None if sentences is None else sentences[place : place + 1]
            scores = BatchScores([encoding], own, self.scored_with)
            for block in trace_blocks(record_encoding(self.loaded, encoding)):
                _both(scores.observe, watch)(block)
            parts.append(scores.sums())
        return {key: beside([part[key] for part in parts]) for key in parts[0]}


def _both(observe: Observe, watch: Observe | None) -> Observe:
    if watch is None:
        return observe

    def tell_both(block: WeightBlock) -> None:
        observe(block)
        watch(block)

    return tell_both
