"""From a selection to a model, a trace and thumbnails, each made once and shared. Imports torch: import this late."""

from collections.abc import Callable

from app import cache
from app.state import Selection
from model import sources
from model.analysis.thumbnails import Thumbnails, head_thumbnails
from model.loading import LoadedModel, load_model
from model.recording import record
from model.trace import Trace


def model_key(selection: Selection) -> tuple:
    """Return what decides which model is loaded."""
    return selection.model.strip(), selection.revision.strip(), selection.device, selection.dtype


def trace_key(selection: Selection) -> tuple:
    """Return what decides the run."""
    return *model_key(selection), selection.text, selection.target, selection.cut


def loaded_model(selection: Selection, progress: Callable[[float, str], None]) -> LoadedModel:
    """Return the selected model, loading it where it is not here yet; raises HeadscopeError."""
    name, revision, device, dtype = model_key(selection)
    return cache.models().get_or_make(
        model_key(selection),
        lambda: load_model(name, revision=revision or None, device=device, dtype=dtype, progress=progress),
    )


def needs_download(selection: Selection) -> bool:
    """Say whether loading the selected model would use the network."""
    name, revision, _, _ = model_key(selection)
    return sources.needs_download(name, revision or None)


def recorded_trace(selection: Selection, loaded: LoadedModel, progress: Callable[[float], None]) -> Trace:
    """Return the trace of the selected text; raises HeadscopeError."""
    target = selection.target if loaded.is_encoder_decoder else None
    return cache.traces().get_or_make(
        trace_key(selection),
        lambda: record(loaded, selection.text, target=target or None, truncate=selection.cut, progress=progress),
    )


def thumbnails_of(selection: Selection, trace: Trace, stack: str, progress: Callable[[float], None]) -> Thumbnails:
    """Return the thumbnails of one stack of the trace."""
    shape = (stack, selection.words, selection.hide_special)
    return cache.pictures().get_or_make(
        (trace_key(selection), shape),
        lambda: head_thumbnails(
            trace, stack=stack, words=selection.words, hide_special=selection.hide_special, progress=progress
        ),
    )
