"""The chunks of a study on Ray: one model per worker, the texts handed out by Ray Data, the sums given back in order.

Ray is optional (requirements-ray.txt) and imported only here, when it is asked for.
"""

import json
import logging
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.conllu import ParsedSentence, ParsedWord
from model.errors import HeadscopeError
from model.loading import LoadedModel, load_model
from model.partial_scores import run_fingerprint
from model.study.chunks import chunk_moments
from model.study.corpus import StudyText
from model.study.encoding import TextEncoder
from model.study.measuring import Measurer, ScoredWith
from model.study.moments import moments_from_bytes
from model.study.running import Chunk, Done, RunChunks

# Ray's own switch between a cluster and one machine; by default it depends on the operating system.
_CLUSTER = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


@dataclass(frozen=True)
class WorkerModel:
    """What a worker loads: a bundled name, a hub id, or a folder that every node has; `fingerprint` says that it is the same."""

    name: str
    revision: str | None
    device: str
    dtype: str
    fingerprint: str


def worker_model(loaded: LoadedModel, name: str) -> WorkerModel:
    """Return what workers load to have the model that was loaded here by this name."""
    dtype = str(loaded.dtype).removeprefix("torch.")
    return WorkerModel(name, None, loaded.device.type, dtype, run_fingerprint(loaded, ()))


class ChunkWorker:
    """A worker of Ray Data: loads its model once and returns the moments of every chunk that it is given."""

    def __init__(self, model: WorkerModel, scored_with: ScoredWith, batch_tokens: int | None):
        loaded = load_model(model.name, revision=model.revision, device=model.device, dtype=model.dtype)
        if run_fingerprint(loaded, ()) != model.fingerprint:
            raise HeadscopeError(
                f"A worker has another “{model.name}” than this machine. Bring the nodes to one version."
            )
        self._encoder, self._measurer = TextEncoder(loaded), Measurer(loaded, scored_with)
        self._batch_tokens = batch_tokens

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = []
        for first, packed in zip(batch["first"], batch["texts"], strict=True):
            started = time.perf_counter()
            moments = chunk_moments(
                self._measurer, self._encoder, _unpacked(packed), int(first), batch_tokens=self._batch_tokens
            )
            found.append((moments.to_bytes(), time.perf_counter() - started))
        return {
            "number": batch["number"],
            "moments": np.array([moments for moments, _ in found], dtype=object),
            "seconds": np.array([seconds for _, seconds in found]),
        }


def ray_chunks(
    model: WorkerModel, *, address: str = "auto", workers: int = 2, batch_tokens: int | None = None
) -> RunChunks:
    """Return a RunChunks that runs chunks on a Ray cluster with one model in each of `workers` workers.

    `address` is that of a cluster ("ray://host:10001", "host:6379"), or "auto": the one that RAY_ADDRESS names, or else one that
    is started for this run, without dashboard and on this machine alone. A worker that dies is replaced and its chunk run
    again. Raises HeadscopeError where Ray is not installed, the cluster cannot be reached, or a worker cannot do its part.
    """
    if workers < 1:
        raise HeadscopeError("A study on Ray needs at least one worker.")
    ray = _ray()

    def run(chunks: Iterable[Chunk], scored_with: ScoredWith) -> Iterator[Done]:
        with _connected(ray, address, workers):
            try:
                yield from _found(ray, chunks, model, scored_with, workers, batch_tokens)
            except ray.exceptions.RayError as error:
                raise HeadscopeError(f"A worker on Ray could not do its part: {_reason(error)}") from error

    return run


