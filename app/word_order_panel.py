"""Which heads keep their pattern and which take it along, when words change places or positions are taken away."""

from functools import partial

import pandas as pd
import streamlit as st

from app import engine, explanations, export, exporting, position_controls, state
from app.attention_pictures import head_beside
from app.components.canvases import canvas
from app.components.coreference_messages import score_grid_message
from app.exporting import Files, picture_makers
from app.figures.score_grid import score_grid
from app.figures.theme import Theme
from app.progress import progress_bar
from model.analysis.views import view_rows
from model.analysis.word_order import order_scores, reordered, word_order
from model.loading import LoadedModel
from model.tokens import word_spans
from model.trace import Trace

TOLD = {"position": "follows positions", "content": "follows content"}
STAYS = {"position": "stays as it was"}


def word_orders(loaded: LoadedModel) -> None:
    """Draw the scores of every head, and the open head before and after."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        position_controls.order_controls()
        exports = st.container(width="content")
    selection = state.selection()
    kept = range(len(word_spans(selection.text)))
    zeroed = selection.order == "no positions"
    order = kept if zeroed else word_order(selection.text, selection.order, selection.order_seed)
    texts = [reordered(selection.text, places) for places in (kept, order)]
    with progress_bar("Running the model") as tell:
        first = engine.sentence_run(selection, texts[0], loaded, tell).trace
        changed = engine.zeroed_run if zeroed else engine.sentence_run
        second = changed(selection, texts[1], loaded, tell).trace
    stack = first.stacks[0]
    scores = order_scores(first, second, order, stack=stack)
    names = {"before": "As written", "after": "Without positions" if zeroed else "In the other order"}
    st.html(f'<div class="heading"><b>{names["after"]}</b></div>')
    st.text(texts[1])
    told = STAYS if zeroed else TOLD
    _grids(scores, told, first, stack)
    st.markdown(explanations.NO_POSITION_RUN if zeroed else explanations.WORD_ORDER)
    for column, trace, name in zip(st.columns(2, gap="medium"), (first, second), names, strict=True):
        with column:
            _open_head(trace, stack, name, names[name])
    with exports:
        _export(scores, told, loaded.name)


def _grids(scores: pd.DataFrame, told: dict[str, str], trace: Trace, stack: str) -> None:
    layer, head = _opened(trace, stack)
    for column, name in zip(st.columns(len(told), gap="medium"), told, strict=True):
        values = _grid(scores, name)
        with column:
            message = score_grid_message(
                values.to_numpy(), [int(layer) for layer in values.index], label=told[name], selected=(layer, head),
                limit=1.0, diverging=True,
            )  # fmt: skip
            canvas("score_grid", message, key=f"order_{name}", on_pick=state.on_pick(f"order_{name}", state.open_head))


def _grid(scores: pd.DataFrame, name: str) -> pd.DataFrame:
    return scores.pivot(index="layer", columns="head", values=name)


def _opened(trace: Trace, stack: str) -> tuple[int, int]:
    """Return the selected layer and head, or the nearest that the model has."""
    selection = state.selection()
    layer = min((one.index for one in trace.of_stack(stack)), key=lambda index: abs(index - selection.layer))
    return layer, min(selection.head, trace.layer(layer, stack).heads - 1)


def _open_head(trace: Trace, stack: str, key: str, name: str) -> None:
    selection = state.selection()
    layer, head = _opened(trace, stack)
    rows = view_rows(trace, layer, head, stack=stack, words=True, hide_special=True)
    title = f"L{layer} H{head}"
    st.html(f'<div class="heading"><b>{title}</b><span>{name.lower()}; rows look at columns</span></div>')
    _, message = head_beside(rows, selection, title=f"{title} {name.lower()}", opened=(layer, head), same_sequence=True)
    canvas("head_view", message, key=f"order_{key}")


def _export(scores: pd.DataFrame, told: dict[str, str], model: str) -> None:
    def files(picture: str, look: Theme) -> Files:
        origin = {"made by": "Headscope", "model": model, "picture": {"title": f"{model}: {told[picture]}"}}
        values = _grid(scores, picture)
        svg = partial(
            score_grid, values.to_numpy(), [int(layer) for layer in values.index], label=told[picture], limit=1.0,
            diverging=True, theme=look, title=origin["picture"]["title"], provenance=origin,
        )  # fmt: skip
        makers = picture_makers(svg, origin) | {"CSV": lambda: export.frame_csv(scores, origin)}
        return Files(makers, (model, "word-order", picture))

    exporting.export_popover({name: words.capitalize() for name, words in told.items()}, files)
