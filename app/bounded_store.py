"""A store of computed values, bounded by bytes, in which identical requests share one computation."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress


class BoundedStore:
    """Keeps the values used last within a number of bytes and of entries; safe to use from several threads."""

    def __init__(self, max_bytes: int, max_entries: int = 1000):
        self.max_bytes, self.max_entries = max_bytes, max_entries
        self._values: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
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
        found = self._get(key)
        if found is not None:
            return found
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            # Another thread may have made it while this one waited.
            found = self._get(key)
            if found is None:
                try:
                    found = make()
                    self._put(key, found)
                finally:
                    with self._lock, suppress(KeyError):
                        del self._making[key]
        return found

    def _get(self, key: Hashable):
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def _put(self, key: Hashable, value) -> None:
        size = len(value) if isinstance(value, bytes) else int(value.nbytes)
        with self._lock:
            self._values[key] = (value, size)
            # The newest value stays even where it alone is over the bound: somebody is looking at it.
            while len(self._values) > 1 and (
                sum(held for _, held in self._values.values()) > self.max_bytes or len(self._values) > self.max_entries
            ):
                self._values.popitem(last=False)
