"""A store of computed values, bounded by bytes, in which identical requests share one computation."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from app.making import Making, waits_for_itself
from model.fair_lock import holds_a_lock


@dataclass(frozen=True, eq=False)
class _Sized:
    value: object
    nbytes: int


class BoundedStore:
    """Keeps the values used last within a number of bytes and of entries; safe to use from several threads."""

    def __init__(self, max_bytes: int, max_entries: int = 1000):
        self.max_bytes, self.max_entries = max_bytes, max_entries
        self._values: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()
        self._making: dict[Hashable, Making] = {}
        self._nbytes = 0
        # Held for moments only: whatever takes time is made outside it.
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        with self._lock:
            return self._nbytes

    def get_or_make(self, key: Hashable, make: Callable[[], object]) -> object:
        """Return the value under `key`; made once, also when several threads ask at the same time.

        Those who wait for another thread are told how far it is, and what that raises ends their waiting (see
        `model.waiting`). A value says its own size as `nbytes`. What `make` raises reaches its caller, and the next of those
        who wait makes it.
        """
        while True:
            with self._lock:
                if (found := self._found(key)) is not None:
                    return found
                making = self._making.get(key)
                if making is None:
                    making = self._making[key] = Making()
                    break
            if holds_a_lock() or waits_for_itself(making):
                # The maker may want what this thread holds: two makings are better than none.
                return self._kept(key, make())
            if (found := making.wait()) is not None:
                return found
        try:
            with making.in_hand():
                making.value = self._kept(key, make())
            return making.value
        finally:
            with self._lock:
                del self._making[key]
            making.done.set()

    def get_or_make_sized(self, key: Hashable, make: Callable[[], object], nbytes: Callable[[object], int]) -> object:
        """Return the value under `key` as `get_or_make` does, of a kind that does not say its own size."""

        def made() -> _Sized:
            value = make()
            return _Sized(value, nbytes(value))

        return self.get_or_make(key, made).value

    def get(self, key: Hashable):
        """Return the value under `key`, or None where there is none."""
        with self._lock:
            return self._found(key)

    def put(self, key: Hashable, value) -> None:
        """Keep a value under `key` in the place of an earlier one."""
        self._kept(key, value)

    def clear(self) -> None:
        """Let go of every value."""
        with self._lock:
            self._values.clear()
            self._nbytes = 0

    def _found(self, key: Hashable):
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def _kept(self, key: Hashable, value):
        size = len(value) if isinstance(value, bytes) else int(value.nbytes)
        with self._lock:
            self._nbytes += size - self._values.pop(key, (None, 0))[1]
            self._values[key] = (value, size)
            # The newest value stays even where it alone is over the bound: somebody is looking at it.
            while len(self._values) > 1 and (self._nbytes > self.max_bytes or len(self._values) > self.max_entries):
                self._nbytes -= self._values.popitem(last=False)[1][1]
        return value
