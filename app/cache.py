"""What the process keeps between reruns and shares between sessions, all of it bounded. The only user of st.cache_*."""

import streamlit as st

from app.bounded_store import BoundedStore

GIGABYTE = 10**9


@st.cache_resource(show_spinner=False)
def models() -> BoundedStore:
    """Loaded models: as many as fit into half of the smallest memory here, and then the one used last longest ago goes."""
    # Late, because this imports torch.
    from model.devices import available_devices, choose_device, model_budget

    return BoundedStore(max_bytes=min(model_budget(choose_device(kind)) for kind in available_devices()))


@st.cache_resource(show_spinner=False)
def runs() -> BoundedStore:
    """Runs of recent texts."""
    return BoundedStore(max_bytes=GIGABYTE)


@st.cache_resource(show_spinner=False)
def pictures() -> BoundedStore:
    """Thumbnails of recent traces."""
    return BoundedStore(max_bytes=GIGABYTE // 4)


@st.cache_resource(show_spinner=False)
def talks() -> BoundedStore:
    """Talks that are being made, so that reloading a page loses none."""
    return BoundedStore(max_bytes=GIGABYTE // 20, max_entries=10_000)
