"""A lock whose turns go round between those who ask, and in which one who waits knows its place and may leave."""

import threading
from collections import OrderedDict, deque
from collections.abc import Hashable

from model.waiting import TELL_SECONDS, Place, requester, tell_place

_held = threading.local()


def holds_a_lock() -> bool:
    """Say whether this thread holds any fair lock: it must not wait for another thread that may want the same lock."""
    return getattr(_held, "count", 0) > 0


class _Ticket:
    """One thread's wish for the lock; `turn` is set when the lock is its own."""

    def __init__(self) -> None:
        self.thread, self.who = threading.get_ident(), requester()
        self.turn = threading.Event()


class FairLock:
    """A reentrant lock that is handed to the requester whose turn it is: each has one turn in a round, in the order of asking.

    Several threads of one requester (see `model.waiting.waiting_as`) share its turns, first come first served. While it
    waits, a thread tells its place every 0.2 seconds; what that raises leaves the queue, and nobody else loses a turn.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._owner: int | None = None
        self._depth = 0
        # Requesters in the order of their turns, each with its tickets.
        self._queues: OrderedDict[Hashable, deque[_Ticket]] = OrderedDict()

    def acquire(self, blocking: bool = True) -> bool:
        """Take the lock and return True, waiting for one's turn; without `blocking` return False where it is not free."""
        with self._guard:
            if self._owner == threading.get_ident():
                self._depth += 1
                return True
            if self._owner is not None and not blocking:
                return False
            ticket = _Ticket()
            if self._owner is None:
                self._give(ticket)
            else:
                self._queues.setdefault(ticket.who, deque()).append(ticket)
        try:
            while not ticket.turn.wait(TELL_SECONDS):
                tell_place(Place(self._before(ticket)))
            tell_place(Place(0))
        except BaseException:
            self._leave(ticket)
            raise
        _held.count = getattr(_held, "count", 0) + 1
        return True

    def release(self) -> None:
        """Give the lock back; raises RuntimeError in a thread that does not hold it."""
        with self._guard:
            if self._owner != threading.get_ident():
                raise RuntimeError("This thread does not hold the lock.")
            self._depth -= 1
            if self._depth == 0:
                _held.count -= 1
                self._pass_on()

    def __enter__(self) -> "FairLock":
        self.acquire()
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()

    def _give(self, ticket: _Ticket) -> None:
        self._owner, self._depth = ticket.thread, 1
        ticket.turn.set()

    def _pass_on(self) -> None:
        """Give the lock to the first of the requester whose turn it is, whose next turn comes after everybody else's."""
        self._owner, self._depth = None, 0
        if not self._queues:
            return
        who, tickets = self._queues.popitem(last=False)
        ticket = tickets.popleft()
        if tickets:
            self._queues[who] = tickets
        self._give(ticket)

    def _leave(self, ticket: _Ticket) -> None:
        with self._guard:
            if ticket.turn.is_set():
                # The turn came while this one was leaving: the next one must not wait for it.
                self._pass_on()
                return
            tickets = self._queues[ticket.who]
            tickets.remove(ticket)
            if not tickets:
                del self._queues[ticket.who]

    def _before(self, ticket: _Ticket) -> int:
        """Return how many turns come before this ticket's, the present one included."""
        with self._guard:
            if ticket.turn.is_set():
                return 0
            order = list(self._queues)
            own, place = order.index(ticket.who), self._queues[ticket.who].index(ticket)
            # In every round before its own each other requester has a turn; those that stand ahead have one more.
            return (
                1
                + place
                + sum(
                    min(len(self._queues[who]), place + (position < own))
                    for position, who in enumerate(order)
                    if position != own
                )
            )
