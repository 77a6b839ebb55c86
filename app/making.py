"""One computation under way, and those who wait for it in other threads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from model.waiting import TELL_SECONDS, Place, tell_place

_in_hand: ContextVar[tuple["Making", ...]] = ContextVar("in_hand", default=())
# Thread -> the making that it waits for, of all stores.
_waiting: dict[int, "Making"] = {}


class Making:
    """A value that `maker`, a thread, makes; `done` is set when it has ended, with `value` None where it failed.

    `share` and `doing` say how far it is, where the maker tells that.
    """

    def __init__(self) -> None:
        self.maker = threading.get_ident()
        self.done = threading.Event()
        self.value: object | None = None
        self.share: float | None = None
        self.doing = ""

    @contextmanager
    def in_hand(self) -> Iterator[None]:
        """Let `tell_those_who_wait` reach this making inside."""
        before = _in_hand.set((*_in_hand.get(), self))
        try:
            yield
        finally:
            _in_hand.reset(before)

    def wait(self) -> object | None:
        """Wait until it has ended and return the value, or None where it failed or would never end.

        What telling the place raises ends the waiting.
        """
        _waiting[threading.get_ident()] = self
        try:
            while not self.done.wait(TELL_SECONDS):
                if waits_for_itself(self):
                    return None
                tell_place(Place(1, self.share, self.doing))
        finally:
            _waiting.pop(threading.get_ident(), None)
        return self.value


def tell_those_who_wait(share: float, doing: str) -> None:
    """Let those who wait for what this thread makes hear how far it is."""
    for making in _in_hand.get():
        making.share, making.doing = share, doing


def waits_for_itself(making: Making) -> bool:
    """Say whether the maker waits, perhaps through others, for what this thread makes, so that waiting would never end."""
    me, seen = threading.get_ident(), set()
    while making is not None and id(making) not in seen:
        if making.maker == me:
            return True
        seen.add(id(making))
        making = _waiting.get(making.maker)
    return False
