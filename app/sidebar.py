"""The sidebar that every page shares: which model, on which device, in which number type, and what it takes."""

import html
import sys

import streamlit as st

from app import panels, state
from app import server_explanations as explanations
from app.choices import DEVICES
from app.progress import progress_bar, stop_if_cancelled
from app.public_mode import limits
from app.selection import source_of
from app.starting import start_torch
from model.catalog import BUNDLED, DEFAULT_MODEL, SUGGESTED_HUB_MODELS
from model.errors import HeadscopeError

SOURCES = {"bundled": "Bundled", "hub": "Hub", "folder": "Folder", "file": "File"}


def model_picker() -> None:
    """Draw the choice of model, device and number type; nothing is loaded here."""
    with st.sidebar:
        st.html('<div class="brand">Headscope</div>')
        if limits().public:
            _listed_picker()
            return
        st.segmented_control("Model from", list(SOURCES), format_func=SOURCES.get, **state.source_control())
        source = state.chosen_source()
        if source == "hub":
            st.text_input("Hub id", placeholder="owner/name", **state.model_name("hub"))
            st.html(f'<div class="suggested">{"<br>".join(map(html.escape, SUGGESTED_HUB_MODELS))}</div>')
            st.text_input("Revision", placeholder="main", **state.bound("revision"))
        elif source == "folder":
            st.text_input("Local folder", placeholder="~/models/my-model", **state.model_name("folder"))
        elif source == "bundled":
            st.selectbox(
                "Model", list(BUNDLED), format_func=lambda name: BUNDLED[name].title, **state.model_name("bundled")
            )
        if source == "file":
            return
        left, right = st.columns(2)
        left.selectbox("Device", DEVICES, **state.bound("device"))
        right.selectbox("Numbers", ["auto", "float32", "bfloat16", "float16"], **state.bound("dtype"))


def check_model() -> None:
    """End the page where the address names a model that this server does not show, with a way back to one that it does."""
    chosen, allowed = state.selection(), limits()
    try:
        allowed.check_model(chosen.model, chosen.revision, chosen.device, chosen.dtype)
    except HeadscopeError as error:
        first = allowed.models[0]
        plain = {"model": first, "revision": "", "device": "auto", "dtype": "auto"}
        if chosen.model == DEFAULT_MODEL and DEFAULT_MODEL not in allowed.models:
            # Nobody asked for the default.
            state.change(**plain)
            return
        panels.notice(str(error))
        st.button(f"Open {_title(first)}", on_click=state.change, kwargs=plain, type="primary")
        st.stop()


def _listed_picker() -> None:
    """Draw the choice between the models that a public server shows, and a file."""
    allowed = limits()
    kinds = dict.fromkeys([*(source_of(name) for name in allowed.models), "file"])
    st.segmented_control("Model from", list(kinds), format_func=SOURCES.get, **state.source_control())
    source = state.chosen_source()
    listed = [name for name in allowed.models if source_of(name) == source]
    if listed:
        st.selectbox(
            "Model", listed, index=None, placeholder="Choose a model", format_func=_title, **state.model_name(source)
        )
    st.caption(
        explanations.PUBLIC.format(tokens=allowed.tokens, megabytes=allowed.upload_megabytes, requests=allowed.requests)
    )


def _title(name: str) -> str:
    return BUNDLED[name].title if name in BUNDLED else name


def loaded_model(selection):
    """Return the selected model, with a progress bar in the sidebar while it loads; raises HeadscopeError."""
    # Before the sidebar, so that the page itself says it.
    stop_if_cancelled("Loading the model")
    limits().check_model(selection.model, selection.revision, selection.device, selection.dtype)
    # The first session waits some seconds for torch and transformers, and is told so at once.
    cold = "app.engine" not in sys.modules
    with st.sidebar, progress_bar("Loading the model", **({"patience": 0.0} if cold else {})) as tell:
        tell(0.0, "Starting PyTorch")
        start_torch()
        from app import engine

        if state.is_asked_for(selection.model) or not engine.needs_download(selection):
            return engine.loaded_model(selection, tell)
    _ask_before_download(selection.model)


def _ask_before_download(model: str) -> None:
    # A link that was opened must not reach for the network by itself.
    panels.notice(f"This link asks for “{model}” from the hub, which is not on this machine yet.")
    st.button("Download it", on_click=state.ask_for, args=(model,), type="primary")
    st.stop()


def facts(loaded, trace=None, place=None):
    """Show the device and number type in use, the size of the model and of the trace; returns the place to show more in."""
    from model.devices import gigabytes

    rows = [
        ("device", str(loaded.device)),
        ("numbers", str(loaded.dtype).removeprefix("torch.")),
        ("weights", gigabytes(loaded.nbytes)),
    ]
    if trace is not None:
        for stack in trace.stacks:
            layers = trace.of_stack(stack)
            rows.append((stack, f"{len(layers)} layers × {layers[0].heads}"))
        sources = sorted({layer.source for layer in trace.layers})
        rows += [("trace", gigabytes(trace.nbytes)), ("captured", ", ".join(sources))]
    listed = "".join(f"<span>{name}</span><b>{html.escape(value)}</b>" for name, value in rows)
    place = place or st.sidebar.empty()
    place.html(f'<div class="facts">{listed}</div>')
    return place
