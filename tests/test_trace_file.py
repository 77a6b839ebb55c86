"""Traces on disk: everything comes back, shared tensors once, and nothing but a whole trace is read."""

import dataclasses
import json
import os
from copy import deepcopy

import jaxtyping
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from model import Trace, record, trace_file, wrap
from model.errors import TraceFileError
from tests.tiny_models import tiny, tiny_inputs

SAVED = {"lazy": "gpt2", "dense": "bloom", "encoder-decoder": "t5", "sinks": "gpt_oss", "softcap": "gemma2"}


def recorded(name, padding="left"):
    return record(wrap(tiny(name)), tiny_inputs(name, padding))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("traces") / "trace.safetensors"
    recorded("gpt_oss").save(path)
    return path


@pytest.mark.parametrize("kind", SAVED)
def test_round_trip(kind, tmp_path):
    trace = recorded(SAVED[kind])
    trace.save(tmp_path / "trace.safetensors")
    again = Trace.load(str(tmp_path / "trace.safetensors"))
    assert again.stacks == trace.stacks
    assert again.tokens == trace.tokens
    assert again.provenance == trace.provenance
    assert len(again.layers) == len(trace.layers)
    for mine, theirs in zip(again.layers, trace.layers, strict=True):
        assert type(mine) is type(theirs)
        assert (mine.stack, mine.index, mine.module) == (theirs.stack, theirs.index, theirs.module)
        assert np.array_equal(again.mask(mine.index, 0, mine.stack), trace.mask(theirs.index, 0, theirs.stack))
        for head in range(mine.heads):
            assert np.array_equal(*(one.attention(mine.index, head, mine.stack) for one in (again, trace)))
    assert set(again.states) == set(trace.states)
    for side in trace.states:
        pairs = zip(again.hidden_states(side), trace.hidden_states(side), strict=True)
        assert all(np.array_equal(mine, theirs) for mine, theirs in pairs)


def test_half_precision_and_hostile_text_survive(tmp_path):
    ids = {"input_ids": torch.tensor([[5, 6]])}
    trace = record(wrap(deepcopy(tiny("llama")).to(torch.bfloat16)), ids)
    token = dataclasses.replace(trace.tokens["decoder"][0], text='</script>"\x00\ud800', span=(0, 2), word=3)
    provenance = dataclasses.replace(trace.provenance, text="\u202e'; DROP TABLE")
    changed = dataclasses.replace(trace, tokens={"decoder": (token, token)}, provenance=provenance)
    changed.save(tmp_path / "trace")
    again = Trace.load(tmp_path / "trace")
    assert again.tokens == changed.tokens
    assert again.provenance.text == "\u202e'; DROP TABLE"
    assert again.layer(0).query.dtype == torch.bfloat16
    assert np.array_equal(again.layer_attention(0), trace.layer_attention(0))


@pytest.mark.parametrize(("name", "shared"), [("gpt2", "mask"), ("t5", "bias"), ("bloom", "mask")])
def test_tensors_that_layers_share_are_stored_once(name, shared, tmp_path):
    inputs = {"input_ids": torch.randint(3, 99, (1, 60)), "attention_mask": torch.ones(1, 60, dtype=torch.long)}
    inputs["attention_mask"][:, :5] = 0
    trace = record(wrap(tiny(name)), inputs | ({"decoder_input_ids": inputs["input_ids"]} if name == "t5" else {}))
    path = tmp_path / "trace"
    trace.save(path)
    with safe_open(path, framework="pt") as file:
        stored = [key for key in file.keys() if key.endswith(f".{shared}")]  # noqa: SIM118 - not a mapping
    stacks = 1 if name != "t5" else 3
    assert len(stored) == stacks
    assert sum(hasattr(layer, shared) and getattr(layer, shared) is not None for layer in trace.layers) > stacks
    if name == "gpt2":
        tensors = 3 * 3 * 60 * 32 * 4 + 4 * 60 * 32 * 4
        assert (
            path.stat().st_size < tensors + 2 * 60 * 60 + len(json.dumps(dataclasses.asdict(trace.provenance))) + 20_000
        )


