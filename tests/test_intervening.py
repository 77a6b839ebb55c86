"""Changed heads, by identities: in every family, with a cache, in batches, and nothing is left on the model."""

import json
import threading
from copy import deepcopy

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from model import Trace, record, record_generation, wrap
from model.analysis.span_attention import span_masses
from model.batching import record_batches
from model.errors import HeadscopeError, TraceFileError
from model.intervening import head_counts, intervening
from model.interventions import FrozenHeads, ScaleHeads, UniformHeads, intervention_text
from tests.generation_models import generator, prompt_of
from tests.registry_models import build, inputs_of
from tests.test_batching import TEXTS, assert_same
from tests.test_batching import loaded as with_tokenizer
from tests.tiny_models import ENCODER_DECODERS, FIRST_FAMILIES, tiny, tiny_inputs

FAMILIES = [*FIRST_FAMILIES, "gpt_oss"]
PLACES = {name: ("encoder", "decoder", "cross") if name in ENCODER_DECODERS else (None,) for name in FAMILIES}


def outputs(model, inputs):
    with torch.no_grad():
        return model(**inputs)[0]


def settings(model):
    hooks = sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())
    return hooks, model.config._attn_implementation, [module.training for module in model.modules()]


def changed_outputs(name, interventions, inputs=None):
    with intervening(wrap(tiny(name)), interventions):
        return outputs(tiny(name), inputs or tiny_inputs(name))


def own_weights(name, stack, layer, inputs=None):
    return record(wrap(tiny(name)), inputs or tiny_inputs(name)).layer(layer, stack).weights()


@pytest.mark.parametrize("name", FAMILIES)
def test_a_factor_of_one_changes_nothing_at_all(name):
    model, inputs = tiny(name), tiny_inputs(name)
    plain = record(wrap(model), inputs)
    for stack in PLACES[name]:
        scaled = record(wrap(model), inputs, interventions=[ScaleHeads(stack, 1, None, 1)])
        for side, stream in plain.states.items():
            assert all(torch.equal(*pair) for pair in zip(scaled.states[side], stream, strict=True))
        for mine, theirs in zip(scaled.layers, plain.layers, strict=True):
            assert torch.equal(mine.weights(), theirs.weights())


@pytest.mark.parametrize("name", FAMILIES)
def test_freezing_heads_to_their_own_weights_changes_nothing(name):
    expected = outputs(tiny(name), tiny_inputs(name))
    for stack in PLACES[name]:
        weights = own_weights(name, stack, 1)
        for heads in (None, (1,), (1, 0)):
            pattern = weights if heads is None else weights[list(heads)]
            found = changed_outputs(name, [FrozenHeads(stack, 1, heads, pattern)])
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
            assert not torch.equal(changed_outputs(name, [FrozenHeads(stack, 1, heads, pattern * 0)]), expected)


@pytest.mark.parametrize("padding", ["none", "left", "right"])
@pytest.mark.parametrize("name", FAMILIES)
def test_uniform_heads_are_frozen_to_a_uniform_pattern(name, padding):
    inputs = tiny_inputs(name, padding)
    for stack in PLACES[name]:
        layer = record(wrap(tiny(name)), inputs).layer(1, stack)
        allowed = torch.stack([layer.allowed(head) for head in range(layer.heads)]).float()
        # A row that may attend to nothing (padding) is uniform over everything, as everywhere.
        allowed[allowed.sum(dim=-1) == 0] = 1
        pattern = allowed / allowed.sum(dim=-1, keepdim=True)
        for heads in (None, (1, 0)):
            chosen = pattern if heads is None else pattern[list(heads)]
            uniform = record(wrap(tiny(name)), inputs, interventions=[UniformHeads(stack, 1, heads)])
            frozen = record(wrap(tiny(name)), inputs, interventions=[FrozenHeads(stack, 1, heads, chosen)])
            for side, stream in frozen.states.items():
                for mine, theirs in zip(uniform.states[side], stream, strict=True):
                    torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-6)
            torch.testing.assert_close(
                uniform.layer(1, stack).weights()[list(heads or (0,))], chosen[: len(heads or (0,))]
            )


