"""What the Heads page exports: the grid of a score, the scatter, and every number of the study."""

from functools import partial

from app import export, exporting, state
from app.drawing import Picture, svg_of
from app.exporting import Files, picture_makers
from app.figures.score_grid import score_grid
from app.figures.theme import Theme
from app.head_frames import scale_limit, score_title, scores_frame
from app.heads_engine import KeptStudy
from model.study.records import HeadStudy

PICTURES = {"grid": "Grid", "scatter": "Scatter"}


def export_popover(found: KeptStudy, stack: str, scatter: Picture) -> None:
    """Draw the export of the grid and of the scatter; the CSV holds all scores of the stack."""

    def files(picture: str, look: Theme) -> Files:
        origin = provenance(found.study, stack, picture)
        svg = (
            partial(_grid, found.study, stack, origin, look)
            if picture == "grid"
            else partial(svg_of, scatter, look, origin)
        )
        makers = picture_makers(svg, origin) | {
            "CSV": lambda: export.frame_csv(scores_frame(found.study, stack), origin)
        }
        return Files(makers, (found.study.model, "heads", state.selection().score, picture))

    exporting.export_popover(PICTURES, files)


def provenance(study: HeadStudy, stack: str, picture: str) -> dict:
    """Return what a file says of its origin."""
    score = score_title(state.selection().score)
    title = f"{study.model} {stack}: {score if picture == 'grid' else 'heads'}"
    origin = {
        "model": study.model,
        "revision": study.revision,
        "versions": dict(study.run["versions"]),
        "study": dict(study.run),
    }
    return {"made by": "Headscope", **origin, "picture": {"title": title, "kind": picture}}


def _grid(study: HeadStudy, stack: str, origin: dict, look: Theme) -> str:
    selection = state.selection()
    values = study.grid(stack, selection.score)
    return score_grid(
        values, study.layers(stack), theme=look, title=origin["picture"]["title"], label=score_title(selection.score),
        limit=scale_limit(values, selection.score), diverging=False, selected=(selection.layer, selection.head),
        provenance=origin,
    )  # fmt: skip
