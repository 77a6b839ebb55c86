"""What the Translation page runs: its own models and input, whatever other pages have. Imports torch: import this late."""

from collections.abc import Callable
from dataclasses import dataclass

from app import cache, engine
from app.choices import MOST_NEW_TOKENS
from app.selection import Selection
from app.translation_pictures import Translation
from model.beams import BeamSearch, beam_search
from model.catalog import TRANSLATORS
from model.loading import LoadedModel


def translators(selection: Selection) -> tuple[str, ...]:
    """Return the names of the models that translate: one architecture, or all of them side by side."""
    chosen = tuple(name for name, title in TRANSLATORS.items() if title == selection.translator)
    return chosen or tuple(TRANSLATORS)


def translation_selection(selection: Selection, model: str) -> Selection:
    """Return the selection of a translation model and its input, whatever model and input other pages have."""
    method = "beam" if selection.search == "beam" else "greedy"
    return Selection(
        model=model, text=selection.english, new_tokens=MOST_NEW_TOKENS, method=method, beams=selection.beams
    )


@dataclass(frozen=True)
class KeptBeams:
    """A beam search with the size that it counts for in a store."""

    search: BeamSearch
    nbytes: int = 100_000


def beams_of(selection: Selection, loaded: LoadedModel) -> BeamSearch:
    """Return the beam search over the text to translate; raises HeadscopeError."""
    key = (loaded.name, "beams", selection.english, selection.beams)

    def make() -> KeptBeams:
        return KeptBeams(beam_search(loaded, selection.english, beams=selection.beams, max_new_tokens=MOST_NEW_TOKENS))

    return cache.pictures().get_or_make(key, make).search


def translation(selection: Selection, name: str, loaded: LoadedModel, progress: Callable[[float], None]) -> Translation:
    """Return what one model makes of the text to translate; raises HeadscopeError."""
    run = engine.run(translation_selection(selection, name), loaded, progress)
    return Translation(TRANSLATORS[name], loaded, run.generation)
