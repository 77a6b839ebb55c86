"""study_corpus: every score of every head over all texts of a corpus, chunk by chunk, from where an earlier run was stopped."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model.analysis.repeated_tokens import RepeatedTokens, repeated_token_scores
from model.errors import HeadscopeError, NoAttention
from model.loading import LoadedModel
from model.partial_scores import run_fingerprint
from model.recorded_trace import versions
from model.study.checkpoint import Checkpoint
from model.study.chunks import CHUNK, chunk_moments, tokens_together
from model.study.corpus import Corpus, StudyText
from model.study.encoding import TextEncoder
from model.study.frames import study_frame
from model.study.measuring import Measurer, ScoredWith
from model.study.moments import Key, LayerMoments, StudyMoments, layer_moments
from model.study.records import HeadStudy
from model.study.sampling import measure_sample
from model.study.survey import Survey, pieces, survey

Progress = Callable[[float, str], None]
# A chunk by its number, with the number of its first text; what it comes to, and the seconds that took.
Chunk = tuple[int, int, list[StudyText]]
Done = tuple[int, StudyMoments, float]
RunChunks = Callable[[Iterable[Chunk], ScoredWith], Iterator[Done]]
# What its kinds of scores are called in the key of moments: random tokens have texts of their own.
RANDOM = "random tokens"
_SURVEYED, _MEASURED = 0.05, 0.95


def study_corpus(
    loaded: LoadedModel,
    corpus: Corpus,
    *,
    limit: int | None = None,
    result: Path | None = None,
    restart: bool = False,
    progress: Progress | None = None,
    command: str = "",
    chunk: int = CHUNK,
    batch_tokens: int | None = None,
    run_chunks: RunChunks | None = None,
    written: Callable[[HeadStudy], object] | None = None,
) -> HeadStudy:
    """Return the study of a model over the texts of a corpus, at most `limit` of them.

    What is done of it is kept beside the file `result` after every `chunk` texts, unless that is None, and a run that was
    stopped goes on from there (`restart`: anew); the numbers are the same wherever it was stopped. Only sums, the frequencies of
    tokens and a sample are kept in memory. `progress` is called with the done share and what is being done, and may raise to
    cancel. `run_chunks` runs the chunks elsewhere (see `model.study.ray_chunks`) and gives them back in order. `written` is
    called with the study before what was kept beside its file is removed.

    Raises HeadscopeError where nothing can be studied or a file cannot be read or written.
    """
    report = progress or (lambda _share, _doing: None)
    encoder = TextEncoder(loaded)
    report(0.0, "Reading the texts")
    # The number of texts is known only at the end: this share goes ever slower.
    found = survey(
        corpus, encoder, limit=limit, tokenizer=loaded.tokenizer,
        report=lambda texts: report(_SURVEYED * texts / (texts + 10_000), "Reading the texts"),
    )  # fmt: skip
    batch_tokens = batch_tokens or tokens_together(loaded)
    described = ("study", found.digest, chunk, batch_tokens, versions())
    checkpoint = Checkpoint(result, run_fingerprint(loaded, described), restart=restart)
    measurer = Measurer(loaded, ScoredWith(found.frequencies, found.relations))
    run_chunks = run_chunks or local_chunks(measurer, encoder, batch_tokens)
    waiting = _chunks(corpus, loaded.tokenizer, found.count, chunk, checkpoint.chunks)
    _report_chunks(report, checkpoint.chunks * chunk, found.count)
    for number, moments, seconds in run_chunks(waiting, measurer.scored_with):
        checkpoint.add(number, moments, seconds)
        _report_chunks(report, checkpoint.chunks * chunk, found.count)
    if not checkpoint.moments.texts:
        raise HeadscopeError(f"No text of the data could be run by {loaded.name}. Choose other texts.")
    study = _finished(loaded, corpus, found, checkpoint, measurer, encoder, command, report)
    if written is not None:
        written(study)
        checkpoint.remove()
    report(1.0, "Done")
    return study


def local_chunks(measurer: Measurer, encoder: TextEncoder, batch_tokens: int | None = None) -> RunChunks:
    """Return a RunChunks that runs every chunk here."""

    def run(chunks: Iterable[Chunk], _scored_with: ScoredWith) -> Iterator[Done]:
        for number, first, texts in chunks:
            started = time.perf_counter()
            moments = chunk_moments(measurer, encoder, texts, first, batch_tokens=batch_tokens)
            yield number, moments, time.perf_counter() - started

    return run


def _chunks(corpus: Corpus, tokenizer: Any, count: int, size: int, done: int) -> Iterator[Chunk]:
    for number, texts in enumerate(pieces(corpus, tokenizer, count, size, skip=done), start=done):
        yield number, number * size, texts


def _report_chunks(report: Progress, texts: int, count: int) -> None:
    share = min(1.0, texts / count)
    report(_SURVEYED + (_MEASURED - _SURVEYED) * share, f"{min(texts, count):,} of {count:,} texts")


def _finished(
    loaded: LoadedModel,
    corpus: Corpus,
    found: Survey,
    checkpoint: Checkpoint,
    measurer: Measurer,
    encoder: TextEncoder,
    command: str,
    report: Progress,
) -> HeadStudy:
    started = time.perf_counter()
    report(_MEASURED, "Random repeated tokens")
    random, plan = _random_moments(loaded)
    report((1 + _MEASURED) / 2, "A sample of the texts")
    sample = measure_sample(measurer, encoder, found.sample)
    moments = checkpoint.moments
    left_out = dict(found.left_out) | dict(moments.left_out)
    run = {
        "command": command,
        "data": _data(corpus),
        "texts": moments.texts,
        "tokens": moments.tokens,
        "seconds": round(checkpoint.seconds + time.perf_counter() - started, 2),
        "device": str(loaded.device),
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "versions": versions(),
        "left_out": left_out,
        "streamed": bool(measurer.streams),
        "random_tokens": plan,
    }
    return HeadStudy(
        loaded.name, loaded.revision, loaded.model.config.model_type, study_frame({**moments.layers, **random}),
        sample.divergence, sample.heads, sample.texts, sample.scores, run,
    )  # fmt: skip


def _random_moments(loaded: LoadedModel) -> tuple[dict[Key, LayerMoments], dict[str, int]]:
    """Return the moments of the scores on random repeated tokens and how these are made; nothing where they do not fit."""
    plan = RepeatedTokens()
    limit = loaded.position_limit
    if limit is not None:
        # Room for the special tokens of any template.
        plan = RepeatedTokens(period=max(2, min(plan.period, (limit - 8) // plan.repeats)))
    with suppress(HeadscopeError, NoAttention):
        scores = repeated_token_scores(loaded, plan)
        layers = {
            (stack, layer, RANDOM): layer_moments([sums], range(plan.sequences))
            for stack, by_layer in scores.items()
            for layer, sums in by_layer.items()
        }
        return layers, asdict(plan) | {"offset": plan.offset}
    return {}, {}


def _data(corpus: Corpus) -> dict[str, object]:
    """Return what was read: of a path only the name, which says nothing of its owner."""
    unit = {"unit": corpus.unit or "sentence or line"} | ({"window": corpus.window} if corpus.unit == "window" else {})
    return {"files": [path.name for path in corpus.files], **unit}
