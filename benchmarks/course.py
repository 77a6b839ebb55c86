"""The course of one run of many measurements: what is being measured, within a time that they share."""

import math
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from benchmarks.child import ask, reason

Result = TypeVar("Result")


class Course:
    """Prints what is measured, and asks nothing more when the time is up; `versions` gathers those of what was measured."""

    def __init__(self, minutes: float = 60):
        self.started = time.monotonic()
        self.minutes = minutes
        self.versions: dict[str, str] = {}

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.started + 60 * self.minutes - time.monotonic()

    def ask(self, module: str, *arguments: object, at_most: float = math.inf, python: str = sys.executable) -> dict:
        """Return what a module answers in a process of its own, within the time that is left; raises Unmeasured."""
        return ask(module, *arguments, python=python, seconds=min(at_most, max(1.0, self.left)))

    def measure(self, what: str, work: Callable[[], Result]) -> Result | str:
        """Return what `work` returns, or in words why it could not."""
        if self.left <= 0:
            return f"not run: the {self.minutes:g} minutes were over"
        began = time.monotonic()
        print(f"[{self._now()}] {what} ...", end=" ", flush=True)
        try:
            found: Result | str = work()
        except Exception as error:
            found = reason(error)
        said = found if isinstance(found, str) else "done"
        print(f"{said} ({time.monotonic() - began:.0f} s)", flush=True)
        return found

    def _now(self) -> str:
        passed = int(time.monotonic() - self.started)
        return f"{passed // 60:2}:{passed % 60:02}"
