"""The table of architectures: python -m tests.architectures_table writes docs/architectures.md, --check compares with it."""

import math
import multiprocessing
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
import transformers

from tests.registry_models import model_types
from tests.registry_outcomes import Outcome, outcome

TABLE = Path(__file__).parents[1] / "docs" / "architectures.md"
WORKERS = 2
KINDS = {
    "lazy": "queries and keys are kept, weights recomputed exactly when somebody looks",
    "dense": "the weights that the model returns itself",
    "refused": "no map from token to token, and Headscope says so",
    "not run": "no tiny model of it runs here on tokens, an image or speech alone, so nothing is claimed",
}
_HEADER = """# Architectures

Every model type of transformers {version} for which its registry names a model class, as tiny random models of which each
is recorded and compared with its own eager attention weights: shapes, number and order of layers, and every weight to 2e-5
in float32, for text without padding and with padding on either side. Written by `python -m tests.architectures_table`.

{counts}

| model type | recorded | largest difference | note |
|---|---|---|---|
"""


def rows() -> dict[str, str]:
    """Return what the table says of each model type: one of KINDS."""
    cells = [line.split(" | ") for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return {cell[0].strip("| `"): cell[1] for cell in cells}


def written(outcomes: dict[str, Outcome]) -> str:
    """Return the table as Markdown."""
    kinds = [found.kind for found in outcomes.values()]
    counts = "\n".join(f"- **{kind}** ({kinds.count(kind)}): {meaning}." for kind, meaning in KINDS.items())
    lines = [
        f"| `{name}` | {found.kind} | {_bound(found.difference)} | {found.note.replace('|', '/')} |"
        for name, found in sorted(outcomes.items())
    ]
    return _HEADER.format(version=transformers.__version__, counts=counts) + "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write the table, or with --check compare it with what comes out here; returns the exit status."""
    outcomes = {}
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn"), initializer=_quiet) as pool:
        for name, found in zip(model_types(), pool.map(outcome, model_types(), chunksize=4), strict=True):
            outcomes[name] = found
            print(f"{found.kind:8} {name}", flush=True)
    wrong = [f"{name}: {found.note}" for name, found in outcomes.items() if found.kind not in KINDS]
    if "--check" in arguments:
        said = rows()
        names = sorted({*said, *outcomes})
        wrong += [
            f"{name}: the table says {said.get(name)}, here it is {outcomes[name].kind if name in outcomes else None}"
            for name in names
            if name not in outcomes or said.get(name) != outcomes[name].kind
        ]
    else:
        TABLE.write_text(written(outcomes), encoding="utf-8")
    print("\n".join(wrong))
    return 1 if wrong else 0


def _quiet() -> None:
    # Tiny models gain nothing from threads.
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")


def _bound(difference: float | None) -> str:
    """Return the power of ten above a difference: its digits depend on the machine."""
    if difference is None:
        return ""
    return "0" if difference == 0 else f"< 1e{math.floor(math.log10(difference)) + 1}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
