"""Loss far past the trained length, for each kind of position of our own small decoder."""

import streamlit as st

from app import explanations
from app.drawing import Picture, export_pictures, show
from app.figures.length_curves import length_chart
from model.length_results import LengthResults, shipped_length_curves


def length() -> None:
    """Draw the shipped curves, and how they were made."""
    results = shipped_length_curves()
    if results is None:
        st.html(f'<p class="hint">{explanations.NO_LENGTH_CURVES}</p>')
        return
    title = f"Loss over position, trained on {results.trained_length} tokens"
    frame = results.frame()
    picture: Picture = lambda look: length_chart(frame, results.trained_length, theme=look, title=title)  # noqa: E731
    exports = st.container(width="content")
    # Beside each other where there is room.
    with st.container(horizontal=True, gap="medium"):
        show(picture, "length")
        told = st.container(width=520)
    with told:
        st.markdown(explanations.LENGTH.format(trained=results.trained_length))
        st.markdown(_table(results))
        st.caption(_made(results))
    with exports:
        provenance = {"made by": "Headscope", "model": "small decoders, one for each kind of position",
                      "versions": dict(results.versions), "command": results.command}  # fmt: skip
        export_pictures({"length": picture}, "length", provenance, {"length": frame})


def _table(results: LengthResults) -> str:
    """Return the mean loss over the last quarter of the trained length, of twice it, and so on, as Markdown."""
    ends = sorted({span.last for curve in results.curves.values() for span in curve.quarters})
    head = " | ".join(f"to {end}" for end in ends)
    rows = [f"| nats per token | {head} |", f"|:--{'|--:' * len(ends)}|"]
    for kind, curve in results.curves.items():
        found = {span.last: f"{span.loss:.2f}" for span in curve.quarters}
        rows.append(f"| {kind} | {' | '.join(found.get(end, 'no position') for end in ends)} |")
    return "\n".join(rows)


def _made(results: LengthResults) -> str:
    curve = next(iter(results.curves.values()))
    seen = "" if curve.trained_tokens is None else f", each trained on {curve.trained_tokens:,} tokens"
    return (
        f"{len(results.curves)} decoders of {curve.parameters / 1e6:.1f} million weights{seen}; measured on {results.windows:,} "
        f"windows of {results.length} tokens of {' and '.join(results.texts)}. Shaded: the standard error."
    )
