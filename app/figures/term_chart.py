"""What moves the attention of each head of the first layer: content, position, and their products, as bars."""

import altair as alt
import pandas as pd

from app.figures.chart_theme import NUMBER_SIZE, dressed, empty_chart
from app.figures.theme import TOKEN_FONT, Theme, hexadecimal

_WIDTH, _ROW = 360, 24


def term_chart(strengths: pd.DataFrame, shares: pd.Series, names: dict[str, str], *, theme: Theme, title: str):
    """Return one row of bars per head, as long as the strengths of its terms together, and the position share behind it.

    `strengths` has head, term, strength; `names` says what each term is called, in the order of the bars; `shares` is per head.
    """
    if strengths.empty:
        return empty_chart("There are no heads to show.", theme)
    frame = strengths[strengths["term"].isin(names)].assign(
        head_name=lambda rows: "H" + rows["head"].astype(str),
        term_name=lambda rows: rows["term"].map(names),
        order=lambda rows: rows["term"].map({name: place for place, name in enumerate(names)}),
    )
    heads = [f"H{head}" for head in sorted(strengths["head"].unique())]
    rows = alt.Y("head_name:N", sort=heads, title=None, axis=alt.Axis(labelFont=TOKEN_FONT, ticks=False, domain=False))
    bars = alt.Chart(frame).mark_bar(height=_ROW * 0.68).encode(
        x=alt.X("strength:Q", stack="zero", title="strength, in units of the score"),
        y=rows,
        order="order:O",
        color=alt.Color(
            "term_name:N", sort=list(names.values()), scale=alt.Scale(domain=list(names.values()), range=_colours(theme)),
            legend=alt.Legend(title=None, orient="top", columns=2, labelLimit=0, symbolType="square", symbolSize=260),
        ),
        tooltip=[
            alt.Tooltip("head_name:N", title="head"), alt.Tooltip("term_name:N", title="term"),
            alt.Tooltip("strength:Q", format=".4f"),
        ],
    )  # fmt: skip
    marked = pd.DataFrame({"head_name": heads, "share": [float(shares[int(head[1:])]) for head in heads]})
    written = alt.Chart(marked).mark_text(font=TOKEN_FONT, fontSize=NUMBER_SIZE, align="left", dx=10, color=theme.text).encode(
        x=alt.value("width"), y=rows, text=alt.Text("share:Q", format=".0%"),
        tooltip=[alt.Tooltip("head_name:N", title="head"), alt.Tooltip("share:Q", title="from the key's position", format=".4f")],
    )  # fmt: skip
    least, most = marked.loc[marked["share"].idxmin()], marked.loc[marked["share"].idxmax()]
    described = (
        f"{title}. {len(heads)} heads; the share that comes from the key's position runs from {least['share']:.2f} "
        f"({least['head_name']}) to {most['share']:.2f} ({most['head_name']})."
    )
    chart = alt.layer(bars, written).properties(title=title)
    return dressed(chart, theme, described, width=_WIDTH, height=_ROW * len(heads))


def _colours(theme: Theme) -> list[str]:
    """Return content in blue and position in orange, each with its paler mixture, and grey for the constants."""
    blue, orange = theme.diverging, theme.diverging[::-1]
    return [hexadecimal(blue[10]), hexadecimal(orange[75]), hexadecimal(blue[75]), hexadecimal(orange[10]), theme.quiet]