def _found(
    ray: Any,
    chunks: Iterable[Chunk],
    model: WorkerModel,
    scored_with: ScoredWith,
    workers: int,
    batch_tokens: int | None,
) -> Iterator[Done]:
    """Yield what the chunks come to, in their order."""
    import pyarrow as pa

    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Only references stay here: the texts lie in Ray's object store, which spills to disk.
    tables, numbers = [], []
    for number, first, texts in chunks:
        tables.append(ray.put(pa.table({"number": [number], "first": [first], "texts": [_packed(texts)]})))
        numbers.append(number)
    if not tables:
        return
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    found = ray.data.from_arrow_refs(tables).map_batches(
        ChunkWorker,
        fn_constructor_args=(model, scored_with, batch_tokens),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=1,
        num_gpus=1 if model.device == "cuda" else 0,
        udf_modifying_row_count=False,
    )
    rows = found.iter_rows()
    done = ((int(row["number"]), moments_from_bytes(row["moments"]), float(row["seconds"])) for row in rows)
    yield from in_order(done, numbers)


def in_order(found: Iterable[Done], numbers: Sequence[int]) -> Iterator[Done]:
    """Yield what every chunk comes to once, in the order of `numbers`, whatever order it comes in and how often."""
    waiting: dict[int, Done] = {}
    following = 0
    for done in found:
        waiting.setdefault(done[0], done)
        while following < len(numbers) and numbers[following] in waiting:
            yield waiting.pop(numbers[following])
            following += 1


@contextmanager
def _connected(ray: Any, address: str, workers: int) -> Iterator[None]:
    """Connect to a cluster for a block of code; a connection that is there already is used and left."""
    if ray.is_initialized():
        yield
        return
    options = {"log_to_driver": False, "logging_level": "error"}
    try:
        if address == "auto":
            _auto(ray, workers, options)
        else:
            # Nodes elsewhere get this package from here; torch and transformers they have.
            package = str(Path(__file__).parents[1])
            ray.init(address=address, runtime_env={"py_modules": [package]}, **options)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise HeadscopeError(
            f"Ray at “{address}” cannot be reached: {_reason(error)} Check the address, and where the cluster asks for a token "
            "that RAY_AUTH_TOKEN holds it; or use --ray auto."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _auto(ray: Any, workers: int, options: dict[str, Any]) -> None:
    if os.environ.get("RAY_ADDRESS"):
        ray.init(address=os.environ["RAY_ADDRESS"], **options)
        return
    # Not address="auto": that waits minutes for a cluster that has died and left its address behind.
    with _on_this_machine_alone():
        ray.init(address="local", num_cpus=workers, include_dashboard=False, **options)


@contextmanager
def _on_this_machine_alone() -> Iterator[None]:
    """Have Ray listen at the loopback address, as it does by itself where it runs on a desktop system."""
    from ray._private import ray_constants

    before, known = os.environ.get(_CLUSTER), ray_constants.ENABLE_RAY_CLUSTER
    os.environ[_CLUSTER], ray_constants.ENABLE_RAY_CLUSTER = "0", False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = known
        del os.environ[_CLUSTER]
        if before is not None:
            os.environ[_CLUSTER] = before


def _ray() -> Any:
    # Said before Ray is imported, which reads it then: nothing is reported to anybody.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise HeadscopeError("Ray is not installed. Run: pip install -r requirements-ray.txt") from error
    return ray


def _reason(error: BaseException) -> str:
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(cause).__name__


def _packed(texts: Sequence[StudyText]) -> bytes:
    plain = [
        [one.text]
        if one.sentence is None
        else [
            one.text,
            one.sentence.identifier,
            [[word.form, *word.span, word.head, word.relation] for word in one.sentence.words],
        ]
        for one in texts
    ]
    return zlib.compress(json.dumps(plain).encode())


def _unpacked(packed: bytes) -> list[StudyText]:
    return [_study_text(*entry) for entry in json.loads(zlib.decompress(packed))]


def _study_text(text: str, identifier: str = "", words: Sequence[Sequence[Any]] | None = None) -> StudyText:
    if words is None:
        return StudyText(text)
    parsed = (ParsedWord(form, (start, end), head, relation) for form, start, end, head, relation in words)
    return StudyText(text, ParsedSentence(text, tuple(parsed), identifier))
