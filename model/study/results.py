"""Files of studies: one Parquet table that any tool reads, with the rest of the study in its metadata."""

import base64
import binascii
import io
import json
import zlib
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from model.bounded_json import parse_json
from model.catalog import BUNDLED
from model.errors import HeadscopeError
from model.layers import SEQUENCES
from model.result_files import write_file
from model.study.records import COLUMNS, KEYS, HeadStudy

FORMAT = "headscope study of heads 1"
LARGEST_FILE = 64 * 2**20
# Of all arrays together, and of the columns of the table, unpacked.
_LARGEST_ARRAYS = 512 * 2**20
_LARGEST_TABLE = 512 * 2**20
_MOST_ROWS = 2**22
# Layers and heads are rows and columns of grids.
_MOST_NUMBERED = 4096
_KEY = "headscope"
# Columns that differ from head to head; the others repeat themselves.
_MEASURED = {"value", "low", "high", "first", "second", "second_low", "second_high"}
_UNREADABLE = (
    OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError, MemoryError, zlib.error,
    pa.ArrowException,
)  # fmt: skip
_SHIPPED = Path(__file__).parents[1] / "results" / "heads"


def shipped_study(model: str) -> HeadStudy | None:
    """Return the study that comes with a bundled model (see the README beside it); None for any other."""
    path = _SHIPPED / f"{model}.parquet"
    return read_study(path) if model in BUNDLED and path.is_file() else None


def write_study(study: HeadStudy, path: str | PathLike[str]) -> None:
    """Write a study as one Parquet file; raises HeadscopeError where it cannot be written.

    Numbers are kept in float32, the scores of the sample in float16.
    """
    frame = study.frame[list(COLUMNS)]
    kinds = {name: "float32" for name in COLUMNS if name not in KEYS} | {"layer": "int32", "head": "int32"}
    table = pa.Table.from_pandas(frame.astype(kinds), preserve_index=False)
    content = io.BytesIO()
    measured = [name for name in COLUMNS if name in _MEASURED]
    options = {
        "compression": "zstd",
        "compression_level": 12,
        "use_dictionary": [name for name in COLUMNS if name not in measured],
        "use_byte_stream_split": measured,
        # Arrow's own schema would hold the metadata a second time.
        "store_schema": False,
    }
    with pq.ParquetWriter(content, table.schema.remove_metadata(), **options) as writer:
        writer.write_table(table.replace_schema_metadata())
        writer.add_key_value_metadata({_KEY: json.dumps(_plain(study), separators=(",", ":"))})
    write_file(path, content.getvalue())


def read_study(path: str | PathLike[str]) -> HeadStudy:
    """Read a file of `write_study`; raises HeadscopeError with one sentence where it is missing, broken or another."""
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError("it is larger than such a file is")
        metadata = pq.read_metadata(path)
        plain = parse_json((metadata.metadata or {}).get(_KEY.encode(), b"{}"))
        if not isinstance(plain, dict) or plain.get("format") != FORMAT:
            raise ValueError(f"its format is not “{FORMAT}”")
        _check_size(metadata)
        # A text that many rows share is kept once, however long it is.
        with pq.ParquetFile(path, metadata=metadata, read_dictionary=["stack", "score"]) as file:
            table = file.read(columns=list(COLUMNS), use_threads=False)
        return _study(_frame(table), plain)
    except FileNotFoundError as error:
        raise HeadscopeError(f"There is no file “{path.name}”. Choose a file that a study wrote.") from error
    except _UNREADABLE as error:
        reason = str(error).split("\n")[0][:200]
        raise HeadscopeError(
            f"“{path.name}” holds no study of heads that this version can read: {reason}. Make it again with "
            "python -m model study."
        ) from error


def _plain(study: HeadStudy) -> dict[str, object]:
    return {
        "format": FORMAT,
        "model": study.model,
        "revision": study.revision,
        "model_type": study.model_type,
        "heads": {stack: [list(head) for head in heads] for stack, heads in study.heads.items()},
        "divergence": {stack: _packed(values, "<f4") for stack, values in study.divergence.items()},
        "sample": list(study.sample),
        "sample_scores": [[*key, _packed(values, "<f2")] for key, values in study.sample_scores.items()],
        "run": dict(study.run),
    }


