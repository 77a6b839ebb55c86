"""What attention moves: each method's map beside the raw weights, routes to a token, and which map to trust."""

import html
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from app import export, exporting, flow_engine, flow_explanations, heads_controls, state, states_controls
from app.choices import FLOW_VIEWS
from app.comparison_exports import comparison_makers
from app.components.canvases import canvas
from app.components.comparison_messages import comparison_message
from app.drawing import export_pictures, show, show_in_rows
from app.export import describe
from app.exporting import Files
from app.figures.flow_routes import flow_routes
from app.figures.layer_lines import layer_series
from app.figures.matrix_chart import matrix_chart
from app.figures.theme import Theme
from app.head_frames import plain_markdown
from app.panels import guarded
from app.progress import progress_bar
from app.selection import NEW_INPUT
from model.analysis.comparison import AlignedPair, compare_views
from model.analysis.information_routes import information_routes
from model.analysis.norm_forms import fullest_form
from model.analysis.norms import mixing_ratio
from model.analysis.views import attention_view
from model.errors import HeadscopeError
from model.loading import LoadedModel
from model.relevance.corpus import shipped_fidelity
from model.trace import Trace
from model.value_projection import ValueMixings


def view_switch() -> None:
    """Draw the choice between maps, routes and fidelity."""
    names = flow_explanations.FLOW_VIEW_NAMES
    st.segmented_control(
        "View", FLOW_VIEWS, format_func=names.get, label_visibility="collapsed", **state.bound("flow_view")
    )


@st.fragment
def flow_panel(loaded: LoadedModel) -> None:
    """Draw one view of what attention moves; reruns by itself when something in it is clicked."""
    with guarded():
        row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
        with row:
            st.text_area("Sentence", height=68, width=330, **state.bound("text", **NEW_INPUT))
        with progress_bar("Running the model") as tell:
            mixings = flow_engine.mixings_of(state.selection(), loaded, tell)
        with row:
            heads_controls.stack_control(mixings.trace.stacks)
        stack = state.selection().stack or mixings.trace.stacks[0]
        views = {"maps": _maps, "routes": _routes, "fidelity": _fidelity}
        views[state.selection().flow_view](loaded, mixings, stack, row)
    state.publish()


def method_help(method: str) -> str:
    """Return what a method is, with formula, paper and limits, as a tooltip."""
    _, said, formula, paper, limits = flow_explanations.METHODS[method]
    return f"{plain_markdown(said)}\n\n`{formula}`\n\n{plain_markdown(paper)}. {plain_markdown(limits)}"


def _maps(loaded: LoadedModel, mixings: ValueMixings, stack: str, row) -> None:
    methods = tuple(flow_explanations.METHODS)
    with row:
        heads_controls.fit("flow_method", methods)
        method = state.selection().flow_method
        titles = {name: told[0] for name, told in flow_explanations.METHODS.items()}
        st.selectbox(
            "Beside the weights", methods, format_func=titles.get, width=260, help=method_help(method),
            **state.bound("flow_method"),
        )  # fmt: skip
        heads_controls.head_control(heads_controls.heads_of(mixings.trace, stack))
        asked = flow_engine.output_tokens(method, loaded, mixings)
        if asked is not None:
            states_controls.token_control(asked, "Output at", "position")
    selection = state.selection()
    head = selection.head if method in flow_explanations.PER_HEAD else None
    place = (stack, selection.layer, selection.head)
    with progress_bar(titles[method]) as tell:
        values = flow_engine.method_map(method, selection, loaded, mixings, place, tell)
    view = attention_view(
        mixings.trace,
        selection.layer,
        selection.head,
        stack=stack,
        combination="head" if head is not None else "layer mean",
    )
    pair = compare_views(view, replace(view, weights=values.astype(np.float32)))
    name = f"L{selection.layer} H{head}" if head is not None else f"L{selection.layer} mean"
    names = (f"{name} weights", titles[method])
    message = comparison_message(
        pair, titles=names, description=f"{names[0]} and {names[1]}, rows summing to 1.", selected="",
        scale=selection.scale, common=selection.common,
    )  # fmt: skip
    canvas("head_comparison", message, key="flow_maps")
    _, said, formula, paper, limits = flow_explanations.METHODS[method]
    told = f"<b>{html.escape(titles[method])}</b>: {html.escape(said)} <code>{html.escape(formula)}</code>"
    st.html(f'<p class="hint">{told} ({html.escape(paper)}). {html.escape(limits)}</p>')
    ratio = _mixing_frame(mixings, stack)
    pictures = {} if ratio.empty else {"mixing": partial(_mixing, ratio)}
    for key, picture in pictures.items():
        show(picture, key)
        st.caption(flow_explanations.MIXING)
    with row:
        _export_maps(mixings.trace, pair, names, message, pictures, ratio)


