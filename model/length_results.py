"""Loss against position of small decoders that differ in their positions alone: a JSON file that reads back."""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from model.result_files import read_record, write_record

if TYPE_CHECKING:
    import pandas

FORMAT = "headscope length curves 1"
LARGEST_FILE = 8 * 2**20
LONGEST_KIND = 40
_SHIPPED = Path(__file__).parent / "results" / "length" / "position-study.json"


@dataclass(frozen=True)
class SpanLoss:
    """Mean loss in nats per token over the positions `first` to `last`, counted from 1, and its standard error."""

    first: int
    last: int
    loss: float
    error: float


@dataclass(frozen=True)
class LengthCurve:
    """One model: its loss by spans of positions, as far as it has positions.

    `quarters` are the spans (3/4 m n, m n] for the trained length n and m = 1, 2, 4, ... `trained_tokens` (steps times the
    tokens of a full batch), `seed` and `command` are those of the training, None where only the finished model was at hand.
    """

    spans: tuple[SpanLoss, ...]
    quarters: tuple[SpanLoss, ...]
    parameters: int
    trained_tokens: int | None = None
    seed: int | None = None
    command: str | None = None


@dataclass(frozen=True)
class LengthResults:
    """The curves by kind of position ("sinusoidal", "rotary", ...), all from the same windows of the same texts.

    `trained_length` is the longest window that was trained on and `length` the longest measured on, both in tokens;
    `tokens` are those of the texts that the `windows` windows were taken from.
    """

    trained_length: int
    length: int
    windows: int
    texts: tuple[str, ...]
    tokens: int
    vocabulary: int
    command: str
    device: str
    versions: Mapping[str, str]
    curves: Mapping[str, LengthCurve]

    def frame(self) -> "pandas.DataFrame":
        """Return a pandas DataFrame with kind, first, last, position = sqrt(first last), loss and error, a row per span."""
        import pandas

        rows = [
            (kind, span.first, span.last, (span.first * span.last) ** 0.5, span.loss, span.error)
            for kind, curve in self.curves.items()
            for span in curve.spans
        ]
        return pandas.DataFrame(rows, columns=["kind", "first", "last", "position", "loss", "error"])


def shipped_length_curves() -> LengthResults | None:
    """Return the curves that come with Headscope; None where they are not there."""
    return read_length_results(_SHIPPED) if _SHIPPED.is_file() else None


def write_length_results(results: LengthResults, path: str | PathLike[str]) -> None:
    """Write the results as JSON, one line per span; raises HeadscopeError where the file cannot be written."""
    write_record(path, results, layout=FORMAT, first_field="first")


def read_length_results(path: str | PathLike[str]) -> LengthResults:
    """Read a file of `write_length_results`; raises HeadscopeError where it is missing, broken or another."""
    return read_record(
        path, LengthResults, _checked, layout=FORMAT, largest=LARGEST_FILE, called="length curves",
        command="python -m model evaluate length",
    )  # fmt: skip


def _checked(results: LengthResults) -> LengthResults:
    if not results.curves or results.trained_length < 1:
        raise ValueError("it holds no curve, or no trained length")
    for kind, curve in results.curves.items():
        if not kind.isprintable() or not 0 < len(kind) <= LONGEST_KIND:
            raise ValueError("a curve has a name that cannot be shown")
        spans, after = curve.spans, 0
        for span in spans:
            if not after < span.first <= span.last or min(span.loss, span.error) < 0:
                raise ValueError(f"the spans of “{kind}” are not in order from 1, with losses from 0")
            after = span.last
        if not spans:
            raise ValueError(f"“{kind}” has no span")
    return results