def _check_size(metadata: pq.FileMetaData) -> None:
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    unpacked = sum(
        group.column(number).total_uncompressed_size for group in groups for number in range(group.num_columns)
    )
    if metadata.num_rows > _MOST_ROWS or not 0 <= unpacked <= _LARGEST_TABLE:
        raise ValueError("its table is larger than any of a study")


def _frame(table: pa.Table) -> pd.DataFrame:
    missing = set(COLUMNS) - set(table.column_names)
    if missing:
        raise ValueError(f"it has no column “{min(missing)}”")
    frame = table.select(list(COLUMNS)).to_pandas()
    frame = frame.astype(dict.fromkeys(("stack", "score"), object))
    numbers = {name: "float64" for name in COLUMNS if name not in KEYS} | {"layer": "int64", "head": "int64"}
    frame = frame.astype(numbers)
    named = all(isinstance(name, str) for column in ("stack", "score") for name in frame[column].unique())
    if (
        not len(frame)
        or not named
        or not frame[["layer", "head"]].isin(range(_MOST_NUMBERED)).all(axis=None)
        or frame.duplicated(list(KEYS)).any()
    ):
        raise ValueError("its rows are not one for each stack, layer, head and score")
    if np.isinf(frame[[name for name in COLUMNS if name not in KEYS]].to_numpy()).any():
        raise ValueError("a number in its table is infinite")
    return frame


def _study(frame: pd.DataFrame, plain: dict[str, Any]) -> HeadStudy:
    heads = {
        stack: tuple((int(layer), int(head)) for layer, head in places) for stack, places in plain["heads"].items()
    }
    in_frame = {
        stack: {(int(layer), int(head)) for layer, head in rows[["layer", "head"]].drop_duplicates().to_numpy()}
        for stack, rows in frame.groupby("stack")
    }
    if {stack: set(places) for stack, places in heads.items()} != in_frame or set(heads) - set(SEQUENCES):
        raise ValueError("its heads are not those of its table")
    sample = tuple(map(_text, plain["sample"]))
    sizes = {stack: len(places) for stack, places in heads.items()}
    texts = sum(sizes[stack] for stack, _score, _values in plain["sample_scores"]) * len(sample)
    if 4 * (sum(sizes[stack] ** 2 for stack in plain["divergence"]) + texts) > _LARGEST_ARRAYS:
        raise ValueError("its arrays are larger than any of a study")
    divergence = {stack: _unpacked(values, "<f4", (sizes[stack],) * 2) for stack, values in plain["divergence"].items()}
    sample_scores = {
        (_text(stack), _text(score)): _unpacked(values, "<f2", (len(sample), sizes[stack]))
        for stack, score, values in plain["sample_scores"]
    }
    _check_run(plain["run"])
    model, revision, model_type = (_text(plain[name]) for name in ("model", "revision", "model_type"))
    return HeadStudy(model, revision, model_type, frame, divergence, heads, sample, sample_scores, plain["run"])


def _check_run(run: object) -> None:
    """Raise ValueError or KeyError where it is not said how the study was made; what else is there is the study's own."""
    counts = [run[name] for name in ("texts", "tokens", "seconds")] if isinstance(run, dict) else [None]
    versions = run["versions"] if isinstance(run, dict) else None
    if not all(type(count) in (int, float) for count in counts) or not isinstance(versions, dict):
        raise ValueError("it does not say how it was made")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a name or a text in it is none")
    return value


def _packed(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values, dtype=kind).tobytes(), 9)).decode()


def _unpacked(packed: str, kind: str, shape: tuple[int, int]) -> np.ndarray:
    size = np.dtype(kind).itemsize * shape[0] * shape[1]
    try:
        # No more is unpacked than fits: a small file cannot grow beyond measure.
        content = zlib.decompressobj().decompress(base64.b64decode(packed, validate=True), size + 1)
    except binascii.Error as error:
        raise ValueError("an array in it is no array") from error
    if len(content) != size:
        raise ValueError("an array in it does not have the size of its heads and texts")
    return np.frombuffer(content, kind).reshape(shape).astype(np.float32)
