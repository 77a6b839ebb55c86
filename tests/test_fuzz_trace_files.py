"""Trace files that were cut, changed or made up: read as a trace that can be looked at, or refused with a sentence."""

import json
import struct

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import tests.fuzz_profile  # noqa: F401 - how long the search is
from model import Trace, record, wrap
from model.analysis.thumbnails import head_thumbnails
from model.analysis.trace_scores import trace_scores
from model.errors import HeadscopeError, TraceFileError
from tests.hostile_files import DEEP, bounded_memory, changed_json, mutated, quiet, read_or_refused  # noqa: F401
from tests.tiny_models import tiny, tiny_inputs
from tests.tiny_tokenizers import tiny_bert_for

pytestmark = pytest.mark.usefixtures("quiet")
_WHOLE: dict[str, bytes] = {}


def whole(kind: str) -> bytes:
    """Return the bytes of a good trace, made once: lazy with sinks, dense, of an encoder-decoder, or of a text."""
    if kind not in _WHOLE:
        import tempfile
        from pathlib import Path

        trace = (
            record(tiny_bert_for("word piece"), "The cats cross the streets; it rains.")
            if kind == "text"
            else record(wrap(tiny(kind)), tiny_inputs(kind, "left"))
        )
        with tempfile.TemporaryDirectory() as folder:
            trace.save(Path(folder) / "t")
            _WHOLE[kind] = (Path(folder) / "t").read_bytes()
    return _WHOLE[kind]


KINDS = ("gpt_oss", "bloom", "t5", "text")


def parts(kind: str, tmp_path):
    path = tmp_path / "good"
    path.write_bytes(whole(kind))
    with safe_open(path, framework="pt") as file:
        description = json.loads(file.metadata()["headscope"])
    return description, load_file(path)


def looked_at(path) -> None:
    """Read a trace and look at all of it, as the pages do."""
    trace = read_or_refused(lambda: Trace.load(path))
    if isinstance(trace, HeadscopeError):
        assert isinstance(trace, TraceFileError)
        return
    for stack in trace.stacks:
        for layer in trace.of_stack(stack):
            assert trace.layer_attention(layer.index, stack).shape == layer.shape
            assert trace.mask(layer.index, 0, stack).shape == layer.shape[1:]
            assert len(trace.query_tokens(layer.index, stack)) == layer.shape[1]
            assert len(trace.key_tokens(layer.index, stack)) == layer.shape[2]
        read_or_refused(lambda stack=stack: head_thumbnails(trace, stack=stack))
        read_or_refused(lambda stack=stack: trace_scores(trace, stack))
    for side in trace.states:
        assert all(state.ndim == 2 for state in trace.hidden_states(side))


@given(data=st.data())
@pytest.mark.parametrize("kind", KINDS)
def test_bytes_that_were_changed(kind, data, tmp_path):
    path = tmp_path / "trace.safetensors"
    path.write_bytes(data.draw(mutated(whole(kind))))
    looked_at(path)


@given(data=st.data())
@pytest.mark.parametrize("kind", KINDS)
def test_a_description_that_was_changed(kind, data, tmp_path):
    description, tensors = parts(kind, tmp_path)
    description = data.draw(changed_json(description))
    path = tmp_path / "trace.safetensors"
    save_file(tensors, path, metadata={"headscope": json.dumps(description)})
    looked_at(path)


TENSORS = st.builds(
    lambda shape, dtype, value: torch.full(shape, value).to(dtype),
    st.lists(st.integers(0, 12), max_size=4).map(tuple),
    st.sampled_from([
        torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.bool, torch.int64, torch.uint8, torch.int8,
        torch.float8_e4m3fn, torch.float8_e5m2, torch.complex64,
    ]),
    st.sampled_from([0.0, 1.0, -1.0, float("nan"), float("inf"), -float("inf"), 3e38]),
)  # fmt: skip


@given(data=st.data())
@pytest.mark.parametrize("kind", KINDS)
def test_tensors_of_other_shapes_types_and_numbers(kind, data, tmp_path):
    description, tensors = parts(kind, tmp_path)
    for name in data.draw(st.lists(st.sampled_from(sorted(tensors)), min_size=1, max_size=3)):
        if data.draw(st.booleans()):
            tensors[name] = data.draw(TENSORS)
        elif tensors[name].is_floating_point() and tensors[name].numel():
            values = tensors[name].clone()
            values.view(-1)[data.draw(st.integers(0, values.numel() - 1))] = data.draw(st.floats(width=32))
            tensors[name] = values
    path = tmp_path / "trace.safetensors"
    save_file(tensors, path, metadata={"headscope": json.dumps(description)})
    looked_at(path)


def header(entries: object, length: int | None = None) -> bytes:
    text = json.dumps(entries).encode() if not isinstance(entries, bytes) else entries
    return struct.pack("<Q", len(text) if length is None else length) + text


TENSOR = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
MADE_UP = {
    "nothing": b"",
    "a length alone": struct.pack("<Q", 8),
    "an absurd length": header({}, 2**63 - 1),
    "the largest length": header({}, 2**64 - 1),
    "a length of a hundred megabytes": header({}, 100_000_000),
    "deep": header(DEEP.encode()),
    "deep metadata": header({"__metadata__": {"headscope": DEEP}}),
    "a bomb of lists": header({"__metadata__": {"headscope": "[" + "[]," * 12_000_000 + "[]]"}}),
    "a huge shape": header({"a": TENSOR | {"shape": [2**40, 2**40]}}) + bytes(16),
    "a shape that overflows": header({"a": TENSOR | {"shape": [2**62, 8]}}) + bytes(16),
    "a negative shape": header({"a": TENSOR | {"shape": [-2, -2]}}) + bytes(16),
    "offsets that run back": header({"a": TENSOR | {"data_offsets": [16, 0]}}) + bytes(16),
    "offsets past the end": header({"a": TENSOR | {"data_offsets": [0, 2**60]}}) + bytes(16),
    "offsets that overlap": header({"a": TENSOR, "b": TENSOR}) + bytes(16),
    "a name twice": b"\x4a\0\0\0\0\0\0\0"
    + b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32"}}',
    "an unknown type": header({"a": TENSOR | {"dtype": "PICKLE"}}) + bytes(16),
    "metadata that are no text": header({"__metadata__": {"headscope": {"format": 1}}}),
}


@pytest.mark.parametrize("name", MADE_UP)
def test_made_up_files_take_little_memory(name, tmp_path):
    path = tmp_path / "trace.safetensors"
    path.write_bytes(MADE_UP[name])
    with bounded_memory(200), pytest.raises(TraceFileError, match="is not a trace that this version can read"):
        Trace.load(path)


def test_a_folder_a_link_to_nothing_a_pipe_and_an_unreadable_file(tmp_path):
    import os

    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "link", "loop", "pipe", "x" * 300, "a\0b", "none"):
        assert isinstance(read_or_refused(lambda name=name: Trace.load(tmp_path / name)), TraceFileError)


def test_hostile_names_and_texts_are_kept_as_text(tmp_path):
    description, tensors = parts("text", tmp_path)
    hostile = "</script><img src=x onerror=alert(1)>\u202e\0\ud800../../etc/passwd"
    description["provenance"]["model"] = hostile
    description["tokens"]["encoder"][1]["text"] = hostile
    path = tmp_path / "trace.safetensors"
    save_file(tensors, path, metadata={"headscope": json.dumps(description)})
    trace = Trace.load(path)
    assert (trace.provenance.model, trace.query_tokens(0)[1]) == (hostile, hostile)
    assert np.isfinite(trace.layer_attention(0)).all()
