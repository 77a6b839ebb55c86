"""The files of the components, read as text; no streamlit, so that exports can use them too."""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Component:
    """One component: its scripts and styles beside the shared ones, the function that mounts it, and the parts inside it."""

    scripts: tuple[str, ...]
    mount: str
    styles: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


COMPONENTS = {
    "head_grid": Component(("head_grid.js",), "mountHeadGrid"),
    "head_comparison": Component(
        ("long_head.js", "head_matrix.js", "head_comparison.js"), "mountHeadComparison", ("head_comparison.css",)
    ),
    "head_view": Component(
        ("long_head.js", "head_matrix.js", "token_links.js", "head_view.js"), "mountHeadView", ("head_view.css",)
    ),
    "picture": Component(("picture.js",), "mountPicture", ("picture.css",)),
    "score_grid": Component(("score_grid.js",), "mountScoreGrid"),
    "sentence_arcs": Component(("sentence_arcs.js",), "mountSentenceArcs", ("sentence_arcs.css",)),
    "token_row": Component(("token_row.js",), "mountTokenRow", ("token_row.css",)),
    "value_matrix": Component(("long_head.js", "head_matrix.js", "value_matrix.js"), "mountValueMatrix"),
    "talk_player": Component(
        ("talk_player.js",), "mountTalkPlayer", ("talk_player.css",),
        ("head_grid", "head_view", "score_grid", "sentence_arcs", "token_row"),
    ),
}  # fmt: skip


def read_parts(names: tuple[str, ...]) -> str:
    """Return the text of component files, one after the other."""
    return "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in names)


def markup(component: str) -> str:
    """Return the HTML of a component; that of the parts inside it stands in templates."""
    parts = [
        f'<template data-part="{part}">{read_parts((f"{part}.html",))}</template>'
        for part in COMPONENTS[component].parts
    ]
    return "\n".join([read_parts((f"{component}.html",)), *parts])


def mount(component: str) -> str:
    """Return the name of the function that mounts a component."""
    return COMPONENTS[component].mount


def script(component: str) -> str:
    """Return the JavaScript of a component and of the parts inside it."""
    inside = [script for part in COMPONENTS[component].parts for script in COMPONENTS[part].scripts]
    return read_parts(("canvas.js", *inside, *COMPONENTS[component].scripts))


def style(component: str) -> str:
    """Return the CSS of a component and of the parts inside it."""
    inside = [style for part in COMPONENTS[component].parts for style in COMPONENTS[part].styles]
    return read_parts(("canvas.css", *inside, *COMPONENTS[component].styles))
