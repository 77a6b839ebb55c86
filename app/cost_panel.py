"""What a layer costs: the paper's table, operations counted by its formulas, and costs measured on this machine."""

from dataclasses import dataclass, replace
from functools import partial

import pandas as pd
import streamlit as st

from app import cache, explanations, export, exporting, state
from app.choices import RANGES
from app.drawing import show_in_rows
from app.exporting import Files, picture_makers
from app.figures.cost_chart import cost_chart
from app.figures.theme import Theme
from app.progress import progress_bar
from model.analysis.cost import CostSizes, machine, measure_costs
from model.analysis.cost_formulas import (
    LAYERS,
    fitted_exponent,
    fitted_values,
    layer_operations,
    path_length,
    sequential_operations,
)
from model.recorded_trace import versions

SIZES = CostSizes()
OPERATIONS, SECONDS, BYTES = "operations", "seconds", "bytes"
SHOWN = {OPERATIONS: "Operations, counted", SECONDS: "Time, measured", BYTES: "Memory, peak"}
_UNITS = {OPERATIONS: "", SECONDS: "s", BYTES: "B"}


@dataclass(frozen=True, eq=False)
class MeasuredCosts:
    """Costs that were measured, and the machine that they were measured on."""

    frame: pd.DataFrame
    machine: str

    @property
    def nbytes(self) -> int:
        """Memory of the frame, in bytes."""
        return int(self.frame.memory_usage(deep=True).sum())


def cost_panel() -> None:
    """Draw the sizes, the table, the button that measures, and the charts."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        sizes = _chosen_sizes()
        measured = _measured(sizes)
        clicked = st.button(
            "Measure again" if measured else "Measure here", type="primary", help=explanations.COST_HELP
        )
        exports = st.container(width="content")
        with st.popover("How to read"):
            st.markdown(explanations.COST_HOW_TO_READ)
    st.markdown(cost_table(sizes.fixed_length, sizes.fixed_width, sizes.kernel))
    if clicked:
        with progress_bar("Measuring", patience=0.0, pressed=True) as tell:
            measured = MeasuredCosts(measure_costs(sizes, tell), machine())
        cache.pictures().put(_key(sizes), measured)
        st.rerun()
    _charts(sizes, measured)
    with exports:
        _export_popover(sizes, measured)


def cost_table(n: int, d: int, k: int) -> str:
    """Return the paper's table as Markdown, each formula with its value at the chosen sizes."""
    formulas = {
        "self-attention": ("n^2 \\cdot d", "O(1)", "O(1)"),
        "recurrence": ("n \\cdot d^2", "O(n)", "O(n)"),
        "convolution": ("k \\cdot n \\cdot d^2", "O(1)", "O(\\log_k(n))"),
    }
    rows = ["| Layer | Operations | Sequential operations | Maximum path length |", "|:--|:--|:--|:--|"]
    for kind in LAYERS:
        values = (layer_operations(kind, n, d, k), sequential_operations(kind, n), path_length(kind, n, k))
        shown = [f"${formula}$ = {value:,}" if "O(" not in formula else f"${formula}$: {value:,}"
                 for formula, value in zip(formulas[kind], values, strict=True)]  # fmt: skip
        rows.append(f"| {kind.capitalize()} | {' | '.join(shown)} |")
    return "\n".join(rows)


def costs(sizes: CostSizes, shown: str, measured: MeasuredCosts | None) -> pd.DataFrame:
    """Return kind, n, d and value of every size: operations by formula, or what was measured."""
    if shown != OPERATIONS:
        return measured.frame[["kind", "n", "d", shown]].rename(columns={shown: "value"})
    rows = [(kind, n, d, layer_operations(kind, n, d, sizes.kernel)) for kind in LAYERS for n, d in sizes.points()]
    return pd.DataFrame(rows, columns=["kind", "n", "d", "value"])