def zeroed_projection(model, name):
    """Return a copy of the model whose second layer's output projection reads zeros: its matrix is zero, its bias kept."""
    model = deepcopy(model)
    projection = {
        "bert": lambda: model.encoder.layer[1].attention.output.dense,
        "gpt2": lambda: model.transformer.h[1].attn.c_proj,
        "opt": lambda: model.model.decoder.layers[1].self_attn.out_proj,
        "llama": lambda: model.model.layers[1].self_attn.o_proj,
        "t5": lambda: model.encoder.block[1].layer[0].SelfAttention.o,
    }[name]()
    with torch.no_grad():
        projection.weight.zero_()
        if getattr(projection, "bias", None) is not None:
            projection.bias.add_(1)
    return model, projection


@pytest.mark.parametrize("name", ["bert", "gpt2", "opt", "llama", "t5"])
def test_all_heads_of_a_layer_off_is_the_module_without_its_output(name):
    zeroed, projection = zeroed_projection(tiny(name), name)
    model, stack = deepcopy(tiny(name)), PLACES[name][0]
    if getattr(projection, "bias", None) is not None:
        same = dict(model.named_modules())[next(key for key, one in zeroed.named_modules() if one is projection)]
        with torch.no_grad():
            same.bias.add_(1)
    inputs = tiny_inputs(name)
    with intervening(wrap(model), [ScaleHeads(stack, 1, None)]):
        found = outputs(model, inputs)
    assert torch.equal(found, outputs(zeroed, inputs))
    every = [ScaleHeads(stack, 1, (head,)) for head in range(head_counts(wrap(model))[stack or plain_stack(name)][1])]
    with intervening(wrap(model), every):
        assert torch.equal(outputs(model, inputs), found)


def plain_stack(name):
    return record(wrap(tiny(name)), tiny_inputs(name)).stacks[0]


def test_one_head_off_is_its_columns_of_the_projection_at_zero():
    model, inputs = deepcopy(tiny("llama")), tiny_inputs("llama")
    found = changed_outputs("llama", [ScaleHeads(None, 2, (1,))])
    half = changed_outputs("llama", [ScaleHeads(None, 2, (1,), 0.5)])
    with torch.no_grad():
        model.model.layers[2].self_attn.o_proj.weight[:, 8:16] *= 0.5
        torch.testing.assert_close(half, outputs(model, inputs))
        model.model.layers[2].self_attn.o_proj.weight[:, 8:16] = 0
    torch.testing.assert_close(found, outputs(model, inputs))
    assert not torch.equal(found, outputs(tiny("llama"), inputs))


def test_layers_that_share_a_module_are_told_apart():
    loaded, inputs = wrap(tiny("albert")), tiny_inputs("albert")
    plain = record(loaded, inputs).states["encoder"]
    for layer in range(3):
        states = record(loaded, inputs, interventions=[ScaleHeads(None, layer, None)]).states["encoder"]
        same = [torch.equal(*pair) for pair in zip(states, plain, strict=True)]
        assert same == [True] * (layer + 1) + [False] * (3 - layer)


def test_a_run_that_broke_off_does_not_shift_shared_layers():
    loaded, inputs = wrap(tiny("albert")), tiny_inputs("albert")
    expected = changed_outputs("albert", [ScaleHeads(None, 2, None)])

    def stop(_share):
        raise InterruptedError

    with intervening(loaded, [ScaleHeads(None, 2, None)]):
        with pytest.raises(InterruptedError):
            record(loaded, inputs, progress=stop)
        assert torch.equal(outputs(loaded.model, inputs), expected)


def test_a_trace_shows_the_weights_that_were_used_and_names_what_was_done():
    name, stack = "mistral", "decoder"
    pattern = torch.eye(11)[None]
    interventions = [UniformHeads(None, 1, (3,)), FrozenHeads(None, 1, (0,), pattern), ScaleHeads(None, 1, (2,))]
    trace = record(wrap(tiny(name)), tiny_inputs(name), interventions=interventions)
    plain = record(wrap(tiny(name)), tiny_inputs(name))
    layer, own = trace.layer(1), plain.layer(1).weights()
    expected = own.clone()
    expected[0] = pattern[0]
    expected[3] = plain.layer(1).allowed(3).float() / plain.layer(1).allowed(3).sum(dim=-1, keepdim=True)
    torch.testing.assert_close(layer.weights(), expected)
    for rows in (slice(None), slice(2, 5), slice(9, None)):
        torch.testing.assert_close(layer.weights(rows=rows), expected[:, rows])
        for head in range(4):
            torch.testing.assert_close(layer.weights(head, rows), expected[head, rows])
    assert trace.provenance.interventions == "L1H3:uniform,L1H0:frozen,L1H2:off"
    assert plain.provenance.interventions is None
    assert trace.stacks == (stack,)


