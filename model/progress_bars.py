"""Progress bars that libraries draw while they work, told to a callback instead of drawn."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm.auto import tqdm
from transformers.utils import logging as transformers_logging

from model.errors import tell

# transformers has one hook for the bars of the whole process, so one model is read at a time.
_hook_lock = threading.Lock()
WAIT_SECONDS = 0.2


class SilentBar(tqdm):  # type: ignore[misc]  # tqdm says nothing of its types
    """A progress bar that counts and draws nothing."""

    # Without this tqdm starts a thread that watches over bars that stand still.
    monitor_interval = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.pop("name", None)
        super().__init__(*args, **{**kwargs, "disable": False, "file": _Silent()})


@contextmanager
def telling_of_weights(progress: Callable[[float], None] | None) -> Iterator[None]:
    """Call `progress` with the share of the weights that transformers has read in this thread.

    What `progress` raises ends the reading as Cancelled. Other threads that read a model wait meanwhile.
    """
    if progress is None:
        yield
        return
    while not _hook_lock.acquire(timeout=WAIT_SECONDS):
        tell(progress, 0.0)
    try:
        before = transformers_logging.set_tqdm_hook(_hook(progress, threading.get_ident()))
        try:
            yield
        finally:
            transformers_logging.set_tqdm_hook(before)
    finally:
        _hook_lock.release()


def _hook(progress: Callable[[float], None], thread: int) -> Callable[..., Any]:
    class Telling(SilentBar):
        def __iter__(self) -> Iterator[Any]:
            for done, item in enumerate(self.iterable):
                tell(progress, done / max(1, self.total or 1))
                yield item
            tell(progress, 1.0)

    def build(factory: Any, args: Any, kwargs: Any) -> Any:
        # A bar of another thread is none of ours.
        return (Telling if threading.get_ident() == thread else factory)(*args, **kwargs)

    return build


class _Silent:
    def write(self, _text: str) -> None:
        pass

    def flush(self) -> None:
        pass
