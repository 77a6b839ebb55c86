"""Measure what every head of a model does over a corpus, and write it as one file that the Heads page opens.

  python -m model study --model minilm --data FILE_OR_FOLDER --out heads.parquet

Data are .conllu (annotated sentences, whose dependency relations are looked for too), .txt and .md files, plain or .gz, or
folders of them. A file of text with empty lines between its paragraphs is cut into sentences, any other read line by line;
--unit says otherwise. A run that was stopped goes on where it was when the same command is given again.
"""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from model.errors import HeadscopeError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="minilm", help="a bundled name, a folder or a hub id (minilm)")
    parser.add_argument("--data", nargs="+", required=True, metavar="PATH", help="files or folders of texts")
    parser.add_argument("--out", required=True, type=Path, metavar="OUT.parquet", help="where the study goes")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N texts, for a quick look")
    parser.add_argument("--device", default="auto", choices=("auto", "cuda", "mps", "cpu"))
    parser.add_argument("--unit", choices=("line", "sentence", "window"), help="how plain text is cut into texts")
    parser.add_argument("--window", type=int, default=128, metavar="TOKENS", help="length of a window (128)")
    parser.add_argument(
        "--ray", metavar="auto|ADDRESS", help="run on Ray: a cluster's address, or auto for this machine"
    )
    parser.add_argument(
        "--workers", type=int, default=2, metavar="N", help="workers on Ray, each with its own model (2)"
    )
    parser.add_argument("--restart", action="store_true", help="begin anew, whatever an earlier run has kept")


def run(given: argparse.Namespace) -> int:
    if given.limit is not None and given.limit < 1:
        raise HeadscopeError("--limit is at least 1.")
    if given.out.suffix != ".parquet":
        raise HeadscopeError("The study is a Parquet file: name it so, as in --out heads.parquet.")
    from model.study.corpus import read_corpus

    # Before a model is read, which takes longer.
    corpus = read_corpus(given.data, unit=given.unit, window=given.window)
    return _study(corpus, given)


def _study(corpus: Any, given: argparse.Namespace) -> int:
    from tqdm import tqdm

    from model.commands.study_table import table
    from model.loading import load_model
    from model.study.results import write_study
    from model.study.running import study_corpus

    loaded = load_model(given.model, device=given.device)
    for warning in loaded.warnings:
        print(warning, file=sys.stderr)
    run_chunks = _on_ray(loaded, given) if given.ray else None
    layout = "{percentage:3.0f}%|{bar}| {desc} [{elapsed}<{remaining}]"
    with tqdm(total=1.0, bar_format=layout, file=sys.stderr, disable=None) as bar:

        def progress(share: float, doing: str) -> None:
            bar.set_description_str(doing, refresh=False)
            bar.update(share - bar.n)

        try:
            study = study_corpus(
                loaded, corpus, limit=given.limit, result=given.out, restart=given.restart, progress=progress,
                command=_command(given, loaded.name), run_chunks=run_chunks, written=lambda found: write_study(found, given.out),
            )  # fmt: skip
        except KeyboardInterrupt:
            bar.close()
            print("\nStopped. What is done is kept; the same command goes on from there.", file=sys.stderr)
            return 130
    print(table(study))
    print(f"\nWritten: {given.out}")
    return 0


def _on_ray(loaded: Any, given: argparse.Namespace) -> Any:
    from model.study.ray_chunks import ray_chunks, worker_model

    return ray_chunks(worker_model(loaded, given.model), address=given.ray, workers=given.workers)


def _command(given: argparse.Namespace, model: str) -> str:
    """Return the command that makes this study; of a path from the root only the name, which says nothing of its owner."""
    data = [path if not Path(path).is_absolute() else Path(path).name for path in given.data]
    words = ["python", "-m", "model", "study", "--model", model, "--data", *data]
    words += ["--unit", given.unit] if given.unit else []
    words += ["--window", str(given.window)] if given.unit == "window" else []
    words += ["--limit", str(given.limit)] if given.limit else []
    return shlex.join([*words, "--out", given.out.name])
