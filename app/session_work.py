"""What a session has models do: who asks, what was begun, what its user cancelled, and how often it asked; no streamlit."""

import secrets
import time
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field

MINUTE_SECONDS = 60.0


@dataclass(frozen=True)
class Work:
    """A piece of work: the page it is on, what it is called there, and everything that decides what comes out."""

    page: str
    label: str
    decides: Hashable


@dataclass(eq=False)
class SessionWork:
    """The work of one session. `name` tells it from other sessions; `page` is the page that is shown.

    What was begun stays noted where Streamlit stops it, so that the next run knows what its user cancelled.
    """

    name: str = field(default_factory=secrets.token_urlsafe)
    page: str = ""
    begun: Work | None = None
    cancelled: Work | None = None
    _asked: deque[float] = field(default_factory=deque)

    def enter(self, page: str) -> None:
        """Note the page that is shown; on another one nothing is cancelled."""
        if page != self.page:
            self.page, self.cancelled = page, None

    def is_cancelled(self, label: str, decides: Hashable) -> bool:
        """Say whether the user cancelled just this; asking for something else under the same name takes that back."""
        if self.cancelled == Work(self.page, label, decides):
            return True
        if self.cancelled is not None and self.cancelled.label == label:
            self.cancelled = None
        return False

    def begin(self, label: str, decides: Hashable) -> Work:
        """Note work that begins and return it."""
        self.begun = Work(self.page, label, decides)
        return self.begun

    def end(self, work: Work, before: Work | None) -> None:
        """Note that work has ended, inside of what was begun `before`; work of a run that was stopped changes nothing."""
        if self.begun is work:
            self.begun = before

    def cancel(self) -> None:
        """Cancel what was begun last."""
        self.cancelled = self.begun

    def ask_again(self) -> None:
        """Take back that something was cancelled."""
        self.cancelled = None

    def may_ask(self, most: int | None, now: float | None = None) -> bool:
        """Count a request at the time `now` and return True; False where there were `most` in the minute before."""
        now = time.monotonic() if now is None else now
        while self._asked and now - self._asked[0] >= MINUTE_SECONDS:
            self._asked.popleft()
        if most is not None and len(self._asked) >= most:
            return False
        if most is not None:
            self._asked.append(now)
        return True
