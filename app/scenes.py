"""From a scene of a talk to what is shown of it: parts for the player, and figures for a printed page; no streamlit."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from app import coreference_pictures as pictures
from app import engine, export, shown_heads
from app.attention_pictures import fitted, head_message, head_title
from app.components.messages import head_grid_message
from app.components.talk_messages import Part, token_row_message
from app.coreference_comparison import compare
from app.figures.head_grid import head_grid
from app.figures.head_heatmap import attention_heatmap
from app.figures.theme import Theme
from app.figures.token_links import token_links
from app.figures.token_row import tokens_row
from app.marked_text import marked_text
from app.public_mode import limits
from app.selection import Selection, read_selection
from app.talks import Scene, TalkError
from model.loading import LoadedModel

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Shown:
    """What is shown of a scene: parts for the player, and a function that draws its figures in a theme."""

    parts: tuple[Part, ...]
    figures: Callable[[Theme], list[str]]


def shown(scene: Scene, progress: Progress) -> Shown:
    """Return what is shown of a scene, running its model where that was not done yet; raises HeadscopeError."""
    if scene.page == "talk":
        text = scene.selection.get("text", "")
        return Shown((Part(text=text),) if text else (), lambda _theme: [])
    selection = read_selection(dict(scene.selection))
    limits().check_model(selection.model, selection.revision, selection.device, selection.dtype)
    if engine.needs_download(selection):
        raise TalkError(f"It needs “{selection.model}” from the hub. Open that model on the page {scene.page} first.")
    loaded = engine.loaded_model(selection, lambda share, _doing="": progress(share / 2))
    made = _coreference if scene.page == "coreference" else _attention
    return made(scene, selection, loaded, lambda share: progress(0.5 + share / 2))


def _attention(scene: Scene, selection: Selection, loaded: LoadedModel, progress: Progress) -> Shown:
    run = engine.run(selection, loaded, progress)
    selection = fitted(selection, run.trace)
    stack = selection.stack or run.trace.stacks[0]
    if scene.picture == "tokens":
        return _tokens(run.trace, stack)
    thumbnails = shown_heads.thumbnails_of(run, selection, stack, progress)
    opened = (selection.layer, selection.head)
    look = {"scale": selection.scale, "common": selection.common}
    title = f"{loaded.name} {head_title(selection)}"
    provenance = export.describe(run.trace.provenance, title=title, kind=scene.picture)
    if scene.picture == "grid":
        message = head_grid_message(thumbnails, selected=opened, **look)

        def grid(theme: Theme) -> list[str]:
            return [head_grid(thumbnails, theme=theme, title=title, selected=opened, provenance=provenance, **look)]

        return Shown((Part("head_grid", message),), grid)
    shown_head = shown_heads.shown_head(run, selection, stack)
    view = shown_head.view

    def head(theme: Theme) -> list[str]:
        links = token_links(
            view, theme=theme, title=title, threshold=selection.threshold, selected=view.place_of(selection.token),
            provenance=provenance,
        )  # fmt: skip
        return [attention_heatmap(view, theme=theme, title=title, provenance=provenance, **look), links]

    return Shown((Part("head_view", head_message(shown_head, selection, stack)),), head)


def _tokens(trace, stack: str) -> Shown:
    tokens = trace.sequence(trace.of_stack(stack)[0].index, "query", stack)
    names, special = [token.text for token in tokens], [token.special for token in tokens]
    words = [None, *(token.word for token in tokens)]
    kinds = [
        "special" if token.special else "continues" if token.word is not None and token.word == before else ""
        for before, token in zip(words, tokens, strict=False)
    ]
    provenance = export.describe(trace.provenance, title="Tokens", kind="tokens")
    return Shown(
        (Part("token_row", token_row_message(names, [token.id for token in tokens], kinds)),),
        lambda theme: [tokens_row(names, special, theme=theme, title="Tokens", provenance=provenance)],
    )


def _coreference(scene: Scene, selection: Selection, loaded: LoadedModel, progress: Progress) -> Shown:
    marked = marked_text(selection)
    if not marked.complete:
        raise TalkError("It has no mention with two candidates. Choose them on the page Coreference and add it again.")
    compared = compare(selection, marked, loaded, progress, pair=scene.picture == "pair")
    readings, chosen = compared.readings, compared.chosen
    provenance = export.describe(compared.traces[0].provenance, title=chosen.title, kind=scene.picture)
    if scene.picture == "margins":
        return _margins(readings[0], chosen, f"{loaded.name} margins", provenance)
    parts = []
    for place, reading in enumerate(readings):
        message = pictures.arcs_message(reading, chosen, selection, pickable=False)
        label = chosen.title if place == 0 else ""
        parts.append(Part("sentence_arcs", message, label=label, appears=2 * place, reveals=2 * place + 1))
    return Shown(
        tuple(parts),
        lambda theme: [pictures.arcs_figure(one, chosen, theme, chosen.title, provenance) for one in readings],
    )


def _margins(reading, chosen: pictures.ChosenHeads, title: str, provenance: dict) -> Shown:
    label, limit = pictures.margin_label(reading.marked), pictures.scale_limit(reading.margins)
    row, head = chosen.heads[0]
    message = pictures.margins_message(np.asarray(reading.margins), reading, label, (row, head), limit)
    opened = (reading.layers[row], head)

    def figures(theme: Theme) -> list[str]:
        return [
            pictures.margins_figure(reading.margins, reading.layers, label, opened, limit, theme, title, provenance)
        ]

    return Shown((Part("score_grid", message),), figures)
