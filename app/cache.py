"""What the process keeps between reruns and shares between sessions, all of it bounded. The only user of st.cache_*."""

import streamlit as st

from app.bounded_store import BoundedStore

GIGABYTE = 10**9


@st.cache_resource(show_spinner=False)
def models() -> BoundedStore:
    """Loaded models: two at most, so that switching back and forth is quick."""
    return BoundedStore(max_bytes=16 * GIGABYTE, max_entries=2)


@st.cache_resource(show_spinner=False)
def traces() -> BoundedStore:
    """Traces of recent texts."""
    return BoundedStore(max_bytes=GIGABYTE)


@st.cache_resource(show_spinner=False)
def pictures() -> BoundedStore:
    """Thumbnails of recent traces."""
    return BoundedStore(max_bytes=GIGABYTE // 4)
