"""What the page Hidden states shows of a selection, each made once and shared. Imports torch: import this late."""

from collections.abc import Callable
from dataclasses import replace

from app import cache, engine
from app.engine import Run
from app.selection import Selection
from model.lens_result import LogitLens
from model.loading import LoadedModel
from model.logit_lens import logit_lens

Progress = Callable[[float], None]


def runs_of(selection: Selection, loaded: LoadedModel, second: bool, progress: Progress) -> list[Run]:
    """Return the run of the sentence, and of the `second` one; raises HeadscopeError."""
    texts = [selection.text, selection.other] if second and selection.other.strip() else [selection.text]
    found = []
    for place, text in enumerate(texts):
        own = selection if place == 0 else replace(selection, target="")
        told = lambda share, place=place: progress((place + share) / len(texts))  # noqa: E731
        found.append(engine.sentence_run(own, text, loaded, told))
    return found


def lens_of(selection: Selection, loaded: LoadedModel, progress: Progress) -> LogitLens:
    """Return the logit lens of the sentence; raises HeadscopeError where the model has no head."""
    target = selection.target.strip() or None
    key = (*engine.model_key(selection), selection.text, target, "lens")

    own = target if loaded.is_encoder_decoder else None
    return cache.pictures().get_or_make_sized(
        key,
        lambda: logit_lens(loaded, selection.text, target=own, progress=progress),
        lambda lens: 3 * lens.top_ids.nbytes + 10_000,
    )
