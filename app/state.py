"""What is selected: one frozen value in the session, mirrored in the URL. The only user of st.session_state."""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from urllib.parse import quote

import streamlit as st

from app.figures.theme import SCALES
from model.analysis.aggregation import COMBINATIONS
from model.catalog import BUNDLED, DEFAULT_MODEL

DEFAULT_TEXT = "The animal didn't cross the street because it was too tired."
# Characters of a text as they stand in an address; servers refuse addresses of more than 64 kB in all.
LONGEST_URL_TEXT = 12_000
TYPED = ("text", "second", "target", "revision")
# "spread" divides a model that is larger than one device over several, the CPU and disk.
DEVICES = ("auto", "cuda", "mps", "cpu", "spread")
METHODS = ("greedy", "sampled", "beam")
BLOCKS = ("all", "A to A", "A to B", "B to A", "B to B")
MOST_NEW_TOKENS = 64
STACKS = ("", "encoder", "decoder", "cross")


@dataclass(frozen=True)
class Selection:
    """Everything that decides what a page shows; `token` is "", "q3" (a query) or "k5" (a key), counted in tokens."""

    model: str = DEFAULT_MODEL
    revision: str = ""
    device: str = "auto"
    dtype: str = "auto"
    text: str = DEFAULT_TEXT
    pair: bool = False
    second: str = ""
    chat: bool = False
    target: str = ""
    new_tokens: int = 0
    method: str = "greedy"
    seed: int = 0
    step: int = 1
    stack: str = ""
    layer: int = 3
    head: int = 1
    combination: str = "head"
    words: bool = False
    hide_special: bool = False
    scale: str = "square root"
    common: bool = True
    threshold: float = 0.1
    token: str = "q10"
    block: str = "all"
    cut: bool = False


_CHOICES = {
    "block": BLOCKS,
    "method": METHODS,
    "stack": STACKS,
    "combination": COMBINATIONS,
    "scale": SCALES,
    "device": DEVICES,
    "dtype": ("auto", "float32", "bfloat16", "float16"),
}
_RANGES = {
    "layer": (0, 10_000),
    "head": (0, 10_000),
    "threshold": (0.0, 1.0),
    "new_tokens": (0, MOST_NEW_TOKENS),
    "seed": (0, 10**9),
    "step": (1, MOST_NEW_TOKENS),
}
_DEFAULT = Selection()


def read_selection(parameters: dict[str, str]) -> Selection:
    """Return the Selection that URL parameters describe; what is unknown or out of range keeps its default."""
    found = {}
    for entry in fields(Selection):
        if entry.name in parameters:
            try:
                found[entry.name] = _parse(entry.name, parameters[entry.name])
            except ValueError:
                continue
    return replace(_default_for(found.get("text", DEFAULT_TEXT)), **found)


def _default_for(text: str) -> Selection:
    """Return the default beside a text: the token that is selected at first belongs to the default sentence."""
    return _DEFAULT if text == DEFAULT_TEXT else replace(_DEFAULT, token="")


def write_selection(selection: Selection) -> dict[str, str]:
    """Return the URL parameters of a Selection: only what differs from the default."""
    if len(quote(selection.text, errors="replace")) > LONGEST_URL_TEXT:
        # What belongs to a text that the address cannot hold would be wrong for the one that takes its place.
        selection = replace(selection, text=DEFAULT_TEXT, token=_DEFAULT.token, cut=False)
    for name in ("target", "second"):
        if len(quote(getattr(selection, name), errors="replace")) > LONGEST_URL_TEXT:
            selection = replace(selection, **{name: ""})
    default = _default_for(selection.text)
    return {
        entry.name: _format(getattr(selection, entry.name))
        for entry in fields(Selection)
        if getattr(selection, entry.name) != getattr(default, entry.name)
    }


def selection() -> Selection:
    """Return what is selected now; at the start of a session that is what the URL says."""
    if "selection" not in st.session_state:
        st.session_state["selection"] = read_selection(dict(st.query_params))
    return st.session_state["selection"]


def change(**values) -> None:
    """Select something else."""
    st.session_state["selection"] = replace(selection(), **values)


def publish() -> None:
    """Write the selection into the URL, where it is not there already."""
    wanted = write_selection(selection())
    if dict(st.query_params) == wanted:
        return
    if wanted:
        st.query_params.from_dict(wanted)
    else:
        # from_dict with nothing in it forgets to tell the browser.
        st.query_params.clear()


def bound(name: str) -> dict:
    """Return the key and callback that tie a widget to one field of the selection."""
    key = f"widget_{name}"
    value = getattr(selection(), name)
    # A text box is set only on a difference: a rerun must not overwrite what is being typed. Every other widget is set
    # each time, since one inside a closed popover takes its first value from the last rerun, not from the session.
    if name not in TYPED or st.session_state.get(key) != value:
        st.session_state[key] = value

    def commit() -> None:
        if st.session_state[key] is not None:
            change(**{name: st.session_state[key]})

    return {"key": key, "on_change": commit}


def source_of(model: str) -> str:
    """Return where a model name points: "bundled", "folder" or "hub"."""
    if model in BUNDLED:
        return "bundled"
    return "folder" if model.startswith(("/", ".", "~")) or "\\" in model or model[1:2] == ":" else "hub"


def is_asked_for(model: str) -> bool:
    """Say whether this user named the model, rather than a link that was opened."""
    return model in st.session_state.get("asked_for", ())


def ask_for(model: str) -> None:
    """Note that this user asked for the model, so that it may be downloaded."""
    st.session_state["asked_for"] = {*st.session_state.get("asked_for", ()), model}


def source_control() -> dict:
    """Return the key and callback of the choice of source; going back to bundled selects the bundled model."""
    key = "widget_source"
    if key not in st.session_state:
        st.session_state[key] = source_of(selection().model)

    def commit() -> None:
        if st.session_state[key] in (None, "bundled"):
            st.session_state[key] = "bundled"
            change(model=DEFAULT_MODEL)

    return {"key": key, "on_change": commit}


def chosen_source() -> str:
    """Return the chosen source of models."""
    return st.session_state.get("widget_source") or "bundled"


def model_name(source: str) -> dict:
    """Return the key and callback of the name of a model from one source; an empty name changes nothing."""
    key = f"widget_model_{source}"
    current = selection().model
    if key not in st.session_state and source_of(current) == source:
        st.session_state[key] = current

    def commit() -> None:
        name = (st.session_state[key] or "").strip()
        if name:
            ask_for(name)
            change(model=name)

    return {"key": key, "on_change": commit}


def on_pick(key: str, handle: Callable) -> Callable[[], None]:
    """Return the callback of a component: it hands over what was picked in it."""

    def picked() -> None:
        value = st.session_state[key].get("pick")
        if value is not None:
            handle(value)

    return picked


def _parse(name: str, text: str):
    default = getattr(_DEFAULT, name)
    if isinstance(default, bool):
        if text not in ("0", "1"):
            raise ValueError(name)
        return text == "1"
    value = type(default)(text)
    if name in _CHOICES and value not in _CHOICES[name]:
        raise ValueError(name)
    if name in _RANGES and not _RANGES[name][0] <= value <= _RANGES[name][1]:
        raise ValueError(name)
    if name == "token" and not re.fullmatch(r"([qk]\d{1,6})?", value, re.ASCII):
        raise ValueError(name)
    return value


def _format(value) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
