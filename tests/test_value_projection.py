"""What attention layers add up is found in every lazy family, checked against the model's own tensors, or refused."""

import copy
import threading
from contextlib import contextmanager

import pytest
import torch
from torch import nn

import model.value_projection as value_projection
from model import HeadscopeError, record, wrap
from model.interventions import ScaleHeads, UniformHeads
from model.value_projection import record_mixings
from tests.made_mixings import FAMILIES, PARALLEL, POST_LN, PRE_LN, all_layers, recorded, uneven
from tests.registry_models import build, inputs_of
from tests.tiny_models import ENCODER_DECODERS, tiny_inputs

# Names of the output projections, as the families write them; the library finds them without.
PROJECTIONS = {
    "bert": "attention.output.dense", "roberta": "attention.output.dense", "distilbert": "out_lin", "albert": "dense",
    "modernbert": "Wo", "gpt2": "c_proj", "gpt_neox": "dense", "opt": "out_proj", "t5": "o", "bart": "out_proj",
    "marian": "out_proj",
}  # fmt: skip


@contextmanager
def outputs_of(model, chosen):
    """Collect [position, d_model] of every call of the modules that are chosen by name, in order."""
    found = []
    handles = [
        module.register_forward_hook(lambda _module, _args, output: found.append(output[0].clone()))
        for name, module in model.named_modules()
        if chosen(name)
    ]
    yield found
    for handle in handles:
        handle.remove()


def is_projection(family: str, name: str) -> bool:
    inside = any(part in name for part in ("att", "Attention", "attn"))
    return inside and f".{name}".endswith("." + PROJECTIONS.get(family, "o_proj"))


@pytest.mark.parametrize("padding", ["none", "left", "right"])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_parts_sum_to_the_output_of_the_module(name, padding):
    model, inputs = uneven(name), tiny_inputs(name, padding)
    with outputs_of(model, lambda module: is_projection(name, module)) as outputs, torch.no_grad():
        model(**inputs, **({"use_cache": False} if name in ENCODER_DECODERS else {}))
    layers = all_layers(recorded(name, padding))
    assert len(layers) == len(outputs) > 0
    for mixing, output in zip(layers, outputs, strict=True):
        bias = 0 if mixing.bias is None else mixing.bias
        # Vector by vector, as in the paper: no sum over heads or keys is taken before.
        vectors = mixing.layer.weights()[..., None] * mixing.moved_vectors()[:, None]
        found, real = vectors.sum(dim=(0, 2)) + bias, mixing.layer.allowed().any(dim=-1)
        assert float((found - mixing.output).norm() / mixing.output.norm()) < 1e-4
        # Padding on the left sees no key at all, and kernels differ there.
        assert float((found - output)[real].norm() / output[real].norm()) < 1e-4


@pytest.mark.parametrize("name", FAMILIES)
def test_the_residual_is_the_stream_that_enters_the_block(name):
    mixings = recorded(name)
    for mixing in all_layers(mixings):
        layer, added = mixing.layer, mixing.added
        if layer.stack == "cross":
            own = mixings.layer(layer.index, "decoder").added
            entering = own.total if own.norm_after is None else own.norm_after.output(own.total)
        else:
            entering = torch.tensor(mixings.trace.hidden_states(layer.stack)[layer.index])
        torch.testing.assert_close(added.residual, entering, atol=1e-5, rtol=1e-5)
        output = mixing.output if added.norm_before is None else added.norm_before.output(mixing.output)
        torch.testing.assert_close(added.residual + added.scale * output, added.total, atol=1e-4, rtol=1e-4)
        assert added.parallel == (name in PARALLEL)
        assert (added.norm_before is not None) == (name in ("gemma2", "olmo2"))
        assert (added.norm_after is not None) == (name in POST_LN)
        assert added.scale == pytest.approx(0.22 if name == "granite" else 1, abs=1e-5)
    assert set(FAMILIES) == {*PRE_LN, *POST_LN, *PARALLEL}


def test_the_norm_after_the_sum_is_that_of_the_model():
    with outputs_of(uneven("bert"), lambda name: name.endswith("attention.output.LayerNorm")) as outputs:
        mixings = record_mixings(wrap(uneven("bert")), tiny_inputs("bert"))
    for mixing, output in zip(all_layers(mixings), outputs, strict=True):
        norm = mixing.added.norm_after
        assert norm.centred
        assert norm.bias.abs().max() > 0.1
        torch.testing.assert_close(norm.output(mixing.added.total), output, atol=1e-5, rtol=1e-5)


def test_the_trace_is_that_of_record_and_the_model_as_before():
    model, inputs = uneven("marian"), tiny_inputs("marian")
    before = hooks_of(model)
    found, expected = record_mixings(wrap(model), inputs).trace, record(wrap(model), inputs)
    for layer, other in zip(found.layers, expected.layers, strict=True):
        assert (layer.stack, layer.index, layer.module) == (other.stack, other.index, other.module)
        assert torch.equal(layer.weights(), other.weights())
    assert hooks_of(model) == before


