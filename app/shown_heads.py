"""The heads of a run as they are shown, made once and shared: all of them small, and one in full. Imports torch."""

from collections.abc import Callable

from app import cache
from app.attention_pictures import ShownHead, from_afar, selected_rows, selected_view
from app.engine import Run
from app.selection import Selection
from model.analysis.thumbnails import Thumbnails, head_thumbnails
from model.analysis.views import LONGEST_WHOLE

# What decides which weights of a trace a head view shows.
_OF_A_HEAD = ("layer", "head", "combination", "words", "hide_special", "block")


def thumbnails_of(run: Run, selection: Selection, stack: str, progress: Callable[[float], None]) -> Thumbnails:
    """Return the thumbnails of one stack of a run."""
    shape = {"words": selection.words, "hide_special": selection.hide_special, "pooling": selection.pooling}

    def make() -> Thumbnails:
        if run.overview is not None and not (selection.words or selection.hide_special):
            return run.overview.thumbnails(stack, selection.pooling)
        return head_thumbnails(run.trace, stack=stack, progress=progress, **shape)

    return cache.pictures().get_or_make((run.key, stack, *shape.values()), make)


def shown_head(run: Run, selection: Selection, stack: str) -> ShownHead:
    """Return what is shown of the selected head of a run; of a long one nothing is computed twice."""
    rows = selected_rows(run.trace, selection, stack)
    if max(rows.axes.shape) <= LONGEST_WHOLE:
        return ShownHead(rows, selected_view(rows, selection))
    head = (run.key, stack, *(getattr(selection, name) for name in _OF_A_HEAD), selection.pooling)
    afar = cache.pictures().get_or_make(head, lambda: from_afar(rows, selection))
    if not selection.zoom:
        return ShownHead(rows, afar.view, afar.pairs)
    view = cache.pictures().get_or_make((*head, selection.zoom), lambda: selected_view(rows, selection))
    return ShownHead(rows, view, afar.pairs)
