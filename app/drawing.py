"""How pages show and export pictures: charts and SVG documents alike, each a function of the theme."""

from collections.abc import Callable, Mapping
from functools import partial

import altair as alt
import pandas as pd
import streamlit as st

from app import export, exporting
from app.components.canvases import canvas
from app.components.messages import picture_message
from app.exporting import Files, picture_makers
from app.figures.theme import Theme, theme

Picture = Callable[[Theme], alt.TopLevelMixin | str]


def show(picture: Picture, key: str, on_point: Callable[[], None] | None = None) -> None:
    """Draw a picture in the appearance of the page; a document is as wide as its place, a chart as wide as it says.

    `on_point` is called when a point of a chart that reports its points is clicked; they are under `key` then.
    """
    drawn = picture(theme(st.context.theme.type or "light"))
    if isinstance(drawn, str):
        canvas("picture", picture_message(drawn, key, fit=True), key=f"picture_{key}")
    elif on_point is None:
        st.altair_chart(drawn, theme=None, width="content", height="content")
    else:
        st.altair_chart(drawn, theme=None, width="content", height="content", key=key, on_select=on_point)


def show_in_rows(pictures: Mapping[str, Picture]) -> None:
    """Draw charts beside each other where there is room."""
    with st.container(horizontal=True, gap="small"):
        for key, picture in pictures.items():
            show(picture, key)


def export_pictures(
    pictures: Mapping[str, Picture], name: str, provenance: Mapping, frames: Mapping[str, pd.DataFrame] | None = None
) -> None:
    """Draw the export popover: every picture as SVG, PDF and PNG, and as CSV where there is a frame of its numbers."""

    def files(picture: str, look: Theme) -> Files:
        titled = {**provenance, "picture": {"title": f"{name}: {picture}"}}
        makers = picture_makers(partial(svg_of, pictures[picture], look, titled), titled)
        if frames and picture in frames:
            makers["CSV"] = lambda: export.frame_csv(frames[picture], titled)
        return Files(makers, (name, picture))

    exporting.export_popover({picture: picture[:1].upper() + picture[1:] for picture in pictures}, files)


def svg_of(picture: Picture, look: Theme, provenance: Mapping) -> str:
    """Return a picture as an SVG document with its provenance inside."""
    drawn = picture(look)
    return drawn if isinstance(drawn, str) else export.chart_svg(drawn, export.picture_title(provenance), provenance)
