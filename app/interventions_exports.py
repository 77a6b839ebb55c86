"""What the view “Switch off” exports: how much every head's attention moves, and the open head before and after."""

from functools import partial

from app import export, exporting, state
from app.comparison_exports import comparison_makers
from app.exporting import Files, picture_makers
from app.figures.score_grid import score_grid
from app.figures.theme import Theme
from app.head_frames import grid_frame, head_name
from model.analysis.comparison import AlignedPair
from model.trace import Trace

PICTURES = {"moved": "Moved attention", "head": "Open head"}


def export_popover(plain: Trace, changed: Trace, stack: str, change, pair: AlignedPair, message: bytes) -> None:
    """Draw the export of the grid and of the open head."""
    selection = state.selection()
    name = head_name(selection.layer, selection.head)
    layers = [layer.index for layer in plain.of_stack(stack)]

    def files(picture: str, look: Theme) -> Files:
        title = f"{plain.provenance.model} with {selection.edits or 'no change'}"
        title = title if picture == "moved" else f"{title}: {name}"
        origin = export.describe(changed.provenance, title=title, kind=picture, stack=stack, edits=selection.edits)
        if picture == "head":
            makers = comparison_makers(pair, ("as it is", "changed"), message, origin, look)
        else:
            svg = partial(
                score_grid, change, layers, theme=look, title=title, label="of its attention moves", diverging=False,
                provenance=origin,
            )  # fmt: skip
            frame = grid_frame(change, layers, "moved")
            makers = picture_makers(svg, origin) | {"CSV": lambda: export.frame_csv(frame, origin)}
        return Files(makers, (plain.provenance.model, "interventions", picture))

    exporting.export_popover(PICTURES, files)