def hooks_of(model) -> list[tuple[int, ...]]:
    """Return the hooks of every module: transformers leaves some of its own where a model once gave its hidden states."""
    return [(*module._forward_hooks, *module._forward_pre_hooks) for module in model.modules()]


def test_blocks_of_rows_change_nothing(monkeypatch):
    whole = recorded("llama").layer(1)
    monkeypatch.setattr(value_projection, "BLOCK", 100)
    assert value_projection.row_blocks(whole.layer) == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10]]
    assert len(value_projection.joined_heads(whole.layer)) == 11
    blocks = whole.mixed_output()
    torch.testing.assert_close(blocks, whole.output if whole.bias is None else whole.output - whole.bias)


def test_half_precision():
    model = copy.deepcopy(uneven("llama")).to(torch.bfloat16)
    mixing = record_mixings(wrap(model), tiny_inputs("llama")).layer(1)
    bias = 0 if mixing.bias is None else mixing.bias.float()
    assert float((mixing.mixed_output() + bias - mixing.output).norm() / mixing.output.norm()) < 2e-2
    assert mixing.added is not None
    assert not mixing.added.parallel


def test_one_token():
    mixing = record_mixings(wrap(uneven("bert")), {"input_ids": torch.tensor([[7]])}).layer(2)
    torch.testing.assert_close(mixing.mixed_output() + mixing.bias, mixing.output, atol=1e-5, rtol=1e-5)
    assert mixing.added.norm_after is not None


# A gate, a norm and a mixture of experts between the heads and their projection; two calls that are subtracted.
@pytest.mark.parametrize("model_type", ["qwen3_next", "bitnet", "jetmoe", "diffllama"])
def test_heads_that_are_changed_before_the_projection_are_refused(model_type):
    model = build(model_type)
    mixings = record_mixings(wrap(model), inputs_of(model))
    assert mixings.trace.layers
    for layer in mixings.trace.layers:
        with pytest.raises(HeadscopeError, match="gate"):
            mixings.layer(layer.index, layer.stack)


def test_attention_that_is_seen_only_as_weights_is_refused():
    mixings = record_mixings(wrap(uneven("bloom")), tiny_inputs("bloom"))
    with pytest.raises(HeadscopeError, match="without its values"):
        mixings.layer(0)


class Adapter(nn.Module):
    """A projection with something added to it, as adapters of low rank do."""

    def __init__(self, base_layer: nn.Module):
        super().__init__()
        self.base_layer, self.added = base_layer, nn.Linear(32, 32)

    def forward(self, hidden):
        return self.base_layer(hidden) + self.added(hidden)


def test_a_projection_inside_an_adapter_is_refused():
    model = copy.deepcopy(uneven("llama"))
    attention = model.model.layers[1].self_attn
    attention.o_proj = Adapter(attention.o_proj)
    mixings = record_mixings(wrap(model), tiny_inputs("llama"))
    assert mixings.layer(0).projection.shape == (4, 8, 32)
    with pytest.raises(HeadscopeError, match="decoder layer 1"):
        mixings.layer(1)


def test_replaced_weights_are_taken_apart_and_scaled_heads_refused():
    loaded, inputs = wrap(uneven("bert")), tiny_inputs("bert")
    mixing = record_mixings(loaded, inputs, interventions=(UniformHeads(None, 1, (2,)),)).layer(1)
    torch.testing.assert_close(mixing.layer.weights(2), torch.full((11, 11), 1 / 11))
    torch.testing.assert_close(mixing.mixed_output() + mixing.bias, mixing.output, atol=1e-4, rtol=1e-4)
    with pytest.raises(HeadscopeError, match="intervention"):
        record_mixings(loaded, inputs, interventions=(ScaleHeads(None, 1, (2,)),)).layer(1)


def test_another_thread_that_runs_the_model_is_not_heard():
    loaded, inputs = wrap(uneven("bert")), tiny_inputs("bert")

    def run():
        with torch.no_grad():
            loaded.model(**tiny_inputs("bert", "left"))

    def meanwhile(_share):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()

    disturbed, alone = record_mixings(loaded, inputs, progress=meanwhile), recorded("bert")
    for mixing, other in zip(all_layers(disturbed), all_layers(alone), strict=True):
        assert torch.equal(mixing.output, other.output)
        assert torch.equal(mixing.added.total, other.added.total)


def test_progress_cancels():
    class Stop(Exception):
        pass

    def stop(share):
        raise Stop

    model = uneven("gpt2")
    before = hooks_of(model)
    with pytest.raises(Stop):
        record_mixings(wrap(model), tiny_inputs("gpt2"), progress=stop)
    assert hooks_of(model) == before
