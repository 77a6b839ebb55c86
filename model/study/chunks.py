"""One chunk of a corpus: its texts run together by length, and what they come to."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model.analysis.score_sums import ScoreSums
from model.encoding import Encoding
from model.errors import InputError
from model.loading import LoadedModel
from model.study.corpus import StudyText
from model.study.encoding import NOT_RUN, TextEncoder
from model.study.measuring import BatchSums, Measurer
from model.study.moments import Key, LayerMoments, StudyMoments, layer_moments
from model.weight_stream import Observe

# Texts of a chunk: enough for batches of one length, few enough to lose when a run is stopped.
CHUNK = 1024
# Tokens that run together: on a CPU few enough that a layer's weights stay in its caches while they are read.
_BATCH_TOKENS = {"cpu": 1024}
_OTHER_BATCH_TOKENS = 16384
Numbered = tuple[int, Encoding, StudyText]


def chunk_moments(
    measurer: Measurer,
    encoder: TextEncoder,
    texts: Sequence[StudyText],
    first: int,
    *,
    batch_tokens: int | None = None,
) -> StudyMoments:
    """Return the moments of consecutive texts, of which the first has the number `first`.

    Texts with as many tokens run together, at most `batch_tokens` tokens (or one text) at a time (see `tokens_together`);
    nothing is padded. Texts that the model cannot run are counted by reason.
    """
    left_out: dict[str, int] = defaultdict(int)
    encoded: list[Numbered] = []
    for number, (encoding, one) in enumerate(zip(encoder.encode(texts), texts, strict=True), start=first):
        if isinstance(encoding, str):
            left_out[encoding] += 1
        else:
            encoded.append((number, encoding, one))
    found: dict[Key, list[tuple[list[int], ScoreSums]]] = defaultdict(list)
    tokens = count = 0
    for batch in batches(encoded, batch_tokens or tokens_together(measurer.loaded)):
        for part, sums in _measured(measurer, batch):
            if sums is None:
                left_out[NOT_RUN] += len(part)
                continue
            numbers = [number for number, _, _ in part]
            count, tokens = count + len(part), tokens + sum(len(encoding.tokens) for _, encoding, _ in part)
            for key, own in sums.items():
                found[key].append((numbers, own))
    return StudyMoments(_folded(found), count, tokens, dict(left_out))


def tokens_together(loaded: LoadedModel) -> int:
    """Return how many tokens run together on the model's device."""
    return _BATCH_TOKENS.get(loaded.device.type, _OTHER_BATCH_TOKENS)


def batches(encoded: Sequence[Numbered], batch_tokens: int) -> Iterator[list[Numbered]]:
    """Yield texts whose tensors have equal shapes and whose annotations are there alike, shorter ones first."""
    alike: dict[tuple[Any, ...], list[Numbered]] = defaultdict(list)
    for one in encoded:
        shapes = tuple((name, *tensor.shape) for name, tensor in one[1].tensors.items())
        alike[shapes, one[2].sentence is None].append(one)
    for _, group in sorted(alike.items(), key=lambda entry: (len(entry[1][0][1].tokens), entry[0])):
        size = max(1, batch_tokens // len(group[0][1].tokens))
        yield from (group[start : start + size] for start in range(0, len(group), size))


def measured(measurer: Measurer, batch: Sequence[Numbered], watch: Observe | None = None) -> BatchSums:
    """Return the sums of a batch (see `Measurer.batch`)."""
    encodings = [encoding for _, encoding, _ in batch]
    sentences = [one.sentence for _, _, one in batch if one.sentence is not None]
    return measurer.batch(encodings, sentences or None, watch)


def _measured(measurer: Measurer, batch: list[Numbered]) -> Iterator[tuple[list[Numbered], BatchSums | None]]:
    """Yield the sums of a batch, or of its texts one by one where they cannot run together; None for those that never can."""
    try:
        yield batch, measured(measurer, batch)
    except InputError:
        if len(batch) == 1:
            yield batch, None
            return
        for one in batch:
            yield from _measured(measurer, [one])


def _folded(found: Mapping[Key, Sequence[tuple[list[int], ScoreSums]]]) -> dict[Key, LayerMoments]:
    """Return the moments of every layer; layers that share their sums (offsets under one mask) share the moments too."""
    done: dict[tuple[Any, ...], LayerMoments] = {}
    folded = {}
    for key, parts in found.items():
        known = tuple(id(sums) for _, sums in parts)
        if known not in done:
            done[known] = layer_moments(
                [sums for _, sums in parts], [number for numbers, _ in parts for number in numbers]
            )
        folded[key] = done[known]
    return folded
