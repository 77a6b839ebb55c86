"""Measure how well attention, rollout, flow, norms, ALTI, value zeroing and gradients agree with blank-out over a set of texts.

  python -m model fidelity --model minilm --data FILE_OR_FOLDER --json fidelity.json

Every token of a text is blanked out, one at a time, and the change of the output (the embedding of an encoder, the likeliest
token of a model that predicts) is compared with what each method says of the token: Spearman's correlation, averaged over
texts (Abnar & Zuidema 2020). Data are .conllu, .txt and .md files, plain or .gz, or folders of them. A run that was stopped goes
on where it was when the same command is given again.
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
    parser.add_argument("--json", required=True, type=Path, metavar="OUT.json", help="where the means go")
    parser.add_argument("--parquet", type=Path, metavar="OUT.parquet", help="where the numbers of every text go")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N texts that are long enough")
    parser.add_argument("--unit", choices=("line", "sentence", "window"), help="how plain text is cut into texts")
    parser.add_argument("--window", type=int, default=48, metavar="TOKENS", help="length of a window (48)")
    parser.add_argument("--device", default="auto", choices=("auto", "cuda", "mps", "cpu"))
    parser.add_argument("--restart", action="store_true", help="begin anew, whatever an earlier run has kept")


def run(given: argparse.Namespace) -> int:
    if given.limit is not None and given.limit < 1:
        raise HeadscopeError("--limit is at least 1.")
    for path, ending in ((given.json, ".json"), (given.parquet, ".parquet")):
        if path is not None and path.suffix != ending:
            raise HeadscopeError(f"Name the file with its ending {ending}, as in fidelity{ending}.")
    from model.study.corpus import read_corpus

    # Before a model is read, which takes longer.
    corpus = read_corpus(given.data, unit=given.unit, window=given.window)
    return _fidelity(corpus, given)


def _fidelity(corpus: Any, given: argparse.Namespace) -> int:
    from tqdm import tqdm

    from model.loading import load_model
    from model.relevance.corpus import corpus_fidelity, write_json, write_parquet

    loaded = load_model(given.model, device=given.device)

    def written(results: Any, frame: Any) -> None:
        write_json(results, given.json)
        if given.parquet is not None:
            write_parquet(frame, given.parquet)

    with tqdm(
        total=1.0, bar_format="{percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]", file=sys.stderr, disable=None
    ) as bar:
        try:
            results, _ = corpus_fidelity(
                loaded, (entry.text for entry in corpus.texts(loaded.tokenizer)), result=given.json, limit=given.limit,
                command=_command(given, loaded.name), restart=given.restart, written=written,
                progress=lambda share: bar.update(share - bar.n),
            )  # fmt: skip
        except KeyboardInterrupt:
            bar.close()
            print("\nStopped. What is done is kept; the same command goes on from there.", file=sys.stderr)
            return 130
    print(f"Spearman's correlation with blank-out ({results.blank}), mean ± deviation over {results.texts} texts\n")
    print(results.table())
    for method, sentence in results.refused.items():
        print(f"{method}: {sentence}")
    print(f"\nWritten: {given.json}")
    return 0


def _command(given: argparse.Namespace, model: str) -> str:
    """Return the command that makes these results; of a path from the root only the name, which says nothing of its owner."""
    data = [path if not Path(path).is_absolute() else Path(path).name for path in given.data]
    words = ["python", "-m", "model", "fidelity", "--model", model, "--data", *data]
    words += ["--unit", given.unit] if given.unit else []
    words += ["--window", str(given.window)] if given.unit == "window" else []
    words += ["--limit", str(given.limit)] if given.limit else []
    return shlex.join([*words, "--json", given.json.name])
