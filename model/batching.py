"""record_batches: many texts, run together where they have as many tokens, and each kept as a Trace of its own."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from model.batch_collector import BatchCollector
from model.device_budget import holding, within_budget
from model.devices import trace_budget
from model.encoding import Encoding, encode
from model.errors import HeadscopeError, InputError
from model.intervening import intervening
from model.interventions import HeadIntervention
from model.lazy_capture import Progress, captured, collected
from model.loading import LoadedModel
from model.recorded_trace import recorded_trace
from model.recording import record, record_encoding, rising
from model.running_alone import running_alone
from model.trace import Trace

OnError = Callable[[int, HeadscopeError], None]
# What runs together: the index of every text and its encoding, or the text itself where that is encoded only then.
Encoded = list[tuple[int, Encoding]]
Batch = Sequence[tuple[int, Encoding | str]]
# The share of the work that is done when every text is encoded.
_ENCODED = 0.05


def record_batches(
    loaded: LoadedModel,
    texts: Sequence[str],
    *,
    batch_tokens: int = 4096,
    progress: Progress | None = None,
    on_error: OnError | None = None,
    interventions: Sequence[HeadIntervention] = (),
) -> Iterator[tuple[int, Trace]]:
    """Yield (index in `texts`, Trace) of every text, the shorter ones first; each is what `record` gives for that text.

    Texts with as many tokens run together, at most `batch_tokens` tokens (or one text) at a time; nothing is padded, so
    a text is computed as if alone. Encoder-decoders, and families whose batches cannot be captured lazily and exactly, run
    text by text, in the order given or by length. A trace owns its tensors, so one that is dropped frees its memory; the
    traces of one batch are held at a time. The model is locked while a batch runs, and free while the caller has a trace.
    `progress` is called with the done share after every text that is encoded and every block; what it raises cancels.
    `interventions` change heads in every run.

    Raises InputError (TextTooLong) for a text that cannot be run; with `on_error` that is called with the text's index and
    the error instead, and the text is left out. Raises NoAttention where the model has no map to show.
    """
    report = rising(progress or (lambda _share: None))
    together = not loaded.is_encoder_decoder
    batches: list[Any]
    if together:
        batches = _batches(_encoded(loaded, texts, _part(report, 0.0, _ENCODED), on_error), batch_tokens)
    else:
        # The model itself writes what its decoder reads, so that encoding a text runs it: left to `record`.
        batches = [[(index, text)] for index, text in enumerate(texts)]
    share = _ENCODED if together else 0.0
    of_one_token = (1 - share) / max(1, sum(map(_work, batches)))
    while batches:
        batch = batches.pop(0)
        width = of_one_token * _work(batch)
        part = _part(report, share, width)
        share += width
        traces = _run_together(loaded, batch, part, interventions) if together and len(batch) > 1 else None
        # A family that fails once would fail again, and every batch would be run twice.
        together &= traces is not None or len(batch) == 1
        if traces is None:
            yield from _run_alone(loaded, batch, part, on_error, interventions)
        while traces:
            yield traces.pop(0)
    report(1.0)


def _encoded(loaded: LoadedModel, texts: Sequence[str], report: Progress, on_error: OnError | None) -> Encoded:
    """Return the encodings of the texts that can be encoded; the model's tokenizer is locked for one text at a time."""
    encoded: Encoded = []
    for index, text in enumerate(texts):
        try:
            with loaded.lock:
                encoded.append((index, encode(loaded, text)))
        except InputError as error:
            if on_error is None:
                raise
            on_error(index, error)
        report((index + 1) / len(texts))
    return encoded


def _batches(encoded: Encoded, batch_tokens: int) -> list[Encoded]:
    """Return batches of texts whose tensors have the same shapes, those of shorter texts first."""
    alike: dict[tuple[Any, ...], Encoded] = defaultdict(list)
    for index, encoding in encoded:
        alike[tuple((name, *tensor.shape) for name, tensor in encoding.tensors.items())].append((index, encoding))
    batches = []
    for group in sorted(alike.values(), key=lambda group: _work(group[:1])):
        size = max(1, batch_tokens // _work(group[:1]))
        batches += [group[start : start + size] for start in range(0, len(group), size)]
    return batches


def _work(batch: Batch) -> int:
    """Return the number of tokens that a batch runs over, or of texts where their tokens are not known."""
    return sum(len(encoding.tokens) if isinstance(encoding, Encoding) else 1 for _, encoding in batch)


def _part(report: Progress, first: float, width: float) -> Progress:
    # Sums of shares may end a rounding above one.
    return lambda share: report(min(1.0, first + width * share))


def _run_together(
    loaded: LoadedModel, batch: Encoded, report: Progress, interventions: Sequence[HeadIntervention]
) -> list[tuple[int, Trace]] | None:
    """Return the index and Trace of every entry of one run; None where they cannot be captured exactly in a batch."""
    encodings = [encoding for _, encoding in batch]
    tensors = {name: torch.cat([encoding.tensors[name] for encoding in encodings]) for name in encodings[0].tensors}
    with running_alone(loaded), intervening(loaded, interventions):
        budget = trace_budget(loaded.device) // len(batch)
        try:
            with holding(budget):
                collector = collected(loaded, tensors, report, batch=len(batch))
        except InputError:
            # Too much for the device at once, or something that the family does with one text only.
            return None
        captures = [captured(entry) for entry in collector.entries] if isinstance(collector, BatchCollector) else []
        kept = [within_budget(layers, states, budget) for layers, states in captures if layers]
        if len(kept) < len(batch):
            return None
        return [
            (index, recorded_trace(loaded, encoding, *own)) for (index, encoding), own in zip(batch, kept, strict=True)
        ]


def _run_alone(
    loaded: LoadedModel,
    batch: Batch,
    report: Progress,
    on_error: OnError | None,
    interventions: Sequence[HeadIntervention],
) -> Iterator[tuple[int, Trace]]:
    """Yield the index and Trace of every text of a batch, run one by one."""
    for number, (index, inputs) in enumerate(batch):
        part = _part(report, number / len(batch), 1 / len(batch))
        try:
            with intervening(loaded, interventions):
                if isinstance(inputs, Encoding):
                    trace = record_encoding(loaded, inputs, progress=part)
                else:
                    trace = record(loaded, inputs, progress=part)
        except InputError as error:
            if on_error is None:
                raise
            on_error(index, error)
        else:
            yield index, trace
            # Not held while the next one is made.
            del trace
