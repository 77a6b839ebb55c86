"""What must hold in every family: rows sum to one, weights times values is the module's output, the model is unchanged."""

from contextlib import contextmanager

import pytest
import torch

from model import record, wrap
from tests.tiny_models import BUILDERS, ENCODER_DECODERS, FIRST_FAMILIES, tiny, tiny_inputs

LAZY_FAMILIES = [*FIRST_FAMILIES, "gpt_oss"]
# Where the heads' joined output enters the output projection, from the name of the attention module.
PROJECTIONS = {
    "bert": ".output.dense", "roberta": ".output.dense", "distilbert": ".out_lin", "albert": ".dense",
    "modernbert": ".Wo", "gpt2": ".c_proj", "gpt_neox": ".dense", "opt": ".out_proj", "t5": ".o", "bart": ".out_proj",
    "marian": ".out_proj",
}  # fmt: skip
# Layers of the tiny models, as their configs say: encoder, decoder, cross.
DEPTHS = {"t5": (2, 3, 3), "bart": (2, 3, 3), "marian": (2, 3, 3), "modernbert": (4,)}


def projection_of(name: str, module: str) -> str:
    return module.removesuffix(".self") + PROJECTIONS.get(name, ".o_proj")


@contextmanager
def watching(model, names):
    """Collect (input, output) of every call of the named modules."""
    calls = {name: [] for name in names}

    def hook_for(name):
        return lambda _module, args, output: calls[name].append((args[0][0], output[0]))

    handles = [model.get_submodule(name).register_forward_hook(hook_for(name)) for name in names]
    yield calls
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("padding", ["none", "left", "right"])
@pytest.mark.parametrize("name", FIRST_FAMILIES)
def test_rows_sum_to_one(name, padding):
    trace = record(wrap(tiny(name)), tiny_inputs(name, padding))
    assert tuple(len(trace.of_stack(stack)) for stack in trace.stacks) == DEPTHS.get(name, (3,))
    for layer in trace.layers:
        weights = trace.layer_attention(layer.index, layer.stack)
        assert abs(weights.sum(axis=-1) - 1).max() < 1e-5
        assert weights.min() >= 0


@pytest.mark.parametrize("name", LAZY_FAMILIES)
def test_weights_times_values_is_the_output_of_the_module(name):
    model, inputs = tiny(name), tiny_inputs(name)
    modules = {layer.module for layer in record(wrap(model), inputs).layers}
    with watching(model, {projection_of(name, module) for module in modules}) as calls:
        trace = record(wrap(model), inputs)
    for layer in trace.layers:
        joined, projected = calls[projection_of(name, layer.module)].pop(0)
        value = trace.layer(layer.index, layer.stack).value
        value = value.repeat_interleave(layer.heads // value.shape[0], dim=0)
        weights = torch.tensor(trace.layer_attention(layer.index, layer.stack))
        heads = (weights @ value).transpose(0, 1).flatten(start_dim=1)
        torch.testing.assert_close(heads, joined, atol=1e-5, rtol=1e-5)
        with torch.no_grad():
            again = model.get_submodule(projection_of(name, layer.module))(heads)
        torch.testing.assert_close(again, projected, atol=1e-4, rtol=1e-5)
    assert not any(calls.values())


def test_bert_self_attention_returns_the_joined_heads():
    model, inputs = tiny("bert"), tiny_inputs("bert")
    with watching(model, ["encoder.layer.1.attention.self"]) as calls:
        trace = record(wrap(model), inputs)
    layer = trace.layer(1)
    assert layer.module == "encoder.layer.1.attention.self"
    heads = (layer.weights() @ layer.value).transpose(0, 1).flatten(start_dim=1)
    ((_, joined),) = calls[layer.module]
    torch.testing.assert_close(heads, joined[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("padding", ["none", "left", "right"])
@pytest.mark.parametrize("name", LAZY_FAMILIES)
def test_the_output_of_a_recorded_run_equals_eager(name, padding):
    model, inputs = tiny(name), tiny_inputs(name, padding)
    outputs = []
    handle = model.register_forward_hook(lambda _module, _args, output: outputs.append(output[0]))
    try:
        record(wrap(model), inputs)
    finally:
        handle.remove()
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            expected = model(**inputs)[0]
    finally:
        model.set_attn_implementation(before)
    assert len(outputs) == 1
    torch.testing.assert_close(outputs[0], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", list(BUILDERS))
def test_hidden_states_equal_those_of_transformers(name):
    model, inputs = tiny(name), tiny_inputs(name)
    trace = record(wrap(model), inputs)
    with torch.no_grad():
        output = model(**inputs, output_hidden_states=True, use_cache=False)
    sides = ("encoder", "decoder") if name in ENCODER_DECODERS else trace.stacks
    assert set(trace.states) == set(sides)
    for side in sides:
        expected = output[f"{side}_hidden_states" if name in ENCODER_DECODERS else "hidden_states"]
        found = trace.hidden_states(side)
        assert len(found) == len(expected) == len(trace.of_stack(side)) + 1
        # The last is left out: most families normalise it before they return it.
        for mine, theirs in list(zip(found, expected, strict=True))[:-1]:
            torch.testing.assert_close(torch.tensor(mine), theirs[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "final_norm"),
    [("bert", None), ("gpt2", "transformer.ln_f"), ("llama", "model.norm"), ("bloom", "transformer.ln_f")],
)
def test_the_last_hidden_state_is_before_the_final_normalisation(name, final_norm):
    model, inputs = tiny(name), tiny_inputs(name)
    last = torch.tensor(record(wrap(model), inputs).hidden_states()[-1])
    with torch.no_grad():
        expected = model(**inputs, output_hidden_states=True).hidden_states[-1][0]
        normalised = model.get_submodule(final_norm)(last) if final_norm else last
    torch.testing.assert_close(normalised, expected, atol=1e-4, rtol=1e-4)
    assert final_norm is None or (last - expected).abs().max() > 0.01
