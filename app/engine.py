"""From a selection to a model, a trace and thumbnails, each made once and shared. Imports torch: import this late."""

from collections.abc import Callable
from dataclasses import dataclass

from app import cache
from app.state import Selection
from model import sources
from model.analysis.thumbnails import Thumbnails, head_thumbnails
from model.generation import Generation, record_generation
from model.loading import LoadedModel, load_model
from model.recording import record
from model.trace import Trace


@dataclass(frozen=True, eq=False)
class Run:
    """What one run of the model gave: its trace, and what the model wrote where it was asked to write.

    `key` tells it from every other run.
    """

    key: tuple
    trace: Trace
    generation: Generation | None = None

    @property
    def nbytes(self) -> int:
        """Memory of the trace, in bytes."""
        return self.trace.nbytes


def model_key(selection: Selection) -> tuple:
    """Return what decides which model is loaded."""
    return selection.model.strip(), selection.revision.strip(), selection.device, selection.dtype


def run_key(selection: Selection) -> tuple:
    """Return what decides the run."""
    written = (selection.new_tokens, selection.method, selection.seed)
    pair = selection.second if selection.pair else None
    return *model_key(selection), selection.text, pair, selection.chat, selection.target, selection.cut, written


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
            chat=selection.chat, progress=progress,
        )  # fmt: skip
        return Run(run_key(selection), written.trace, written)
    text = (selection.text, selection.second) if selection.pair and selection.second.strip() else selection.text
    trace = record(loaded, text, target=target or None, truncate=selection.cut, progress=progress, chat=selection.chat)
    return Run(run_key(selection), trace)


def thumbnails_of(run: Run, selection: Selection, stack: str, progress: Callable[[float], None]) -> Thumbnails:
    """Return the thumbnails of one stack of a run."""
    shape = (stack, selection.words, selection.hide_special)
    return cache.pictures().get_or_make(
        (run.key, shape),
        lambda: head_thumbnails(
            run.trace, stack=stack, words=selection.words, hide_special=selection.hide_special, progress=progress
        ),
    )
