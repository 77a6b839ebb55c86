"""From a selection to a model, a trace and thumbnails, each made once and shared. Imports torch: import this late."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from app import cache
from app.held_out import PairScores, pair_scores
from app.selection import Selection
from model import sources
from model.analysis.views import LONGEST_WHOLE
from model.coreference_benchmark import benchmark_coreference
from model.coreference_records import CoreferenceResults
from model.coreference_results import merge_results, shipped_results
from model.coreference_sets import read_set
from model.errors import HeadscopeError
from model.generation import Generation, record_generation
from model.loading import LoadedModel, load_model
from model.overview import Overview, record_overview
from model.recording import record
from model.text_windows import TextWindows
from model.trace import Trace
from model.zeroed_positions import positions_zeroed

# What a trace may hold in memory; the rest of a longer one stands in files that go with it.
MOST_TRACE_BYTES = cache.GIGABYTE // 2


@dataclass(frozen=True, eq=False)
class Run:
    """What one run of the model gave: its trace, and what the model wrote where it was asked to write.

    `key` tells it from every other run. Of a long text `overview` is what was seen of every head while the model ran.
    """

    key: tuple
    trace: Trace
    generation: Generation | None = None
    overview: Overview | None = None

    @property
    def nbytes(self) -> int:
        """Memory of the trace, in bytes."""
        return self.trace.nbytes


def model_key(selection: Selection) -> tuple:
    """Return what decides which model is loaded."""
    return selection.model.strip(), selection.revision.strip(), selection.device, selection.dtype


def run_key(selection: Selection) -> tuple:
    """Return what decides the run."""
    beams = selection.beams if selection.method == "beam" else None
    written = (selection.new_tokens, selection.method, selection.seed, beams)
    pair = selection.second if selection.pair else None
    start = selection.window_start if selection.keep == "window" else 0
    cut = (selection.keep, start) if selection.cut else None
    return *model_key(selection), selection.text, pair, selection.chat, selection.target, cut, written


def loaded_model(selection: Selection, progress: Callable[[float, str], None]) -> LoadedModel:
    """Return the selected model, loading it where it is not here yet; raises HeadscopeError."""
    name, revision, device, dtype = model_key(selection)
    placed = {"device_map": "auto"} if device == "spread" else {"device": device}
    return cache.models().get_or_make(
        model_key(selection),
        lambda: load_model(name, revision=revision or None, dtype=dtype, progress=progress, **placed),
    )


def needs_download(selection: Selection) -> bool:
    """Say whether loading the selected model would use the network."""
    name, revision, _, _ = model_key(selection)
    return sources.needs_download(name, revision or None)


def run(selection: Selection, loaded: LoadedModel, progress: Callable[[float], None]) -> Run:
    """Return the run of the selected input; raises HeadscopeError."""
    return cache.runs().get_or_make(run_key(selection), lambda: _run(selection, loaded, progress))


def _run(selection: Selection, loaded: LoadedModel, progress: Callable[[float], None]) -> Run:
    target = selection.target.strip() if loaded.is_encoder_decoder else ""
    if selection.new_tokens and not target:
        written = record_generation(
            loaded, selection.text, max_new_tokens=selection.new_tokens, method=selection.method, seed=selection.seed,
            beams=selection.beams, chat=selection.chat, progress=progress,
        )  # fmt: skip
        return Run(run_key(selection), written.trace, written)
    key, asked = run_key(selection), {"target": target or None, "progress": progress, "chat": selection.chat}
    if selection.pair and selection.second.strip():
        return Run(key, record(loaded, (selection.text, selection.second), truncate=selection.cut, **asked))
    windows = text_windows(selection, loaded)
    text = windows.kept(selection.keep, selection.window_start).text if selection.cut else selection.text
    if min(windows.count, windows.limit or windows.count) <= LONGEST_WHOLE:
        return Run(key, record(loaded, text, **asked))
    overview = record_overview(loaded, text, memory_budget=MOST_TRACE_BYTES, **asked)
    return Run(key, overview.trace, overview=overview)


def text_windows(selection: Selection, loaded: LoadedModel) -> TextWindows:
    """Return the parts of the selected text that the model reads; raises HeadscopeError."""
    key = (*model_key(selection), loaded.position_limit, selection.text, selection.chat, "windows")
    return cache.pictures().get_or_make_sized(
        key,
        lambda: TextWindows(loaded, selection.text, chat=selection.chat),
        lambda found: 100 * found.count + 4 * len(found.text),
    )


def sentence_run(selection: Selection, text: str, loaded: LoadedModel, progress: Callable[[float], None]) -> Run:
    """Return the run of one text alone, whatever other page's input stands beside it; raises HeadscopeError."""
    alone = replace(selection, text=text, pair=False, chat=False, new_tokens=0, cut=False)
    return run(alone, loaded, progress)


def zeroed_run(selection: Selection, text: str, loaded: LoadedModel, progress: Callable[[float], None]) -> Run:
    """Return the run of one text with every added position taken away; raises HeadscopeError where the model adds none."""
    key = (*model_key(selection), text, "no positions")

    def make() -> Run:
        with positions_zeroed(loaded):
            return Run(key, record(loaded, text, progress=progress))

    return cache.runs().get_or_make(key, make)


def known_pair_scores(
    selection: Selection, loaded: LoadedModel, progress: Callable[[float], None]
) -> PairScores | None:
    """Return how every head of the selected model does on the minimal pairs, or None for a model that can read none of them."""
    try:
        return cache.pictures().get_or_make(
            (model_key(selection), "minimal pairs", selection.direction),
            lambda: pair_scores(loaded, selection.direction, progress),
        )
    except HeadscopeError:
        return None


@dataclass(frozen=True)
class KeptResults:
    """Results of coreference sets with the size that they count for in a store."""

    results: CoreferenceResults
    nbytes: int = 4_000_000


def coreference_results(selection: Selection) -> CoreferenceResults | None:
    """Return the results of the selected model on coreference sets: measured in this process, or shipped with the model."""
    measured = cache.pictures().get((model_key(selection), "coreference results"))
    return measured.results if measured is not None else shipped_results(selection.model)


def measure_coreference(
    selection: Selection, loaded: LoadedModel, name: str, files: list[tuple[str, bytes]], folder: str,
    progress: Callable[[float], None],
) -> CoreferenceResults:  # fmt: skip
    """Measure a set with the selected model and keep its results beside those of other sets; raises HeadscopeError."""
    with tempfile.TemporaryDirectory() as place:
        for position, (file, data) in enumerate(files):
            # The name says the type of a WinoBias file; nothing of a path stays in it.
            (Path(place) / f"{position}-{Path(file).name}").write_bytes(data)
        paths = sorted(Path(place).iterdir()) if files else [Path(folder).expanduser()]
        data = read_set(name, paths)
    measured = benchmark_coreference(loaded, data, progress=progress)
    kept = _beside(coreference_results(selection), measured)
    cache.pictures().put((model_key(selection), "coreference results"), KeptResults(kept))
    return measured


def _beside(earlier: CoreferenceResults | None, measured: CoreferenceResults) -> CoreferenceResults:
    """Return new results together with earlier ones of other sets of the same model."""
    others = (
        {} if earlier is None else {name: found for name, found in earlier.sets.items() if name not in measured.sets}
    )
    runs = (
        ()
        if earlier is None
        else tuple(run for run in earlier.runs if run.set not in {one.set for one in measured.runs})
    )
    if not others or earlier.revision != measured.revision:
        return measured
    return merge_results([replace(earlier, sets=others, runs=runs), measured])
