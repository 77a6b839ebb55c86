"""The files of the canvas components, read as text; no streamlit, so that exports can use them too."""

from pathlib import Path

FOLDER = Path(__file__).parent
SCRIPTS = {
    "head_grid": ("canvas.js", "head_grid.js"),
    "head_view": ("canvas.js", "head_matrix.js", "token_links.js", "head_view.js"),
}
STYLES = {"head_grid": ("canvas.css",), "head_view": ("canvas.css", "head_view.css")}


def read_parts(names: tuple[str, ...]) -> str:
    """Return the text of component files, one after the other."""
    return "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in names)


def markup(component: str) -> str:
    """Return the HTML of a component."""
    return read_parts((f"{component}.html",))


def script(component: str) -> str:
    """Return the JavaScript of a component, whose default export mounts it."""
    return read_parts(SCRIPTS[component])


def style(component: str) -> str:
    """Return the CSS of a component."""
    return read_parts(STYLES[component])
