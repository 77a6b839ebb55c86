"""The licences of the run-time packages, from their metadata: `python -m tests.licences` writes docs/licences.md."""

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from tests.lock import LOCK, ROOT, pins

TABLE = ROOT / "docs" / "licences.md"
COPYLEFT = re.compile(
    r"\b(A|L)?GPL|General Public|Mozilla Public|\bMPL|\bEPL|\bCDDL|\bEUPL|Eclipse Public", re.IGNORECASE
)
UNKNOWN = "not said in its metadata"
NOT_HERE = "not needed on the platform where this list was written"
_HEAD = """# Licences

What Headscope needs to run, at the versions of `requirements.lock` (and torch, as `requirements.txt` pins it), with the
licence that each package's own metadata names. Written by `make licences`. Headscope itself is under Apache-2.0 and brings
none of these: they are installed from PyPI.

{found}

| package | version | licence | |
|---|---|---|---|
"""


def licence(package: Distribution) -> str:
    """Return the licence that a package names: its expression, else its classifiers, else the first line of the field."""
    expression = package.metadata.get("License-Expression")
    if expression:
        return expression
    classifiers = package.metadata.get_all("Classifier") or []
    named = [
        entry.split(" :: ")[-1] for entry in classifiers if entry.startswith("License :: ") and entry.count("::") > 1
    ]
    field = (package.metadata.get("License") or "").strip().split("\n")[0]
    return " and ".join(named) or field[:100] or UNKNOWN


def is_copyleft(text: str) -> bool:
    """Say whether a licence asks that changed files, or what they are built into, be given under it too."""
    return bool(COPYLEFT.search(text))


def versions() -> dict[str, str]:
    """Return name -> version of every run-time package, torch included."""
    torch = pins((ROOT / "requirements.txt").read_text(encoding="utf-8"))["torch"]
    return dict(sorted({**pins(LOCK.read_text(encoding="utf-8")), "torch": torch}.items()))


def table() -> str:
    """Return the page: one row a package, copyleft marked."""
    rows, marked = [], []
    for name, version in versions().items():
        try:
            said = licence(distribution(name))
        except PackageNotFoundError:
            said = NOT_HERE
        if is_copyleft(said):
            marked.append(name)
        rows.append(
            f"| {name} | {version} | {said.replace('|', '/')} | {'**copyleft**' if is_copyleft(said) else ''} |\n"
        )
    found = f"Copyleft, as their licences say: {', '.join(marked)}." if marked else "None of them is copyleft."
    return _HEAD.format(found=found) + "".join(rows)


if __name__ == "__main__":
    Path(TABLE).write_text(table(), encoding="utf-8")
    print(table().split("\n\n")[2])
