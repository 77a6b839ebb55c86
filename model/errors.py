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


class PairTooLong(TextTooLong):
    """Two texts have more tokens together than the model has positions; `cuts` are the characters of each that fit."""

    def __init__(self, count: int, limit: int, cuts: tuple[int, int], texts: tuple[str, str]):
        self.cuts = cuts
        longer = 0 if len(texts[0]) - cuts[0] >= len(texts[1]) - cuts[1] else 1
        super().__init__(count, limit, cuts[longer], texts[longer])
        kept = " and ".join(f"{cut} of {len(text)}" for cut, text in zip(cuts, texts, strict=True))
        self.args = (
            f"The two texts have {count} tokens together and the model takes {limit}. Shorten them, or cut the longer one: "
            f"{kept} characters fit.",
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


class ImportedDataError(HeadscopeError):
    """The weights or tokens that somebody brings along are not attention that can be shown."""


class Cancelled(Exception):
    """Carries what a progress callback raised past code that would take it for a failure of its own."""

    @property
    def reason(self) -> BaseException:
        """What the callback raised; this itself, where nothing else was the cause."""
        return self.__cause__ or self


def tell(progress: Callable[[float], None], share: float) -> None:
    """Call `progress`; raises Cancelled from what it raises."""
    try:
        progress(share)
    except Exception as reason:
        raise Cancelled from reason


def is_panic(error: BaseException) -> bool:
    """Say whether code in Rust (tokenizers, safetensors) gave up: its error is no Exception, and has no class to name."""
    return type(error).__name__ == "PanicException"


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an allocation failed: Python's, NumPy's, Arrow's, or torch's on a device or on the CPU."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    # torch raises a plain RuntimeError where the CPU has no more.
    told = ("can't allocate memory", "not enough memory", "std::bad_alloc")
    return bool({"MemoryError", "OutOfMemoryError"} & kinds) or any(words in str(error) for words in told)
