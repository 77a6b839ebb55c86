"""Threads that wait for a lock in a known order."""

import threading
import time
from collections.abc import Callable

from model.fair_lock import FairLock
from model.waiting import Place, waiting_as

SECONDS = 20


def until(reached: Callable[[], object]) -> None:
    """Wait until something is so; fails after 20 seconds."""
    deadline = time.monotonic() + SECONDS
    while not reached():
        assert time.monotonic() < deadline, "not reached in time"
        time.sleep(0.005)


class Waiting:
    """A thread that asks for a lock as the first letter of its name, and writes the name when its turn comes.

    It stands in the queue when it is made.
    """

    def __init__(self, lock: FairLock, name: str, order: list[str], on_place: Callable[[Place], None] | None = None):
        self.lock, self.name, self.order = lock, name, order
        self.places: list[Place] = []
        self.error: BaseException | None = None
        self._leaving: BaseException | None = None
        self._on_place = on_place
        before = self._queued()
        self.thread = threading.Thread(target=self._ask, daemon=True)
        self.thread.start()
        until(lambda: self._queued() > before)

    def leave(self, error: BaseException) -> None:
        """Let it raise `error` the next time that it is told its place."""
        self._leaving = error

    def _queued(self) -> int:
        return sum(len(tickets) for tickets in list(self.lock._queues.values()))

    def _ask(self) -> None:
        try:
            with waiting_as(self.name[0], self._told), self.lock:
                self.order.append(self.name)
        except BaseException as error:
            self.error = error

    def _told(self, place: Place) -> None:
        self.places.append(place)
        if self._on_place is not None:
            self._on_place(place)
        if self._leaving is not None:
            raise self._leaving
