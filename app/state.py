"""What is selected in this session, mirrored in the URL, and the talk that is being made. The only user of st.session_state."""

import secrets
from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from app import cache
from app.selection import Selection, read_selection, source_of, write_selection
from app.talks import Talk
from model.catalog import DEFAULT_MODEL

TYPED = (
    "text",
    "second",
    "target",
    "revision",
    "other",
    "find",
    "english",
    "edits",
    "effect_texts",
    "references",
    "vocabulary_token",
)


def selection() -> Selection:
    """Return what is selected now; at the start of a session that is what the URL says."""
    if "selection" not in st.session_state:
        st.session_state["selection"] = read_selection(dict(st.query_params))
    return st.session_state["selection"]


def change(**values) -> None:
    """Select something else."""
    st.session_state["selection"] = replace(selection(), **values)


def publish() -> None:
    """Write the selection into the URL, where it is not there already, and the name under which the talk is kept."""
    wanted = write_selection(selection())
    if talk().scenes:
        wanted["talk"] = st.session_state["talk_name"]
    if dict(st.query_params) == wanted:
        return
    if wanted:
        st.query_params.from_dict(wanted)
    else:
        # from_dict with nothing in it forgets to tell the browser.
        st.query_params.clear()


def bound(name: str, **resets) -> dict:
    """Return the key and callback that tie a widget to one field of the selection; a change of it also sets `resets`."""
    key = f"widget_{name}"
    value = getattr(selection(), name)
    # A text box is set only on a difference: a rerun must not overwrite what is being typed. Every other widget is set
    # each time, since one inside a closed popover takes its first value from the last rerun, not from the session.
    if name not in TYPED or st.session_state.get(key) != value:
        st.session_state[key] = value

    def commit() -> None:
        chosen = {} if st.session_state[key] is None else {name: st.session_state[key]}
        change(**chosen, **resets)

    return {"key": key, "on_change": commit}


def bound_words(name: str, current: list[str]) -> dict:
    """Return the key and callback of a list of word groups that is one field of the selection, "1,5-6"; it shows `current`."""
    key = f"widget_{name}"
    st.session_state[key] = current

    def commit() -> None:
        groups = sorted(st.session_state[key], key=lambda group: int(group.split("-")[0]))
        change(**{name: ",".join(groups), "answer": -1})

    return {"key": key, "on_change": commit}


def bound_head(current: tuple[int, int], layer: str = "layer", head: str = "head") -> dict:
    """Return the key and callback of a choice of (layer, head), which are two fields of the selection."""
    key = f"widget_{layer}_{head}"
    st.session_state[key] = current

    def commit() -> None:
        if st.session_state[key] is not None:
            change(**dict(zip((layer, head), st.session_state[key], strict=True)))

    return {"key": key, "on_change": commit}


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


def open_head(picked) -> None:
    """Open the head that was clicked in a grid, (layer, head)."""
    change(layer=int(picked[0]), head=int(picked[1]))


def on_point(key: str, handle: Callable[[str], None]) -> Callable[[], None]:
    """Return the callback of a chart whose points are heads: it hands over the name of the one that was clicked."""

    def picked() -> None:
        points = st.session_state[key]["selection"].get("head") or []
        if points:
            handle(str(points[0]["name"]))

    return picked


def opened(kind: str):
    """Return what this session keeps under a name (a file that it opened, its work), None where there is nothing."""
    return st.session_state.get(f"opened_{kind}")


def keep_opened(kind: str, content) -> None:
    """Keep something under a name for this session alone."""
    st.session_state[f"opened_{kind}"] = content


def talk() -> Talk:
    """Return the talk of this session; after a reload of the page that is the one that its address names."""
    if "talk" not in st.session_state:
        _keep(cache.talks().get(st.query_params.get("talk", "")) or Talk())
    return st.session_state["talk"]


def change_talk(talk: Talk) -> None:
    """Put another talk in the place of this session's; the boxes in which it is typed are filled anew."""
    _keep(talk)
    st.session_state["talk_version"] = talk_version() + 1


def _keep(talk: Talk) -> None:
    # Under a name of this session's own: whoever opens its address gets a copy.
    name = st.session_state.setdefault("talk_name", secrets.token_urlsafe(9))
    st.session_state["talk"] = talk
    cache.talks().put(name, talk)


def talk_version() -> int:
    """Return a number that changes whenever the order of scenes may have changed, for the keys of their boxes."""
    return st.session_state.get("talk_version", 0)


def typed_talk(key: str, value: str, keep: Callable[[Talk, str], Talk]) -> dict:
    """Return the key and callback of a box that holds a text of the talk; `keep` puts what was typed into the talk."""
    key = f"talk_{talk_version()}_{key}"
    st.session_state.setdefault(key, value)

    def commit() -> None:
        _keep(keep(talk(), st.session_state[key]))

    return {"key": key, "on_change": commit}
