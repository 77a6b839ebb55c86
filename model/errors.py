"""Errors whose text is a clear sentence for the person at the keyboard: what is wrong and what to do."""

from collections.abc import Callable


class HeadscopeError(ValueError):
    """Anything the user can mend; its message is shown as it stands, never with a traceback."""


class InputError(HeadscopeError):
    """The text or the tensors cannot be run through this model."""


class TextTooLong(InputError):
    """The text has more tokens than the model has positions.

    Carries `count` and `limit` (tokens) and `cut` (characters of the text that fit), so that a page can offer to cut.
    """

    def __init__(self, count: int, limit: int, cut: int, text: str):
        self.count, self.limit, self.cut = count, limit, cut
        tail = text[max(0, cut - 40) : cut].strip()
        super().__init__(
            f"The text has {count} tokens and the model takes {limit}. Shorten it, or cut it after character {cut} (“…{tail}”)."
        )


class ModelNotFound(HeadscopeError):
    """No such bundled name, hub id or folder, or the hub cannot be reached."""


class UnsafeModel(HeadscopeError):
    """The model comes only as a pickle or needs code from its repository; both are refused."""


class ModelTooLarge(HeadscopeError):
    """The weights would not fit in the memory that is free."""


class NoAttention(HeadscopeError):
    """The model has no attention map that can be shown exactly."""


class TraceFileError(HeadscopeError):
    """The file is not a trace that this version can read."""


class Cancelled(Exception):
    """Carries what a progress callback raised past code that would take it for a failure of its own."""


def tell(progress: Callable[[float], None], share: float) -> None:
    """Call `progress`; raises Cancelled from what it raises."""
    try:
        progress(share)
    except Exception as reason:
        raise Cancelled from reason
