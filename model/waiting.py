"""Who waits for something that others have too, and whom it tells of its place in the queue."""

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

# How often one who waits is told so, in seconds; each time is a moment at which it may leave.
TELL_SECONDS = 0.2


@dataclass(frozen=True)
class Place:
    """A place in a queue: so many requests come `before` this one, the one that runs now included; 0 is one's turn.

    Whoever waits for the same request of somebody else has the `share` of it that is done, and what is being `doing`.
    """

    before: int
    share: float | None = None
    doing: str = ""


OnPlace = Callable[[Place], None]
_requester: ContextVar[Hashable | None] = ContextVar("requester", default=None)
_on_place: ContextVar[OnPlace | None] = ContextVar("on_place", default=None)


@contextmanager
def waiting_as(requester: Hashable | None, on_place: OnPlace | None) -> Iterator[None]:
    """Name who asks for models inside, and what is told the place while it waits; what `on_place` raises leaves the queue.

    `on_place` is called every 0.2 seconds of waiting, and with `Place(0)` when the turn comes, which it may refuse too.
    Without a requester every thread counts as one.
    """
    named, told = _requester.set(requester), _on_place.set(on_place)
    try:
        yield
    finally:
        _on_place.reset(told)
        _requester.reset(named)


def requester() -> Hashable:
    """Return who asks in this context: the one that `waiting_as` names, else the thread."""
    named = _requester.get()
    return ("thread", threading.get_ident()) if named is None else named


def tell_place(place: Place) -> None:
    """Tell whoever wants to know it the place in the queue; raises what that raises."""
    told = _on_place.get()
    if told is not None:
        told(place)
