"""The export popover: every picture of a page in every format, made only when its button is clicked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import streamlit as st

from app import export
from app.figures.theme import Theme, theme

Makers = dict[str, Callable[[], bytes]]


@dataclass(frozen=True)
class Files:
    """The files of one picture: for each format the function that makes it, and the parts of their common name."""

    makers: Makers
    name: tuple[str, ...]


def export_popover(pictures: Mapping[str, str], files: Callable[[str, Theme], Files]) -> None:
    """Draw the choice of picture and appearance, and one download button per format.

    `pictures` names what there is to export; `files` returns the files of one picture in one appearance.
    """
    with st.popover("Export"):
        first = next(iter(pictures))
        picture = st.segmented_control(
            "Picture", list(pictures), format_func=pictures.get, key="export_picture", default=first, required=True
        )
        appearance = st.segmented_control(
            "Appearance", ["light", "dark"], key="export_theme", default="light", required=True
        )
        picture = picture if picture in pictures else first
        found = files(picture, theme(appearance))
        with st.container(horizontal=True, gap="small"):
            for extension, make in found.makers.items():
                # A button of its own for each picture: what is clicked is never the file of the one shown before.
                st.download_button(
                    extension, data=make, mime=export.MIME[extension], on_click="ignore",
                    key=f"export_{picture}_{appearance}_{extension}", file_name=export.file_name(found.name, extension),
                )  # fmt: skip
        st.caption("Each file says which model, layer, head and versions it came from.")


def picture_makers(svg: Callable[[], str], provenance: dict) -> Makers:
    """Return the makers of an SVG figure as SVG, PDF and PNG."""
    return {
        "SVG": lambda: svg().encode(),
        "PDF": lambda: export.pdf_bytes(svg(), provenance),
        "PNG": lambda: export.png_bytes(svg(), provenance),
    }
