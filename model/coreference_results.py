"""Files of coreference results: JSON that reads back, Parquet for other tools, and what ships with the bundled model."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np

from model.catalog import BUNDLED
from model.coreference_records import Accuracy, CoreferenceResults, Measured, SetResult
from model.errors import HeadscopeError
from model.partial_scores import replace_file
from model.plain_records import from_plain, to_plain

FORMAT = "headscope coreference results 1"
LARGEST_FILE = 64 * 2**20
_SHIPPED = Path(__file__).parent / "results" / "coreference"


def shipped_results(model: str) -> CoreferenceResults | None:
    """Return the results that come with a bundled model (see their README); None for any other."""
    path = _SHIPPED / f"{model}.json"
    return read_results(path) if model in BUNDLED and path.is_file() else None


def write_json(results: CoreferenceResults, path: str | PathLike) -> None:
    """Write the results as JSON, one line per head; raises HeadscopeError where the file cannot be written."""
    plain = {"format": FORMAT, **to_plain(results)}
    text = json.dumps(plain, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    # A quotation mark inside a string is escaped, so this stands between two heads alone.
    _write(Path(path), text.replace('},{"layer":', '},\n{"layer":').encode() + b"\n")


def write_parquet(results: CoreferenceResults, path: str | PathLike) -> None:
    """Write `frame` as Parquet; raises HeadscopeError where the file cannot be written."""
    _write(Path(path), results.frame().to_parquet(None, engine="pyarrow", index=False, compression="zstd"))


def read_results(path: str | PathLike) -> CoreferenceResults:
    """Read a JSON file of `write_json`; raises HeadscopeError with one sentence where it is missing, broken or another."""
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError("it is larger than results are")
        plain = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(plain, dict) or plain.pop("format", None) != FORMAT:
            raise ValueError(f"its format is not “{FORMAT}”")
        return _checked(from_plain(CoreferenceResults, plain))
    except FileNotFoundError as error:
        raise HeadscopeError(f"There is no file “{path.name}”. Choose a file of coreference results.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise HeadscopeError(
            f"“{path.name}” holds no coreference results that this version can read: {error}. "
            "Make it again with python -m model coreference."
        ) from error


def merge_results(parts: Sequence[CoreferenceResults]) -> CoreferenceResults:
    """Return the sets of several results of one model together; raises HeadscopeError where they do not belong together."""
    if not parts:
        raise HeadscopeError("There is nothing to merge. Name at least one file of results.")
    first = parts[0]
    for part in parts[1:]:
        if (part.model, part.revision, part.direction) != (first.model, first.revision, first.direction):
            raise HeadscopeError("Results of different models, revisions or directions do not go into one file.")
    names = [name for part in parts for name in part.sets]
    if len(set(names)) < len(names):
        raise HeadscopeError("Two of the files hold results of the same set. Leave one of them out.")
    sets = {name: found for part in parts for name, found in part.sets.items()}
    return replace(first, runs=tuple(run for part in parts for run in part.runs), sets=sets)


def _checked(results: CoreferenceResults) -> CoreferenceResults:
    for name, found in results.sets.items():
        for measured in _measured(found):
            low, high = measured.interval
            if measured.n < 1 or not 0 <= low <= high <= 1 or not 0 <= measured.accuracy <= 1:
                raise ValueError(f"an accuracy of “{name}” is out of its bounds")
        heads = [(head.layer, head.head) for head in found.heads]
        if not heads or len(set(heads)) < len(heads) or np.min(heads) < 0:
            raise ValueError(f"the heads of “{name}” are not one line each, counted from 0")
    if not results.sets:
        raise ValueError("it holds no set")
    return results


def _measured(found: SetResult) -> Iterator[Accuracy]:
    tops: list[Measured] = [*found.heads, *found.baselines.values()]
    if found.held_out is not None:
        tops += [found.held_out, *found.held_out.baselines.values()]
    for top in tops:
        yield top
        yield from (accuracy for values in top.by_group.values() for accuracy in values.values())


def _write(path: Path, content: bytes) -> None:
    try:
        replace_file(path, content)
    except OSError as error:
        raise HeadscopeError(
            f"“{path.name}” could not be written ({error.strerror}). Check that the folder is there and has room."
        ) from error
