"""The components as Streamlit elements."""

from collections.abc import Callable
from functools import cache

import streamlit as st

from app.components.sources import markup, mount, script, style


@cache
def _component(name: str) -> Callable:
    module = f"{script(name)}\nexport default {mount(name)};\n"
    return st.components.v2.component(f"headscope.{name}", html=markup(name), css=style(name), js=module)


def canvas(name: str, data: bytes, *, key: str, on_pick: Callable[[], None] | None = None) -> None:
    """Show the component `name` with a packed message; what the user picks arrives under `key` as "pick"."""
    _component(name)(key=key, data=data, on_pick_change=on_pick or _nothing)


def _nothing() -> None:
    """A component that reports nothing still names what it would report."""