def _export_maps(
    trace: Trace, pair: AlignedPair, names: tuple[str, str], message: bytes, pictures: dict, ratio: pd.DataFrame
) -> None:
    model = trace.provenance.model

    def files(picture: str, look: Theme) -> Files:
        title = f"{model}: {names[1] if picture == 'maps' else 'mixing ratio'}"
        origin = describe(trace.provenance, title=title, kind=picture)
        if picture == "maps":
            return Files(comparison_makers(pair, names, message, origin, look), (model, "flow", names[1]))
        svg = partial(export.chart_svg, pictures[picture](look), title, origin)
        makers = exporting.picture_makers(svg, origin) | {"CSV": lambda: export.frame_csv(ratio, origin)}
        return Files(makers, (model, "flow", picture))

    exporting.export_popover({"maps": "Maps"} | ({"mixing": "Mixing ratio"} if pictures else {}), files)


def _mixing_frame(mixings: ValueMixings, stack: str) -> pd.DataFrame:
    """Return the mixing ratio by layer: least, mean and greatest over the tokens; nothing where a layer allows none."""
    rows = []
    for layer in mixings.trace.of_stack(stack):
        try:
            mixing = mixings.layer(layer.index, stack)
            form = fullest_form(mixing)
            found = mixing_ratio(mixing, form) if form != "attention" else None
        except HeadscopeError:
            found = None
        if found is None:
            return pd.DataFrame()
        summaries = {"most mixed": np.nanmax, "mean of tokens": np.nanmean, "least mixed": np.nanmin}
        rows += [{"layer": layer.index, "series": name, "value": float(of(found))} for name, of in summaries.items()]
    return pd.DataFrame(rows)


def _mixing(frame: pd.DataFrame, look: Theme):
    return layer_series(
        frame, theme=look, title="Mixing ratio", value_title="share from other tokens", domain=(0, 1), height=240
    )


def _routes(loaded: LoadedModel, mixings: ValueMixings, stack: str, row) -> None:
    tokens = mixings.trace.sequence(mixings.trace.of_stack(stack)[0].index, "query", stack)
    with row:
        position = states_controls.token_control(tokens)
        st.slider("Threshold", 0.01, 0.5, step=0.01, width=200, **state.bound("route_threshold"))
    with progress_bar("Taking the layers apart") as tell:
        contributions, said = flow_engine.route_contributions(mixings, stack, tell)
    routes = information_routes(contributions, position, threshold=state.selection().route_threshold)
    model = mixings.trace.provenance.model
    title = f"{model}: routes to {tokens[position].text}"
    origin = describe(mixings.trace.provenance, title=title, kind="routes", threshold=state.selection().route_threshold)
    picture = partial(_routes_picture, routes, [token.text for token in tokens], title, origin)
    show(picture, "routes")
    st.caption(flow_explanations.ROUTES.format(method=said))
    frame = pd.DataFrame([vars(edge) for edge in routes.edges])
    with row:
        export_pictures({"routes": picture}, f"{model} routes", origin, {"routes": frame})


def _routes_picture(routes, tokens: list[str], title: str, origin: dict, look: Theme) -> str:
    return flow_routes(routes, tokens, theme=look, title=title, provenance=origin)


def _fidelity(loaded: LoadedModel, mixings: ValueMixings, _stack: str, row) -> None:
    with progress_bar("Blanking out every token", patience=0.0) as tell:
        found = flow_engine.fidelity_of(state.selection(), loaded, tell)
    frames = {"this text": pd.DataFrame([vars(one) for one in found.rows])}
    shipped = shipped_fidelity(loaded.name)
    if shipped is not None:
        rows = pd.DataFrame([vars(one) for one in shipped.rows])
        frames[f"{shipped.texts} sentences"] = rows.rename(columns={"mean": "spearman"})
    pictures = {f"fidelity, {name}": partial(_fidelity_picture, frame, name) for name, frame in frames.items()}
    show_in_rows(pictures)
    st.caption(flow_explanations.FIDELITY)
    for method, reason in found.relevances.refused.items():
        st.html(f'<p class="hint"><b>{html.escape(method)}</b>: {html.escape(reason)}</p>')
    with row:
        origin = describe(mixings.trace.provenance, title=f"{loaded.name}: fidelity", kind="fidelity")
        numbers = dict(zip(pictures, frames.values(), strict=True))
        export_pictures(pictures, f"{loaded.name} fidelity", origin, numbers)


def _fidelity_picture(frame: pd.DataFrame, name: str, look: Theme):
    """Return the chart of methods by layers."""
    table = frame.assign(layer=frame.layer.map(lambda layer: "all" if pd.isna(layer) else f"L{int(layer)}"))
    layers = sorted(set(table.layer), key=lambda layer: (layer == "all", len(layer), layer))
    methods = list(dict.fromkeys(table.method))
    grid = table.pivot(index="method", columns="layer", values="spearman").reindex(index=methods, columns=layers)
    return matrix_chart(
        grid.to_numpy(dtype=float), theme=look, title=f"Spearman with blanking out, {name}", rows="", across="layer",
        label="Spearman", tokens=(methods, layers), numbers=True, longest=32,
    )  # fmt: skip
