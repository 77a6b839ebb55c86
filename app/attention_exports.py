"""What the Attention page exports: one head as heatmap or links, and the grid of all heads."""

from collections.abc import Callable

import numpy as np

from app import export, exporting, state
from app.components.messages import head_grid_message
from app.exporting import Files, picture_makers
from app.figures.head_grid import head_grid
from app.figures.head_heatmap import attention_heatmap
from app.figures.theme import Theme
from app.figures.token_links import token_links
from app.standalone import standalone_html
from model.analysis.thumbnails import Thumbnails
from model.analysis.views import AttentionView, head_weights
from model.trace import Trace

PICTURES = {"heatmap": "Heatmap", "links": "Links", "grid": "All heads"}
_SETTINGS = ("layer", "head", "combination", "words", "hide_special", "scale", "common", "threshold")


def export_popover(
    trace: Trace, stack: str, title: str, thumbnails: Thumbnails, view: AttentionView, message: bytes, selected: str
) -> None:
    """Draw the export of heatmap, links and grid.

    `message` is what the head's canvas shows; `selected` is the selected token of the view.
    """

    def files(picture: str, chosen: Theme) -> Files:
        provenance = picture_provenance(trace, stack, title, picture)
        if picture == "grid":
            makers = grid_makers(trace, stack, thumbnails, provenance, chosen)
        else:
            makers = head_makers(picture, view, selected, message, provenance, chosen)
        return Files(makers, (trace.provenance.model, *_place(trace, stack, title, picture)))

    exporting.export_popover(PICTURES, files)


def head_files(
    trace: Trace, stack: str, title: str, view: AttentionView, message: bytes, picture: str, chosen: Theme, **settings
) -> Files:
    """Return the files of one head's heatmap or links; `settings` say what is shown where it is not the page's selection."""
    provenance = picture_provenance(trace, stack, title, picture, **settings)
    makers = head_makers(picture, view, "", message, provenance, chosen)
    return Files(makers, (trace.provenance.model, *_place(trace, stack, title, picture)))


def picture_provenance(trace: Trace, stack: str, title: str, picture: str, **others) -> dict:
    """Return what the files of a picture say of their origin."""
    selection = state.selection()
    shown = " ".join([trace.provenance.model, *_place(trace, stack, title, picture)[:-1]])
    settings = {name: getattr(selection, name) for name in _SETTINGS} | others
    return export.describe(trace.provenance, title=shown, kind=picture, stack=stack, **settings)


def head_makers(
    picture: str, view: AttentionView, selected: str, message: bytes, provenance: dict, chosen: Theme
) -> dict[str, Callable[[], bytes]]:
    """Return for each format the function that makes the file of one head's heatmap or links."""
    settings = provenance["picture"]

    def svg() -> str:
        if picture == "links":
            return token_links(
                view, theme=chosen, title=settings["title"], threshold=settings["threshold"], selected=selected,
                provenance=provenance,
            )  # fmt: skip
        return attention_heatmap(
            view,
            theme=chosen,
            title=settings["title"],
            scale=settings["scale"],
            common=settings["common"],
            provenance=provenance,
        )

    return picture_makers(svg, provenance) | {
        "CSV": lambda: export.head_csv(view, provenance),
        "NPZ": lambda: export.npz_bytes(export.head_arrays(view), provenance),
        "HTML": lambda: standalone_html("head_view", message, provenance),
    }


def grid_makers(
    trace: Trace, stack: str, thumbnails: Thumbnails, provenance: dict, chosen: Theme
) -> dict[str, Callable[[], bytes]]:
    """Return for each format the function that makes the file of the head grid; the NPZ holds the exact weights."""
    settings = provenance["picture"]
    selected = (settings["layer"], settings["head"])
    look = {"scale": settings["scale"], "common": settings["common"], "selected": selected}

    def svg() -> str:
        return head_grid(thumbnails, theme=chosen, title=settings["title"], provenance=provenance, **look)

    def arrays() -> dict[str, np.ndarray]:
        chosen_weights = head_weights(
            trace, stack=stack, words=settings["words"], hide_special=settings["hide_special"]
        )
        return {f"layer_{layer}": weights for layer, weights in chosen_weights} | export.token_arrays(thumbnails.axes)

    return picture_makers(svg, provenance) | {
        "CSV": lambda: export.grid_csv(thumbnails, provenance),
        "NPZ": lambda: export.npz_bytes(arrays(), provenance),
        "HTML": lambda: standalone_html("head_grid", head_grid_message(thumbnails, **look), provenance),
    }


def _place(trace: Trace, stack: str, title: str, picture: str) -> list[str]:
    """Return the parts of a name that say where in the model a picture is from, and what it is."""
    side = [stack] if len(trace.stacks) > 1 else []
    return [*side, *(["all heads"] if picture == "grid" else [title]), picture]