def test_a_saved_trace_keeps_them(tmp_path):
    interventions = [UniformHeads("cross", 1, (1,)), ScaleHeads("encoder", 0, (0,))]
    trace = record(wrap(tiny("bart")), tiny_inputs("bart"), interventions=interventions)
    trace.save(tmp_path / "trace")
    again = Trace.load(tmp_path / "trace")
    assert again.provenance == trace.provenance
    for mine, theirs in zip(again.layers, trace.layers, strict=True):
        assert mine.replaced_heads == theirs.replaced_heads
        assert torch.equal(mine.weights(), theirs.weights())


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("replaced_heads", [0, 0]),
        ("replaced_heads", [9]),
        ("replaced_heads", [True]),
        ("replaced_heads", "1"),
        ("replaced_heads", []),
        ("replaced", "layers.0.query"),
        ("interventions", [3]),
        ("interventions", 3),
    ],
)
def test_a_broken_file_is_refused(part, wrong, tmp_path):
    record(wrap(tiny("gpt2")), tiny_inputs("gpt2"), interventions=[UniformHeads(None, 0, (1,))]).save(
        tmp_path / "trace"
    )
    with safe_open(tmp_path / "trace", framework="pt") as file:
        description = json.loads(file.metadata()["headscope"])
    held = {"replaced_heads": description["layers"][0]["plain"], "replaced": description["layers"][0]["tensors"]}
    held.get(part, description["provenance"])[part] = wrong
    save_file(load_file(tmp_path / "trace"), tmp_path / "broken", metadata={"headscope": json.dumps(description)})
    with pytest.raises(TraceFileError, match="is not a trace that this version can read"):
        Trace.load(tmp_path / "broken")


def test_a_file_from_before_there_were_interventions_is_read(tmp_path):
    trace = record(wrap(tiny("gpt2")), tiny_inputs("gpt2"))
    trace.save(tmp_path / "trace")
    with safe_open(tmp_path / "trace", framework="pt") as file:
        description = json.loads(file.metadata()["headscope"])
    del description["provenance"]["interventions"]
    for layer in description["layers"]:
        del layer["plain"]["replaced_heads"], layer["plain"]["replaced"]
    save_file(load_file(tmp_path / "trace"), tmp_path / "old", metadata={"headscope": json.dumps(description)})
    again = Trace.load(tmp_path / "old")
    assert again.provenance == trace.provenance
    assert np.array_equal(again.layer_attention(1), trace.layer_attention(1))


def test_stretches_of_a_text_are_read_from_the_weights_that_were_used():
    trace = record(wrap(tiny("bert")), tiny_inputs("bert"), interventions=[UniformHeads(None, 1, (2,))])
    masses = span_masses(trace.layer(1), [[4, 7]], [[0, 1, 2]])
    assert masses[2, 0, 0] == pytest.approx(3 / 11)
    assert masses[1, 0, 0] == pytest.approx(float(trace.layer(1).weights(1)[[4, 7], :3].sum(-1).mean()), rel=1e-5)


def test_a_trace_that_moves_takes_them_along():
    trace = record(wrap(tiny("bert")), tiny_inputs("bert"), interventions=[UniformHeads(None, 1, (2,))])
    assert trace.to("meta").layer(1).replaced.device.type == "meta"


@pytest.mark.parametrize("name", ["bert", "mistral", "gpt_oss", "t5"])
def test_texts_that_run_together_are_changed_as_each_alone(name):
    model, texts = with_tokenizer(name), TEXTS[:3]
    stack = "encoder" if name == "t5" else None
    changes = [UniformHeads(stack, 0, (1,)), ScaleHeads(stack, 1, (0, 2), 0.25)]
    traces = dict(record_batches(model, texts, interventions=changes))
    for index, text in enumerate(texts):
        expected = record(model, text, interventions=changes)
        assert_same(traces[index], expected)
        assert expected.provenance.interventions == intervention_text(changes)


