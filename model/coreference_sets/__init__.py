"""Sets of sentences in which a pronoun's antecedent is known, read from files in the formats they are published in."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path

from model.coreference_sets.example import CoreferenceExample, CoreferenceSet, Span
from model.coreference_sets.files import data_files
from model.coreference_sets.gap import read_gap
from model.coreference_sets.winobias import read_winobias
from model.coreference_sets.winogender import read_winogender
from model.errors import HeadscopeError

__all__ = ["SETS", "CoreferenceExample", "CoreferenceSet", "Span", "read_set"]

_READERS: Mapping[str, tuple[str, Callable[[Sequence[Path]], CoreferenceSet]]] = {
    "winogender": ("*.tsv", read_winogender),
    "winobias": ("*.txt*", read_winobias),
    "gap": ("*.tsv", read_gap),
}
SETS = tuple(_READERS)


def read_set(name: str, paths: str | PathLike[str] | Sequence[str | PathLike[str]]) -> CoreferenceSet:
    """Read one of SETS from a folder or from files of its format; what could not be used is counted in `left_out`.

    Raises HeadscopeError where the name is none of SETS, a path is missing, or no example at all could be used.
    """
    if name not in _READERS:
        raise HeadscopeError(f"There is no set “{name}”. Choose one of {', '.join(SETS)}.")
    pattern, read = _READERS[name]
    found = read(data_files(paths, pattern))
    if not found.examples:
        reasons = "; ".join(f"{reason} ({count})" for reason, count in found.left_out.items()) or "the files are empty"
        raise HeadscopeError(
            f"None of the {name} examples could be used: {reasons}. Check that the files are {name} files."
        )
    return found
