"""Traces move between devices as a whole, and stay on a device only within a budget."""

import numpy as np
import pytest
import torch

from model import device_budget, record, wrap
from model.device_budget import within_budget
from tests.tiny_models import tiny, tiny_inputs


@pytest.fixture
def trace():
    return record(wrap(tiny("llama")), tiny_inputs("llama", "left"))


@pytest.fixture
def moved(monkeypatch):
    """The tensors that were moved, where every tensor passes for one on a GPU until it was moved."""
    tensors, copies = [], []

    def move(_device, tensor):
        tensors.append(tensor)
        copies.append(tensor.clone())
        return copies[-1]

    def apart(tensor):
        return not any(copy.data_ptr() == tensor.data_ptr() for copy in copies)

    monkeypatch.setattr(device_budget, "_apart", apart)
    monkeypatch.setattr(device_budget, "_on", move)
    return tensors


def test_a_moved_trace_is_the_same_trace(trace):
    other = trace.to("cpu")
    assert other is not trace
    assert other.nbytes == trace.nbytes
    assert (other.tokens, other.provenance) == (trace.tokens, trace.provenance)
    for layer in trace.layers:
        assert np.array_equal(other.layer_attention(layer.index), trace.layer_attention(layer.index))


def test_what_layers_share_is_moved_once(trace):
    masks = {id(layer.mask) for layer in trace.layers}
    assert len(masks) == 1
    on_meta = trace.to("meta")
    assert {tensor.device.type for layer in on_meta.layers for tensor in layer.tensors().values()} == {"meta"}
    assert {state.device.type for state in on_meta.states["decoder"]} == {"meta"}
    assert len({id(layer.mask) for layer in on_meta.layers}) == 1


def test_a_trace_within_the_budget_stays(trace, moved):
    layers, states = within_budget(trace.layers, trace.states, trace.nbytes)
    assert moved == []
    assert layers == trace.layers
    assert states == trace.states


def test_past_the_budget_whole_layers_move(trace, moved):
    first = trace.layers[0]
    nbytes = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in first.tensors().values()
    }
    budget = sum(nbytes.values())
    layers, states = within_budget(trace.layers, trace.states, budget)
    assert layers[0] is first
    # The mask that the layers share moves once.
    expected = list(trace.layers[1].tensors().values())
    expected += [tensor for name, tensor in trace.layers[2].tensors().items() if name != "mask"]
    expected += list(trace.states["decoder"])
    assert [id(tensor) for tensor in moved] == [id(tensor) for tensor in expected]
    for before, after in zip(trace.layers, layers, strict=True):
        assert torch.equal(before.weights(), after.weights())
    assert all(map(torch.equal, states["decoder"], trace.states["decoder"]))
    moved.clear()
    assert within_budget(trace.layers, trace.states, budget - 1)[0][0] is not first


def test_recording_holds_a_trace_within_the_budget(moved, monkeypatch):
    loaded, inputs = wrap(tiny("llama")), tiny_inputs("llama", "left")
    whole = record(loaded, inputs)
    assert moved == []
    counts = []
    part = record(loaded, inputs, device_budget=0, progress=lambda _share: counts.append(len(moved)))
    # After each block its queries, keys, values and output are moved; with the first, what enters it and the mask too.
    assert counts == [6, 10, 14, 14]
    assert len({layer.mask.data_ptr() for layer in part.layers}) == 1
    for layer in whole.layers:
        assert np.array_equal(whole.layer_attention(layer.index), part.layer_attention(layer.index))
    assert all(map(np.array_equal, whole.hidden_states(), part.hidden_states()))
    moved.clear()
    monkeypatch.setattr("model.recording.trace_budget", lambda _device: 0)
    record(loaded, inputs)
    assert len(moved) == 14


def test_weights_that_the_model_returns_are_held_within_the_budget_too(moved):
    loaded, inputs = wrap(tiny("bloom")), tiny_inputs("bloom")
    whole = record(loaded, inputs)
    part = record(loaded, inputs, device_budget=0)
    assert {id(layer.dense) for layer in part.layers}.isdisjoint(id(tensor) for tensor in moved)
    assert len(moved) >= 2 * len(part.layers)
    for layer in whole.layers:
        assert np.array_equal(whole.layer_attention(layer.index), part.layer_attention(layer.index))


def test_nothing_of_a_trace_on_the_cpu_is_moved(trace):
    layers, states = within_budget(trace.layers, trace.states, 0)
    assert layers == trace.layers
    assert states == trace.states


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_a_trace_on_the_gpu_is_held_within_the_budget():
    import copy

    model, inputs = copy.deepcopy(tiny("llama")).cuda(), tiny_inputs("llama")
    whole = record(wrap(model), inputs)
    assert {layer.query.device.type for layer in whole.layers} == {"cuda"}
    first = sum({tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
                 for tensor in whole.layers[0].tensors().values()}.values())  # fmt: skip
    part = record(wrap(model), inputs, device_budget=first)
    assert [layer.query.device.type for layer in part.layers] == ["cuda", "cpu", "cpu"]
    assert {state.device.type for state in part.states["decoder"]} == {"cpu"}
    for layer in whole.layers:
        assert abs(whole.layer_attention(layer.index) - part.layer_attention(layer.index)).max() < 1e-5
    assert {layer.query.device.type for layer in whole.to("cpu").layers} == {"cpu"}
