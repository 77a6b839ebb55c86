"""Files of studies: one Parquet table that any tool reads, with the rest of the study in its metadata."""

import base64
import binascii
import io
import json
import zlib
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from model.catalog import BUNDLED
from model.errors import HeadscopeError
from model.layers import SEQUENCES
from model.result_files import write_file
from model.study.records import COLUMNS, KEYS, HeadStudy

FORMAT = "headscope study of heads 1"
LARGEST_FILE = 64 * 2**20
_LARGEST_ARRAY = 256 * 2**20
_KEY = "headscope"
# Columns that differ from head to head; the others repeat themselves.
_MEASURED = {"value", "low", "high", "first", "second", "second_low", "second_high"}
_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError, zlib.error, pa.ArrowException
)  # fmt: skip
_SHIPPED = Path(__file__).parents[1] / "results" / "heads"


def shipped_study(model: str) -> HeadStudy | None:
    """Return the study that comes with a bundled model (see the README beside it); None for any other."""
    path = _SHIPPED / f"{model}.parquet"
    return read_study(path) if model in BUNDLED and path.is_file() else None


def write_study(study: HeadStudy, path: str | PathLike) -> None:
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


def read_study(path: str | PathLike) -> HeadStudy:
    """Read a file of `write_study`; raises HeadscopeError with one sentence where it is missing, broken or another."""
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError("it is larger than such a file is")
        file = pq.ParquetFile(path)
        plain = json.loads((file.metadata.metadata or {}).get(_KEY.encode(), b"{}"))
        if not isinstance(plain, dict) or plain.get("format") != FORMAT:
            raise ValueError(f"its format is not “{FORMAT}”")
        return _study(_frame(file.read()), plain)
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


def _frame(table: pa.Table) -> pd.DataFrame:
    missing = set(COLUMNS) - set(table.column_names)
    if missing:
        raise ValueError(f"it has no column “{min(missing)}”")
    frame = table.select(list(COLUMNS)).to_pandas()
    numbers = {name: "float64" for name in COLUMNS if name not in KEYS} | {"layer": "int64", "head": "int64"}
    frame = frame.astype(numbers)
    named = all(isinstance(name, str) for column in ("stack", "score") for name in frame[column].unique())
    if (
        not len(frame)
        or not named
        or (frame[["layer", "head"]] < 0).any(axis=None)
        or frame.duplicated(list(KEYS)).any()
    ):
        raise ValueError("its rows are not one for each stack, layer, head and score")
    return frame


def _study(frame: pd.DataFrame, plain: dict) -> HeadStudy:
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
    divergence = {
        stack: _unpacked(values, "<f4", (len(heads[stack]),) * 2) for stack, values in plain["divergence"].items()
    }
    sample_scores = {
        (_text(stack), _text(score)): _unpacked(values, "<f2", (len(sample), len(heads[stack])))
        for stack, score, values in plain["sample_scores"]
    }
    if not isinstance(plain["run"], dict):
        raise ValueError("it does not say how it was made")
    names = (_text(plain[name]) for name in ("model", "revision", "model_type"))
    return HeadStudy(*names, frame, divergence, heads, sample, sample_scores, plain["run"])


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a name or a text in it is none")
    return value


def _packed(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values, dtype=kind).tobytes(), 9)).decode()


def _unpacked(packed: str, kind: str, shape: tuple[int, int]) -> np.ndarray:
    size = np.dtype(kind).itemsize * shape[0] * shape[1]
    if size > _LARGEST_ARRAY:
        raise ValueError("an array in it is larger than any of a study")
    try:
        # No more is unpacked than fits: a small file cannot grow beyond measure.
        content = zlib.decompressobj().decompress(base64.b64decode(packed, validate=True), size + 1)
    except binascii.Error as error:
        raise ValueError("an array in it is no array") from error
    if len(content) != size:
        raise ValueError("an array in it does not have the size of its heads and texts")
    return np.frombuffer(content, kind).reshape(shape).astype(np.float32)