def chart(sizes: CostSizes, shown: str, frame: pd.DataFrame, over: str, look: Theme):
    """Return the chart of what is shown over "n" or "d", the other one fixed, with fitted lines and exponents."""
    fixed, at, among = (
        ("d", sizes.fixed_width, sizes.lengths) if over == "n" else ("n", sizes.fixed_length, sizes.widths)
    )
    points = frame[(frame[fixed] == at) & frame[over].isin(among)].rename(columns={over: "size"})
    lines, names = [], {}
    for kind, own in points.groupby("kind", sort=False):
        given = list(own["size"]), list(own["value"])
        lines += [(kind, *point) for point in fitted_values(*given)]
        names[kind] = f"{kind}  {_exponent(over, *fitted_exponent(*given), counted=shown == OPERATIONS)}"
    return cost_chart(
        points[["kind", "size", "value"]], pd.DataFrame(lines, columns=["kind", "size", "value"]), names, theme=look,
        title=f"{SHOWN[shown]}: over {over}, {fixed} = {at}", size="length n" if over == "n" else "width d",
        value=shown, unit=_UNITS[shown],
    )  # fmt: skip


def _exponent(over: str, exponent: float, low: float, high: float, counted: bool) -> str:
    # Minus zero would be a sign without a meaning.
    written = f"{over}^{round(exponent, 2) + 0.0:.2f}"
    return f"{over}^{exponent + 1e-9:.0f}" if counted else f"{written} ± {(high - low) / 2:.2f}"


def _chosen_sizes() -> CostSizes:
    for label, name in (("n, length", "cost_length"), ("d, width", "cost_width"), ("k, kernel", "cost_kernel")):
        least, most = RANGES[name]
        st.number_input(label, least, most, width=130, **state.bound(name))
    chosen = state.selection()
    return replace(SIZES, fixed_length=chosen.cost_length, fixed_width=chosen.cost_width, kernel=chosen.cost_kernel)


def _key(sizes: CostSizes) -> tuple:
    return "layer costs", sizes


def _measured(sizes: CostSizes) -> MeasuredCosts | None:
    return cache.pictures().get(_key(sizes))


def _charts(sizes: CostSizes, measured: MeasuredCosts | None) -> None:
    options = list(SHOWN) if measured else [OPERATIONS]
    # Another key once something was measured, so that the times show by themselves.
    first, key = (SECONDS, "cost_shown_measured") if measured else (OPERATIONS, "cost_shown_counted")
    shown = st.segmented_control("Shown", options, format_func=SHOWN.get, key=key, default=first) or first
    told = {OPERATIONS: explanations.COST_COUNTED, SECONDS: explanations.COST_TIME, BYTES: explanations.COST_MEMORY}[
        shown
    ]
    st.caption(told.format(machine=measured.machine if measured else ""))
    frame = costs(sizes, shown, measured)
    show_in_rows({over: partial(chart, sizes, shown, frame, over) for over in ("n", "d")})


def _export_popover(sizes: CostSizes, measured: MeasuredCosts | None) -> None:
    pictures = {
        f"{shown} {over}": f"{SHOWN[shown].split(',')[0]} over {over}"
        for shown in (SHOWN if measured else [OPERATIONS])
        for over in ("n", "d")
    }
    exporting.export_popover(pictures, partial(_files, sizes, measured))


def _files(sizes: CostSizes, measured: MeasuredCosts | None, picture: str, look: Theme) -> Files:
    shown, over = picture.split()
    where = "counted, not measured" if shown == OPERATIONS else measured.machine
    provenance = {
        "made by": "Headscope", "model": "single layers", "revision": where, "dtype": "float32", "versions": versions(),
        "picture": {"title": f"Cost of a layer: {SHOWN[shown]}, over {over}", "machine": where, "kernel": sizes.kernel},
    }  # fmt: skip
    frame = costs(sizes, shown, measured)
    svg = partial(export.chart_svg, chart(sizes, shown, frame, over, look), provenance["picture"]["title"], provenance)
    makers = picture_makers(svg, provenance) | {
        "CSV": lambda: export.frame_csv(frame.rename(columns={"value": shown}), provenance)
    }
    return Files(makers, ("cost", shown, over))
