"""Files of coreference results: JSON that reads back, Parquet for other tools, and what ships with the bundled model."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np

from model.catalog import BUNDLED
from model.coreference_records import Accuracy, CoreferenceResults, Measured, SetResult
from model.errors import HeadscopeError
from model.result_files import read_record, write_file, write_record

FORMAT = "headscope coreference results 1"
LARGEST_FILE = 64 * 2**20
# Layers and heads are rows and columns of grids.
_MOST_NUMBERED = 4096
_SHIPPED = Path(__file__).parent / "results" / "coreference"


def shipped_results(model: str) -> CoreferenceResults | None:
    """Return the results that come with a bundled model (see their README); None for any other."""
    path = _SHIPPED / f"{model}.json"
    return read_results(path) if model in BUNDLED and path.is_file() else None


def write_json(results: CoreferenceResults, path: str | PathLike[str]) -> None:
    """Write the results as JSON, one line per head; raises HeadscopeError where the file cannot be written."""
    write_record(path, results, layout=FORMAT, first_field="layer")


def write_parquet(results: CoreferenceResults, path: str | PathLike[str]) -> None:
    """Write `frame` as Parquet; raises HeadscopeError where the file cannot be written."""
    write_file(path, results.frame().to_parquet(None, engine="pyarrow", index=False, compression="zstd"))


def read_results(path: str | PathLike[str]) -> CoreferenceResults:
    """Read a JSON file of `write_json`; raises HeadscopeError with one sentence where it is missing, broken or another."""
    return read_record(
        path, CoreferenceResults, _checked, layout=FORMAT, largest=LARGEST_FILE, called="coreference results",
        command="python -m model coreference",
    )  # fmt: skip


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
        if not heads or len(set(heads)) < len(heads) or not 0 <= np.min(heads) <= np.max(heads) < _MOST_NUMBERED:
            raise ValueError(f"the heads of “{name}” are not one line each, counted from 0")
        if found.held_out is not None and (found.held_out.layer, found.held_out.head) not in heads:
            raise ValueError(f"the chosen head of “{name}” is none of its heads")
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
