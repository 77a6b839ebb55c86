"""Fidelity over a set of texts: mean rank correlation of every method and layer with blank-out, with intervals."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from model.analysis.intervals import ClusterBootstrap, percentile_interval
from model.catalog import BUNDLED
from model.encoding import encode
from model.errors import HeadscopeError
from model.loading import LoadedModel
from model.partial_scores import KeptScores, PartialScores, run_fingerprint
from model.recorded_trace import versions
from model.relevance.blanking import usual_blank
from model.relevance.fidelity import FEWEST_TOKENS, TextFidelity, text_fidelity
from model.relevance.outputs import usual_output
from model.relevance.token_relevances import METHODS
from model.result_files import read_record, write_file, write_record

FORMAT = "headscope fidelity 1"
LARGEST_FILE = 16 * 2**20
# Stands for "no layer" where layers are numbers.
_WHOLE = -1
_SHIPPED = Path(__file__).parents[1] / "results" / "fidelity"


@dataclass(frozen=True)
class FidelityRow:
    """Mean over texts of Spearman's correlation of a method with blank-out, `low` to `high` its 95 % interval over texts.

    `deviation` is the standard deviation over texts; `texts` counts those where the correlation is a number.
    """

    method: str
    texts: int
    mean: float
    low: float
    high: float
    deviation: float
    layer: int | None = None


@dataclass(frozen=True)
class FidelityResults:
    """The fidelity of every method on a set of texts: `output` is what was asked of them (of the first, where they differ),
    `blank` what stood for a blanked token; `skipped` texts were too short."""

    model: str
    revision: str
    output: str
    blank: str
    texts: int
    skipped: int
    command: str
    versions: Mapping[str, str]
    refused: Mapping[str, str]
    rows: tuple[FidelityRow, ...]

    def table(self) -> str:
        """Return the means ± deviations as text: one line for each method, one column for each layer."""
        layers = sorted({row.layer for row in self.rows if row.layer is not None})
        cells = {(row.method, row.layer): f"{row.mean:+.2f} ±{row.deviation:.2f}" for row in self.rows}
        columns = [None] * any(row.layer is None for row in self.rows) + layers
        names = ["model" if layer is None else f"L{layer}" for layer in columns]
        lines = [f"{'':<34}" + "".join(f"{name:>13}" for name in names)]
        for method in dict.fromkeys(row.method for row in self.rows):
            lines.append(f"{method:<34}" + "".join(f"{cells.get((method, layer), ''):>13}" for layer in columns))
        return "\n".join(lines)


def corpus_fidelity(
    loaded: LoadedModel,
    texts: Iterable[str],
    *,
    result: Path,
    limit: int | None = None,
    methods: Sequence[str] = METHODS,
    command: str = "",
    restart: bool = False,
    progress: Callable[[float], object] | None = None,
    written: Callable[[FidelityResults, pd.DataFrame], object] | None = None,
) -> tuple[FidelityResults, pd.DataFrame]:
    """Return `text_fidelity` over the first `limit` texts that are long enough: the means, and a frame with a row for each text.

    What is done is kept beside `result`, and a run that was stopped goes on from there; `restart` begins anew. `progress` is
    called with the done share after every text and may raise to cancel. `written` writes the result; after it what was kept is
    removed. Raises HeadscopeError where no text is long enough.
    """
    chosen, skipped = _long_enough(loaded, texts, limit)
    fingerprint = run_fingerprint(loaded, (*methods, *chosen))
    refused: dict[str, str] = {}
    with PartialScores(result, fingerprint, restart=restart) as partial:
        for number, text in enumerate(chosen):
            if number not in partial.kept:
                begun = time.perf_counter()
                found = text_fidelity(loaded, encode(loaded, text, truncate=True), methods=methods)
                layers, scores = _as_scores(found, methods)
                partial.keep(number, KeptScores(layers, scores, time.perf_counter() - begun))
                refused |= found.refused
            if progress is not None:
                progress((number + 1) / len(chosen))
        frame = _frame([partial.kept[number] for number in range(len(chosen))], methods)
    rows = tuple(
        _row(method, None if layer == _WHOLE else int(layer), group["spearman"].to_numpy())
        for (method, layer), group in frame.groupby(["method", "layer"], sort=False)
    )
    results = FidelityResults(
        loaded.name, loaded.revision, usual_output(loaded, encode(loaded, chosen[0], truncate=True)).name,
        usual_blank(loaded).name, len(chosen), skipped, command, versions(), refused, rows,
    )  # fmt: skip
    if written is not None:
        written(results, frame)
        partial.remove()
    return results, frame


def write_json(results: FidelityResults, path: str | PathLike[str]) -> None:
    """Write the results as JSON, one line per method and layer; raises HeadscopeError where the file cannot be written."""
    write_record(path, results, layout=FORMAT, first_field="method")


def write_parquet(frame: pd.DataFrame, path: str | PathLike[str]) -> None:
    """Write the correlation of every text as Parquet; raises HeadscopeError where the file cannot be written."""
    write_file(path, frame.to_parquet(None, engine="pyarrow", index=False, compression="zstd"))


def read_json(path: str | PathLike[str]) -> FidelityResults:
    """Read a file of `write_json`; raises HeadscopeError with one sentence where it is missing, broken or another."""
    return read_record(
        path, FidelityResults, _checked, layout=FORMAT, largest=LARGEST_FILE, called="fidelity results",
        command="python -m model fidelity",
    )  # fmt: skip


def shipped_fidelity(model: str) -> FidelityResults | None:
    """Return the results that come with a bundled model (see the README beside them); None for any other."""
    path = _SHIPPED / f"{model}.json"
    return read_json(path) if model in BUNDLED and path.is_file() else None


def _checked(results: FidelityResults) -> FidelityResults:
    if any(abs(value) > 1 for row in results.rows for value in (row.mean, row.low, row.high)):
        raise ValueError("a correlation is outside of -1 to 1")
    return results


def _long_enough(loaded: LoadedModel, texts: Iterable[str], limit: int | None) -> tuple[list[str], int]:
    """Return the texts with enough tokens to rank, and how many before them had too few."""
    chosen: list[str] = []
    skipped = 0
    for text in texts:
        if len(chosen) == limit:
            break
        tokens = encode(loaded, text, target=text, truncate=True).tokens if text.strip() else ()
        enough = sum(not token.special for token in tokens) >= FEWEST_TOKENS
        chosen += [text] * enough
        skipped += not enough
    if not chosen:
        raise HeadscopeError(f"No text has {FEWEST_TOKENS} tokens or more, which ranks need. Give longer texts.")
    return chosen, skipped


def _as_scores(found: TextFidelity, methods: Sequence[str]) -> tuple[tuple[int, ...], np.ndarray]:
    """Return the layers and the correlations float32 [layer, method, 1], NaN where there is none."""
    places = {(row.method, _WHOLE if row.layer is None else row.layer): row.spearman for row in found.rows}
    layers = tuple(sorted({layer for _, layer in places}))
    scores = [[[places.get((method, layer), np.nan)] for method in methods] for layer in layers]
    return layers, np.array(scores, dtype=np.float32)


def _frame(kept: Sequence[KeptScores], methods: Sequence[str]) -> pd.DataFrame:
    """Return columns text, method, layer (-1: of the model as a whole) and spearman, without what is no number."""
    rows = [
        (text, method, layer, float(scores.scores[place, column, 0]))
        for text, scores in enumerate(kept)
        for column, method in enumerate(methods)
        for place, layer in enumerate(scores.layers)
    ]
    frame = pd.DataFrame(rows, columns=["text", "method", "layer", "spearman"]).dropna()
    frame["order"] = frame["method"].map({method: place for place, method in enumerate(methods)})
    return frame.sort_values(["order", "layer", "text"]).drop(columns="order").reset_index(drop=True)


def _row(method: str, layer: int | None, values: Float[np.ndarray, " text"]) -> FidelityRow:
    # Texts are drawn as the clusters of a bootstrap, each by itself.
    means, draws = ClusterBootstrap(np.arange(len(values))).means(values[:, None].astype(np.float64))
    low, high = percentile_interval(draws)[:, 0]
    return FidelityRow(method, len(values), float(means[0]), float(low), float(high), float(values.std()), layer)