@pytest.mark.parametrize("failing", ["save_file", "replace", "folder"])
def test_a_save_that_fails_leaves_nothing_behind(failing, tmp_path, monkeypatch):
    def half(_tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    path = tmp_path / "trace.safetensors"
    path.write_bytes(b"the file of before")
    if failing == "save_file":
        monkeypatch.setattr(trace_file, "save_file", half)
    elif failing == "replace":
        monkeypatch.setattr(type(path), "replace", lambda *_: (_ for _ in ()).throw(OSError("busy")))
    with pytest.raises(TraceFileError, match=r"could not be written \(.*(space|busy|No such file)"):
        recorded("gpt2").save(tmp_path / "none" / "trace" if failing == "folder" else path)
    assert os.listdir(tmp_path) == ["trace.safetensors"]
    assert path.read_bytes() == b"the file of before"


def test_files_that_are_no_trace_are_refused(saved, tmp_path):
    whole = saved.read_bytes()
    deep = b"[" * 100_000
    broken = {
        "empty": b"",
        "text": b"The animal did not cross the street.",
        "truncated": whole[: len(whole) // 2],
        "header only": whole[:100],
        "longer": whole + b"0000",
        "nested": len(deep).to_bytes(8, "little") + deep,
    }
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TraceFileError, match=f"“{name}” is not a trace that this version can read"):
            Trace.load(tmp_path / name)
    save_file({"weight": torch.ones(2)}, tmp_path / "foreign")
    save_file({"weight": torch.ones(2)}, tmp_path / "deep", metadata={"headscope": "[" * 100_000})
    for name in ("foreign", "deep"):
        with pytest.raises(TraceFileError, match="is not a trace"):
            Trace.load(tmp_path / name)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path, f"{tmp_path}/a\x00b"):
        with pytest.raises(TraceFileError, match="There is no file"):
            Trace.load(path)


def test_the_whole_file_of_before_is_read_again(saved):
    assert Trace.load(saved).stacks == ("decoder",)


def layer_fields(description, part="plain"):
    return description["layers"][0][part]


CHANGES = {
    "format": lambda d, t: d.update(format="headscope-trace-0"),
    "no layers": lambda d, t: d.update(layers=[]),
    "layers of text": lambda d, t: d.update(layers="none"),
    "a list": lambda d, t: d.update(tokens=[]),
    "source": lambda d, t: layer_fields(d).update(source="pickle"),
    "unknown field": lambda d, t: layer_fields(d).update(magic=1),
    "stack": lambda d, t: layer_fields(d).update(stack="sideways"),
    "index": lambda d, t: layer_fields(d).update(index="first"),
    "scaling": lambda d, t: layer_fields(d).update(scaling=None),
    "softcap": lambda d, t: layer_fields(d).update(softcap=[1]),
    "tensor name": lambda d, t: layer_fields(d, "tensors").update(key="elsewhere"),
    "d_head": lambda d, t: t.update({"layers.0.key": torch.ones(2, 11, 9)}),
    "key heads": lambda d, t: t.update({"layers.0.key": torch.ones(3, 11, 8)}),
    "key of two dimensions": lambda d, t: t.update({"layers.0.key": torch.ones(11, 8)}),
    "values": lambda d, t: t.update({"layers.0.value": torch.ones(2, 12, 8)}),
    "whole numbers": lambda d, t: t.update({"layers.0.query": torch.ones(4, 11, 8, dtype=torch.long)}),
    "mask size": lambda d, t: t.update({"layers.0.mask": torch.ones(1, 12, 11, dtype=torch.bool)}),
    "mask type": lambda d, t: t.update({"layers.0.mask": torch.ones(1, 11, 11)}),
    "sinks": lambda d, t: t.update({"layers.0.sinks": torch.ones(3)}),
    "state": lambda d, t: t.update({"states.decoder.0": torch.ones(11)}),
    "token text": lambda d, t: d["tokens"]["decoder"][0].update(text=5),
    "token word": lambda d, t: d["tokens"]["decoder"][0].update(word="first"),
    "token segment": lambda d, t: d["tokens"]["decoder"][0].update(segment="first"),
    "token span": lambda d, t: d["tokens"]["decoder"][0].update(span=[1, 2, 3]),
    "token field": lambda d, t: d["tokens"]["decoder"][0].update(html="<b>"),
    "provenance": lambda d, t: d["provenance"].update(model=["a"]),
    "versions": lambda d, t: d["provenance"].update(versions={"torch": 2}),
    "provenance text": lambda d, t: d["provenance"].update(text=5),
    "provenance text_pair": lambda d, t: d["provenance"].update(text_pair=5),
}


def changed_copy(saved, path, change):
    with safe_open(saved, framework="pt") as file:
        description = json.loads(file.metadata()["headscope"])
    tensors = load_file(saved)
    change(description, tensors)
    save_file(tensors, path, metadata={"headscope": json.dumps(description)})
    return path


@pytest.mark.parametrize("name", CHANGES)
def test_a_trace_that_does_not_fit_together_is_refused(name, saved, tmp_path, monkeypatch):
    # The checks of types that run only in tests would refuse some of these first.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(TraceFileError, match="is not a trace that this version can read"):
        Trace.load(changed_copy(saved, tmp_path / "trace", CHANGES[name]))


@pytest.mark.parametrize(
    "change",
    [
        lambda d, t: None,
        lambda d, t: d["tokens"]["decoder"].pop(),
        lambda d, t: d["tokens"].clear(),
        lambda d, t: t["layers.0.query"].fill_(float("nan")),
        lambda d, t: layer_fields(d).update(scaling=float("nan")),
    ],
)
def test_any_numbers_and_any_count_of_tokens_are_read(change, saved, tmp_path):
    trace = Trace.load(changed_copy(saved, tmp_path / "trace", change))
    assert trace.layer_attention(0).shape == (4, 11, 11)
    assert len(trace.query_tokens(0)) == 11