@pytest.mark.parametrize("method", ["greedy", "beam"])
@pytest.mark.parametrize("name", ["gpt2", "mistral", "marian", "t5"])
def test_generation_with_a_cache_is_generation_without(name, method):
    loaded = wrap(generator(name))
    stacks = ("encoder", "decoder", "cross") if name in ENCODER_DECODERS else (None,)
    changes = [ScaleHeads(stack, 1, (0,)) for stack in stacks] + [UniformHeads(stack, 0, (1,)) for stack in stacks]
    given = prompt_of(name)
    options = dict(max_new_tokens=8, do_sample=False, num_beams=3 if method == "beam" else 1)
    with intervening(loaded, changes):
        cached, whole = (loaded.model.generate(**given, **options, use_cache=use) for use in (True, False))
    assert torch.equal(cached, whole)
    found = record_generation(loaded, given, max_new_tokens=8, method=method, beams=3, interventions=changes)
    assert found.trace.provenance.interventions == intervention_text(changes)
    # Each step's probability is from the recorded run: the same heads are changed there.
    tensors = given | {"decoder_input_ids" if loaded.is_encoder_decoder else "input_ids": ids_of(found, given, loaded)}
    tensors.pop("attention_mask")
    again = record(loaded, tensors, interventions=changes)
    for mine, theirs in zip(again.layers, found.trace.layers, strict=True):
        torch.testing.assert_close(mine.weights(), theirs.weights(), atol=1e-5, rtol=1e-5)


def ids_of(found, given, loaded):
    tokens = found.trace.tokens["decoder"]
    return torch.tensor([[token.id for token in tokens]])


def test_a_frozen_decoder_pattern_serves_every_step_up_to_its_length():
    loaded, given = wrap(tiny("gpt2")), {"input_ids": torch.tensor([[5, 6, 7]])}
    pattern = torch.ones(1, 8, 8).tril()
    pattern /= pattern.sum(dim=-1, keepdim=True)
    with intervening(loaded, [FrozenHeads(None, 1, (2,), pattern)]):
        frozen = loaded.model.generate(**given, max_new_tokens=5, do_sample=False)
    with intervening(loaded, [UniformHeads(None, 1, (2,))]):
        uniform = loaded.model.generate(**given, max_new_tokens=5, do_sample=False)
    assert torch.equal(frozen, uniform)
    with pytest.raises(HeadscopeError, match="frozen pattern is for 8 by 8"):
        record_generation(loaded, given, max_new_tokens=9, interventions=[FrozenHeads(None, 1, (2,), pattern)])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("bert", ScaleHeads(None, 3, None), "There is no encoder layer 3; the layers with attention are 0, 1, 2"),
        ("bert", ScaleHeads(None, 0, (4, 7)), "heads 0 to 3; there is no head 4, 7"),
        ("bert", ScaleHeads("cross", 0, None), "no cross attention; it has encoder"),
        ("bart", ScaleHeads(None, 0, None), "Say which of the stacks encoder, decoder, cross"),
        ("bart", ScaleHeads("decoder", 0, (2,)), "heads 0 to 1"),
        ("bert", FrozenHeads(None, 0, None, torch.zeros(2, 11, 11)), "has 4 heads and the pattern 2"),
        ("bert", FrozenHeads(None, 0, (0,), torch.zeros(1, 5, 5)), "for 5 by 5 tokens and this text has 11 by 11"),
        ("gpt2", FrozenHeads(None, 0, (0,), torch.full((1, 11, 11), 0.01)), "may not attend to here"),
        ("bloom", ScaleHeads(None, 0, None), "cannot be changed one by one"),
    ],
)
def test_what_fits_no_head_is_refused(name, change, message):
    model = tiny(name)
    before = settings(model)
    with pytest.raises(HeadscopeError, match=message):
        record(wrap(model), tiny_inputs(name), interventions=[change])
    assert settings(model) == before


def test_a_module_that_attends_twice_is_refused():
    model = build("diffllama")
    with pytest.raises(HeadscopeError, match="cannot be changed one by one"):
        record(wrap(model), inputs_of(model), interventions=[ScaleHeads(None, 0, None)])


