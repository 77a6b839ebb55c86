"""What the Translation page exports: the attention of each model as heatmap and links, and its beam."""

from collections.abc import Sequence
from functools import partial

from app import attention_exports, exporting, translation_engine
from app import translation_pictures as pictures
from app.exporting import Files, picture_makers
from app.figures.beam_lattice import beam_lattice
from app.figures.theme import Theme
from app.selection import Selection
from app.translation_pictures import Translation

HEAD_PICTURES = ("heatmap", "links")


def export_popover(translations: Sequence[Translation], selection: Selection) -> None:
    """Draw the export of what is shown of each model."""
    kinds = [*HEAD_PICTURES, *(["beam"] if selection.search == "beam" else [])]
    offered = {f"{place} {kind}": (one, kind) for place, one in enumerate(translations) for kind in kinds}
    alone = len(translations) == 1
    names = {key: kind.capitalize() if alone else f"{one.title}: {kind}" for key, (one, kind) in offered.items()}
    exporting.export_popover(names, lambda picture, look: _files(*offered[picture], selection, look))


def _files(translation: Translation, kind: str, selection: Selection, look: Theme) -> Files:
    fitted = pictures.fitted(translation, selection)
    trace, title = translation.generation.trace, pictures.title_of(fitted)
    if kind == "beam":
        provenance = attention_exports.picture_provenance(trace, "decoder", "beam", kind, beams=selection.beams)
        draw = partial(
            beam_lattice, translation_engine.beams_of(selection, translation.loaded), theme=look, provenance=provenance,
            title=f"{translation.title}: {selection.beams} beams",
        )  # fmt: skip
        return Files(picture_makers(draw, provenance), (trace.provenance.model, "beam"))
    head = {"layer": fitted.translation_layer, "head": fitted.translation_head, "combination": title}
    view = pictures.shown_view(translation, fitted)
    message = pictures.message_of(view, fitted)
    return attention_exports.head_files(trace, fitted.shown, title, view, message, kind, look, **head)
