"""The sample of a study: what each of a few short texts gives every head, and how alike heads are on them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.errors import InputError
from model.study.chunks import Numbered, batches, measured, tokens_together
from model.study.corpus import StudyText
from model.study.encoding import TextEncoder
from model.study.measuring import BatchSums, Measurer
from model.study.moments import OFFSETS
from model.study.similarity import HeadDivergence


@dataclass(frozen=True, eq=False)
class Sample:
    """The texts that could be run, the scores [text, head] of each by (stack, score), and the heads' mean divergence."""

    texts: tuple[str, ...]
    scores: dict[tuple[str, str], np.ndarray]
    divergence: dict[str, np.ndarray]
    heads: dict[str, tuple[tuple[int, int], ...]]


def measure_sample(measurer: Measurer, encoder: TextEncoder, sample: Sequence[tuple[int, StudyText]]) -> Sample:
    """Return the Sample of (number, text) in their order; texts that cannot be run are left out."""
    encodings = encoder.encode([one for _, one in sample])
    encoded = [
        (number, encoding, one)
        for (number, one), encoding in zip(sample, encodings, strict=True)
        if not isinstance(encoding, str)
    ]
    divergence, found = HeadDivergence(), {}
    heads: dict[str, tuple[tuple[int, int], ...]] = {}
    for batch in batches(encoded, tokens_together(measurer.loaded)):
        try:
            sums = _watched(measurer, batch, divergence)
        except InputError:
            divergence.forget()
            continue
        divergence.finish_batch()
        heads = heads or _heads(sums)
        for place, (number, _, _) in enumerate(batch):
            found[number] = _scores(sums, place)
    order = sorted(found)
    texts = {number: one.text for number, one in sample}
    names = dict.fromkeys(key for number in order for key in found[number])
    scores = {
        (stack, score): np.stack(
            [
                found[number].get((stack, score), np.full(len(heads[stack]), np.nan, dtype=np.float32))
                for number in order
            ]
        )
        for stack, score in names
    }
    return Sample(tuple(texts[number] for number in order), scores, divergence.means(), heads)


def _watched(measurer: Measurer, batch: list[Numbered], divergence: HeadDivergence) -> BatchSums:
    streams = measurer.streams
    sums = measured(measurer, batch, divergence.observe)
    if measurer.streams != streams:
        # Some of what was watched may have come from a run that was thrown away.
        divergence.forget()
        sums = measured(measurer, batch, divergence.observe)
    return sums


def _heads(sums: BatchSums) -> dict[str, tuple[tuple[int, int], ...]]:
    heads: dict[str, tuple[tuple[int, int], ...]] = {}
    for stack, layer, kind in sorted(sums):
        if kind != OFFSETS:
            own = ((layer, head) for head in range(sums[stack, layer, kind].values.shape[2]))
            heads[stack] = tuple(sorted({*heads.get(stack, ()), *own}))
    return heads


def _scores(sums: BatchSums, place: int) -> dict[tuple[str, str], np.ndarray]:
    """Return by (stack, score) what the text at this place of a batch gives the heads of all layers, in order."""
    parts: dict[tuple[str, str], list[np.ndarray]] = {}
    for (stack, _layer, kind), own in sorted(sums.items(), key=lambda entry: entry[0]):
        if kind == OFFSETS:
            continue
        counts = own.counts[:, place, None]
        means = np.divide(
            own.values[:, place], counts, where=counts > 0, out=np.full_like(own.values[:, place], np.nan)
        )
        for name, values, count in zip(own.names, means, counts, strict=True):
            if count > 0:
                parts.setdefault((stack, name), []).append(values)
    return {key: np.concatenate(values).astype(np.float32) for key, values in parts.items()}
