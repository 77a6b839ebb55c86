"""Traces from files: one that Headscope saved, or weights of another tool as an NPZ."""

import io
import tempfile
from pathlib import Path

import streamlit as st

from app import cache, explanations
from app.engine import Run
from app.public_mode import limits
from model.importing import read_npz
from model.trace import Trace

MOST_MEGABYTES = 500


def opened_run() -> Run | None:
    """Draw the upload in the sidebar and return the run in the file, or None; raises HeadscopeError for a bad file."""
    with st.sidebar:
        file = st.file_uploader(
            "Trace file", ["safetensors", "npz"], key="trace_file", help=explanations.FILE_HELP,
            max_upload_size=limits().megabytes(MOST_MEGABYTES),
        )  # fmt: skip
    if file is None:
        return None
    limits().check_upload(file.name, file.size)
    key = ("file", file.file_id)
    return cache.runs().get_or_make(key, lambda: Run(key, read_trace(file.name, file.getvalue())))


def read_trace(name: str, data: bytes) -> Trace:
    """Return the trace in the bytes of a file; its name decides the format. Raises HeadscopeError."""
    if name.lower().endswith(".npz"):
        return read_npz(io.BytesIO(data))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.safetensors"
        path.write_bytes(data)
        return Trace.load(path)