def test_a_family_whose_causal_mask_must_be_built_keeps_it():
    # PaliGemma's text modules do not call themselves causal, and without padding no mask says so.
    model = build("paligemma")
    trace = record(wrap(model), inputs_of(model), interventions=[UniformHeads(None, 1, (0,))])
    expected = np.tril(np.ones((11, 11), dtype=np.float32)) / np.arange(1, 12, dtype=np.float32)[:, None]
    assert trace.attention(1, 0) == pytest.approx(expected)
    assert trace.stacks == ("decoder",)


def test_weights_are_replaced_once():
    changes = [UniformHeads(None, 0, (1, 2)), FrozenHeads(None, 0, (2,), torch.zeros(1, 11, 11))]
    with pytest.raises(HeadscopeError, match="L0 H2 are replaced twice"):
        changed_outputs("bert", changes)


def test_interventions_add_up_and_factors_multiply():
    loaded, inputs = wrap(tiny("gpt2")), tiny_inputs("gpt2")
    with intervening(loaded, [ScaleHeads(None, 0, (1,), 0.5)]):
        trace = record(loaded, inputs, interventions=[ScaleHeads(None, 0, (1,), 0.5), UniformHeads(None, 2, None)])
        only = outputs(loaded.model, inputs)
    assert trace.provenance.interventions == "L0H1:x0.5,L0H1:x0.5,L2:uniform"
    expected = record(loaded, inputs, interventions=[ScaleHeads(None, 0, (1,), 0.25), UniformHeads(None, 2, None)])
    assert all(torch.equal(*pair) for pair in zip(trace.states["decoder"], expected.states["decoder"], strict=True))
    assert torch.equal(only, changed_outputs("gpt2", [ScaleHeads(None, 0, (1,), 0.5)]))


@pytest.mark.parametrize("name", ["bert", "albert", "gpt2", "t5"])
def test_nothing_is_left_after_an_error_in_the_middle(name):
    model, inputs = tiny(name), tiny_inputs(name)
    before, expected = settings(model), outputs(model, inputs)
    stack = PLACES[name][0]

    def stop(_share):
        raise InterruptedError("stop")

    with pytest.raises(InterruptedError):
        record(wrap(model), inputs, progress=stop, interventions=[ScaleHeads(stack, 0, None)])
    assert settings(model) == before
    assert torch.equal(outputs(model, inputs), expected)
    assert record(wrap(model), inputs).provenance.interventions is None


def test_other_models_and_other_threads_are_not_changed():
    one, two = tiny("gpt2"), deepcopy(tiny("gpt2"))
    inputs, found = tiny_inputs("gpt2"), {}
    expected = outputs(one, inputs)
    changed = changed_outputs("gpt2", [ScaleHeads(None, 1, None)])
    with intervening(wrap(one), [ScaleHeads(None, 1, None)]):
        thread = threading.Thread(target=lambda: found.update(plain=outputs(one, inputs)))
        thread.start()
        thread.join()
        torch.testing.assert_close(found["plain"], expected, atol=1e-5, rtol=1e-5)
        assert torch.equal(outputs(two, inputs), expected)
        with intervening(wrap(two), [ScaleHeads(None, 1, None, 0)]):
            assert torch.equal(outputs(two, inputs), changed)
            assert torch.equal(outputs(one, inputs), changed)
        assert torch.equal(outputs(one, inputs), changed)
    assert torch.equal(outputs(one, inputs), expected)


def test_no_interventions_are_a_plain_record():
    inputs = tiny_inputs("bert")
    with intervening(wrap(tiny("bert")), []):
        assert tiny("bert").config._attn_implementation != "headscope"
    mine, theirs = (record(wrap(tiny("bert")), inputs, **options) for options in ({"interventions": ()}, {}))
    assert mine.provenance == theirs.provenance
    assert np.array_equal(mine.layer_attention(2), theirs.layer_attention(2))


def test_the_heads_that_there_are():
    assert head_counts(wrap(tiny("bart"))) == {
        "encoder": {0: 4, 1: 4}, "decoder": {0: 2, 1: 2, 2: 2}, "cross": {0: 2, 1: 2, 2: 2},
    }  # fmt: skip
    assert head_counts(wrap(tiny("albert"))) == {"encoder": {0: 4, 1: 4, 2: 4}}
