"""A store of computed values, bounded by bytes, in which identical requests share one computation."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class _Sized:
    value: object
    nbytes: int


class BoundedStore:
    """Keeps the values used last within a number of bytes and of entries; safe to use from several threads."""

    def __init__(self, max_bytes: int, max_entries: int = 1000):
        self.max_bytes, self.max_entries = max_bytes, max_entries
        self._values: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()
        self._making: dict[Hashable, tuple[threading.Lock, int]] = {}
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        with self._lock:
            return sum(size for _, size in self._values.values())

    def get_or_make(self, key: Hashable, make: Callable[[], object]) -> object:
        """Return the value under `key`; made once, also when several threads ask at the same time.

        A value says its own size as `nbytes`. What `make` raises reaches its caller, and the next one tries again.
        """
        found = self.get(key)
        if found is not None:
            return found
        with self._making_of(key):
            # Another thread may have made it while this one waited.
            found = self.get(key)
            if found is None:
                found = make()
                self.put(key, found)
        return found

    def get_or_make_sized(self, key: Hashable, make: Callable[[], object], nbytes: Callable[[object], int]) -> object:
        """Return the value under `key` as `get_or_make` does, of a kind that does not say its own size."""

        def made() -> _Sized:
            value = make()
            return _Sized(value, nbytes(value))

        return self.get_or_make(key, made).value

    @contextmanager
    def _making_of(self, key: Hashable) -> Iterator[None]:
        """Hold the lock of one key, which lives for as long as any thread makes or waits for its value."""
        with self._lock:
            making, waiting = self._making.get(key, (threading.Lock(), 0))
            self._making[key] = (making, waiting + 1)
        try:
            with making:
                yield
        finally:
            with self._lock:
                making, waiting = self._making.pop(key)
                if waiting > 1:
                    self._making[key] = (making, waiting - 1)

    def get(self, key: Hashable):
        """Return the value under `key`, or None where there is none."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Hashable, value) -> None:
        """Keep a value under `key` in the place of an earlier one."""
        size = len(value) if isinstance(value, bytes) else int(value.nbytes)
        with self._lock:
            self._values[key] = (value, size)
            # The newest value stays even where it alone is over the bound: somebody is looking at it.
            while len(self._values) > 1 and (
                sum(held for _, held in self._values.values()) > self.max_bytes or len(self._values) > self.max_entries
            ):
                self._values.popitem(last=False)
