"""The look of Altair charts: type that is read from the back of a room, quiet axes, light and dark."""

import altair as alt
import pandas as pd

from app.figures.svg import clean
from app.figures.theme import TEXT_FONT, Theme

NUMBER_SIZE = 16
_TITLE_SIZE = 18
_NOT_IN_EXPRESSIONS = str.maketrans({"\\": "⧵"} | dict.fromkeys("\n\r\u2028\u2029", " "))
# Streamlit adds to each side, so each must be named; and it fits a chart into its place, legend and all, unless the chart says
# that it grows.
_PADDING = dict(left=14, top=14, right=14, bottom=14)


def chart_words(text: str) -> str:
    """Return a text as a title or a category of a chart: without what XML cannot hold, and with a backslash of another kind.

    Vega-Lite writes both into expressions, where it escapes quotes but no backslash and no end of a line.
    """
    return clean(text).translate(_NOT_IN_EXPRESSIONS)


def dressed(chart, theme: Theme, description: str, **size):
    """Return the chart with the theme's ground, type and axes, and `description` as its alternative text."""
    axis = dict(
        labelFontSize=NUMBER_SIZE, titleFontSize=_TITLE_SIZE, labelColor=theme.text, titleColor=theme.quiet,
        titleFontWeight="normal", domainColor=theme.quiet, tickColor=theme.quiet, gridColor=theme.quiet, gridOpacity=0.22,
        titlePadding=14, labelFlush=False,
    )  # fmt: skip
    return (
        chart.properties(description=description, background=theme.background, padding=_PADDING, autosize="pad", **size)
        .configure(font=TEXT_FONT)
        .configure_axis(**axis)
        .configure_view(stroke=None)
        .configure_title(
            color=theme.text, fontSize=_TITLE_SIZE, anchor="start", frame="group", fontWeight=600, offset=12
        )
        .configure_legend(
            labelFontSize=NUMBER_SIZE,
            labelColor=theme.text,
            titleFontSize=NUMBER_SIZE,
            titleColor=theme.text,
            titleFontWeight="normal",
            titleLimit=0,
            symbolStrokeWidth=0,
        )
    )


def empty_chart(sentence: str, theme: Theme) -> alt.LayerChart:
    """Return a chart that says why there is nothing to show."""
    mark = alt.Chart(pd.DataFrame({"text": [sentence]})).mark_text(color=theme.quiet, fontSize=_TITLE_SIZE)
    return dressed(alt.layer(mark.encode(text="text:N")), theme, sentence, width=480, height=80)
