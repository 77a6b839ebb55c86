"""A talk as one HTML file that presents itself with the network off, and as PDF pages; no streamlit."""

from collections.abc import Sequence

from app import export
from app.components.talk_messages import talk_message
from app.figures.slide import slide
from app.figures.theme import Theme
from app.scenes import Shown
from app.standalone import standalone_html
from app.talks import Talk
from model import __version__


def talk_html(talk: Talk, scenes: Sequence[Shown], appearance: str) -> bytes:
    """Return the HTML file of a talk; its pictures stay interactive."""
    message = talk_message(talk, [shown.parts for shown in scenes], appearance=appearance)
    return standalone_html("talk_player", message, provenance_of(talk))


def talk_pdf(talk: Talk, scenes: Sequence[Shown], theme: Theme) -> bytes:
    """Return the PDF of a talk, a page for each scene."""
    count = len(talk.scenes)
    pages = [
        slide(
            shown.figures(theme), caption=scene.caption, title=talk.title, number=number, count=count, theme=theme,
            body="\n".join(part.text for part in shown.parts if part.text),
        )
        for number, (scene, shown) in enumerate(zip(talk.scenes, scenes, strict=True), start=1)
    ]  # fmt: skip
    return export.pdf_pages(pages, provenance_of(talk))


def provenance_of(talk: Talk) -> dict:
    """Return what the files of a talk say of their origin; each scene says which page and model it is of."""
    scenes = [
        {"page": scene.page, "picture": scene.picture, "selection": dict(scene.selection)} for scene in talk.scenes
    ]
    return {
        "made by": "Headscope",
        "versions": {"headscope": __version__},
        "picture": {"title": talk.title},
        "scenes": scenes,
    }
