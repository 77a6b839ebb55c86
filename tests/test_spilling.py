"""What does not fit in memory is mapped from disk, bit for bit, and leaves nothing behind."""

import gc
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from model import Trace, record, spilling, wrap
from model.errors import HeadscopeError
from model.spilling import is_mapped, mapped
from tests.tiny_models import tiny, tiny_inputs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def own(layer) -> list[torch.Tensor]:
    return [tensor for name, tensor in layer.tensors().items() if name not in ("mask", "bias", "sinks")]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_mapped_tensors_are_equal_in_every_bit(folder, dtype):
    whole = torch.randn(6, 5, 4).to(dtype)
    given = {"a": whole[:3].transpose(0, 1), "b": whole[3:], "odd": torch.randn(3).to(dtype)}
    found = mapped(given)
    assert list(found) == list(given)
    for name, tensor in given.items():
        assert found[name].dtype == dtype
        assert torch.equal(found[name], tensor)
        assert is_mapped(found[name])
        assert is_mapped(found[name][:2])
        assert not is_mapped(found[name].clone())
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["gpt2", "llama", "t5", "bloom"])
def test_a_trace_past_the_budget_is_the_same_trace(folder, name):
    loaded, inputs = wrap(tiny(name)), tiny_inputs(name, "left")
    whole, spilled = record(loaded, inputs), record(loaded, inputs, memory_budget=0)
    assert list(folder.iterdir()) == []
    for before, after in zip(whole.layers, spilled.layers, strict=True):
        assert all(map(is_mapped, own(after)))
        assert not any(map(is_mapped, own(before)))
        assert torch.equal(before.weights(), after.weights())
        assert all(map(torch.equal, own(before), own(after)))
    for side, states in whole.states.items():
        assert all(map(is_mapped, spilled.states[side]))
        assert all(map(torch.equal, states, spilled.states[side]))
    # What is left in memory is what the layers share: masks and biases.
    shared = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
              for layer in spilled.layers for tensor in layer.tensors().values() if not is_mapped(tensor)}  # fmt: skip
    assert spilled.nbytes == sum(shared.values()) < whole.nbytes


def test_the_first_layers_stay_in_memory(folder):
    loaded, inputs = wrap(tiny("llama")), tiny_inputs("llama")
    whole = record(loaded, inputs)
    first = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in own(whole.layers[0])}
    states = [state.untyped_storage().nbytes() for state in whole.states["decoder"][:2]]
    part = record(loaded, inputs, memory_budget=sum(first.values()) + sum(states))
    assert [all(map(is_mapped, own(layer))) for layer in part.layers] == [False, True, True]
    assert [is_mapped(state) for state in part.states["decoder"]] == [False, False, True, True]
    assert part.nbytes <= sum(first.values()) + sum(states) + sum(
        layer.mask.untyped_storage().nbytes() for layer in part.layers[:1] if layer.mask is not None
    )


def test_no_budget_maps_nothing(folder, monkeypatch):
    monkeypatch.setattr(spilling, "mapped", lambda _tensors: pytest.fail("nothing is written"))
    record(wrap(tiny("gpt2")), tiny_inputs("gpt2"))
    record(wrap(tiny("gpt2")), tiny_inputs("gpt2"), memory_budget=10**9)


def test_a_mapped_trace_is_saved_and_moved_as_any_other(folder):
    trace = record(wrap(tiny("gpt2")), tiny_inputs("gpt2"), memory_budget=0)
    trace.save(folder / "a.safetensors")
    again = Trace.load(folder / "a.safetensors")
    for layer, other, moved in zip(trace.layers, again.layers, trace.to("cpu").layers, strict=True):
        assert torch.equal(layer.weights(), other.weights())
        assert all(map(is_mapped, own(moved)))
    assert all(map(np.array_equal, trace.hidden_states(), again.hidden_states()))


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="open mappings are listed by Linux alone")
def test_the_file_goes_with_the_trace(folder):
    def mappings() -> int:
        return sum(
            "headscope-" in line and "(deleted)" in line for line in Path("/proc/self/maps").read_text().splitlines()
        )

    before, files = mappings(), len(os.listdir("/proc/self/fd"))
    trace = record(wrap(tiny("gpt2")), tiny_inputs("gpt2"), memory_budget=0)
    assert mappings() > before
    del trace
    gc.collect()
    assert mappings() == before
    assert len(os.listdir("/proc/self/fd")) <= files


def test_a_disk_that_is_full_is_a_sentence(folder, monkeypatch):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    loaded = wrap(tiny("gpt2"))
    monkeypatch.setattr(spilling, "save_file", full)
    with pytest.raises(HeadscopeError, match=r"cannot be written to disk.*TMPDIR"):
        record(loaded, tiny_inputs("gpt2"), memory_budget=0)
    monkeypatch.undo()
    assert record(loaded, tiny_inputs("gpt2")).layers[0].source == "lazy"
