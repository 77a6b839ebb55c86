"""Measure which heads link a pronoun to its antecedent.

  python -m model coreference --set winobias --data FOLDER_OR_FILES --model minilm --json OUT.json
  python -m model coreference --merge ONE.json OTHER.json --json OUT.json

Prints the heads with their accuracy and writes all of them as JSON and as Parquet. A run that was stopped goes on where it was
when the same command is given again.
"""

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from model.coreference_sets import SETS, CoreferenceSet, read_set
from model.errors import HeadscopeError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--set", choices=SETS, help="the set that the data is of")
    parser.add_argument("--data", nargs="+", metavar="PATH", help="the folder or the files of the set")
    parser.add_argument("--model", default="minilm", help="a bundled name, a folder or a hub id (minilm)")
    parser.add_argument("--json", required=True, type=Path, metavar="OUT.json", help="where the results go")
    parser.add_argument("--parquet", type=Path, metavar="OUT.parquet", help="the same as a table (beside the JSON)")
    parser.add_argument("--device", default="auto", choices=("auto", "cuda", "mps", "cpu"))
    parser.add_argument(
        "--direction",
        default="from-mention",
        choices=("from-mention", "to-mention"),
        help="attention from the mention to the candidates, or the other way",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N examples, for a quick look")
    parser.add_argument("--restart", action="store_true", help="begin anew, whatever an earlier run has kept")
    parser.add_argument("--merge", nargs="+", metavar="JSON", help="put results of several sets into one file instead")


def run(given: argparse.Namespace) -> int:
    given.parquet = given.parquet or given.json.with_suffix(".parquet")
    if given.parquet == given.json:
        raise HeadscopeError("--json and --parquet name the same file. Give the JSON another name.")
    if given.merge and (given.set or given.data):
        raise HeadscopeError("--merge puts results together that are there: leave --set and --data out.")
    if given.merge:
        from model.coreference_results import merge_results, read_results

        return _write(merge_results([read_results(path) for path in given.merge]), given)
    if not given.set or not given.data:
        raise HeadscopeError("Name the set and its data: --set winobias --data FOLDER_OR_FILES.")
    data = _limited(read_set(given.set, given.data), given.limit)
    return _benchmark(data, given)


def _benchmark(data: CoreferenceSet, given: argparse.Namespace) -> int:
    from tqdm import tqdm

    from model.commands.coreference_table import table
    from model.coreference_benchmark import benchmark_coreference
    from model.coreference_scores import scores_beside
    from model.loading import load_model

    loaded = load_model(given.model, device=given.device)
    for warning in loaded.warnings:
        print(warning, file=sys.stderr)
    direction = given.direction.replace("-", " ")
    partial = scores_beside(given.json, loaded, data, direction=direction, restart=given.restart)
    total = len(data.examples)
    with tqdm(total=total, desc=data.name, unit="example", file=sys.stderr, disable=None) as bar:

        def progress(share: float) -> None:
            bar.update(round(share * total) - bar.n)

        try:
            results = benchmark_coreference(
                loaded, data, direction=direction, partial=partial, progress=progress, command=_command(given, loaded.name),
            )  # fmt: skip
        except KeyboardInterrupt:
            bar.close()
            kept = f"{len(partial.kept)} of {total} examples are kept"
            print(f"\nStopped. {kept}; the same command goes on from there.", file=sys.stderr)
            return 130
    print(table(results))
    code = _write(results, given)
    partial.remove()
    return code


def _write(results: Any, given: argparse.Namespace) -> int:
    from model.coreference_results import write_json, write_parquet

    write_json(results, given.json)
    write_parquet(results, given.parquet)
    print(f"\nWritten: {given.json} and {given.parquet}")
    return 0


def _limited(data: CoreferenceSet, limit: int | None) -> CoreferenceSet:
    if limit is None:
        return data
    if limit < 1:
        raise HeadscopeError("--limit is at least 1.")
    return replace(data, examples=data.examples[:limit])


def _command(given: argparse.Namespace, model: str) -> str:
    """Return the command that makes these results; of a path from the root only the name, which says nothing of its owner."""
    data = [path if not Path(path).is_absolute() else Path(path).name for path in given.data]
    words = ["python", "-m", "model", "coreference", "--set", given.set, "--data", *data, "--model", model]
    words += ["--direction", given.direction] if given.direction != "from-mention" else []
    words += ["--limit", str(given.limit)] if given.limit else []
    return shlex.join([*words, "--json", given.json.name])
