"""What the process keeps between reruns and shares between sessions, all of it bounded. The only user of st.cache_*."""

from collections.abc import Callable

import streamlit as st

from app.bounded_store import BoundedStore
from app.public_mode import limits

GIGABYTE = 10**9


class ModelStore(BoundedStore):
    """Loaded models under (name, revision, device, number type): only those that this server shows, as it shows them."""

    def get_or_make(self, key: tuple[str, str, str, str], make: Callable[[], object]) -> object:
        """Return the loaded model; raises HeadscopeError, before anything is looked for, where it may not be opened here."""
        allowed = limits()
        if allowed.public:
            allowed.check_model(*key)
        return super().get_or_make(key, lambda: allowed.limited(make()))


@st.cache_resource(show_spinner=False)
def models() -> ModelStore:
    """Loaded models: as many as fit into half of the smallest memory here, and then the one used last longest ago goes."""
    # Late, because this imports torch.
    from model.devices import available_devices, choose_device, model_budget

    return ModelStore(max_bytes=min(model_budget(choose_device(kind)) for kind in available_devices()))


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
