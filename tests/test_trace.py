"""The public surface of a Trace: what it hands out, what it refuses and in which words."""

import numpy as np
import pytest
import torch

import model as library
from model import HeadscopeError, record, wrap
from tests.tiny_models import tiny, tiny_inputs

HEADS, QUERIES, KEYS = 4, 7, 11


@pytest.fixture(scope="module")
def t5_trace():
    return record(wrap(tiny("t5")), tiny_inputs("t5"))


@pytest.fixture(scope="module")
def gpt2_trace():
    return record(wrap(tiny("gpt2")), tiny_inputs("gpt2"))


def test_public_names():
    public = {
        "read_npz",
        "trace_from_arrays",
        "trace_from_transformers",
        "trace_from_transformer_lens",
        "HeadscopeError",
        "LoadedModel",
        "Token",
        "Trace",
        "__version__",
        "load_model",
        "record",
        "record_generation",
        "wrap",
    }
    assert set(library.__all__) == public
    assert all(getattr(library, name) for name in public)
    with pytest.raises(AttributeError, match="analyse"):
        _ = library.analyse


def test_tensors_alone_are_enough():
    ids = torch.tensor([[5, 17, 8, 17]])
    trace = record(wrap(tiny("gpt2"), None), {"input_ids": ids})
    assert trace.query_tokens(0) == trace.key_tokens(0) == ("5", "17", "8", "17")
    assert [token.id for token in trace.tokens["decoder"]] == [5, 17, 8, 17]
    assert trace.provenance.text is None


def test_shapes_and_types_of_what_is_handed_out(t5_trace):
    weights = t5_trace.attention(layer=1, head=2, stack="cross")
    assert (weights.shape, weights.dtype) == ((QUERIES, KEYS), np.float32)
    every = t5_trace.layer_attention(1, "cross")
    assert (every.shape, every.dtype) == ((HEADS, QUERIES, KEYS), np.float32)
    np.testing.assert_allclose(every[2], weights, atol=1e-6)
    mask = t5_trace.mask(1, 2, "cross")
    assert (mask.shape, mask.dtype) == ((QUERIES, KEYS), np.bool_)
    states = t5_trace.hidden_states("decoder")
    assert [(state.shape, state.dtype) for state in states] == [((QUERIES, 32), np.float32)] * 4


@pytest.mark.parametrize("name", ["gpt2", "bloom"])
def test_what_is_handed_out_cannot_be_written_to(name):
    trace = record(wrap(tiny(name)), tiny_inputs(name))
    for array in (trace.attention(0, 0), trace.layer_attention(0), trace.mask(0), *trace.hidden_states()):
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 0


def test_cross_attention_looks_from_the_decoder_at_the_encoder(t5_trace):
    inputs = tiny_inputs("t5")
    written, read = (tuple(map(str, inputs[name][0].tolist())) for name in ("decoder_input_ids", "input_ids"))
    assert t5_trace.stacks == ("encoder", "decoder", "cross")
    assert t5_trace.query_tokens(0, "cross") == written
    assert t5_trace.key_tokens(0, "cross") == read
    assert t5_trace.query_tokens(0, "decoder") == t5_trace.key_tokens(0, "decoder") == written
    assert t5_trace.query_tokens(0, "encoder") == t5_trace.key_tokens(0, "encoder") == read


def test_masks_of_a_causal_model_and_of_left_padding(gpt2_trace):
    assert np.array_equal(gpt2_trace.mask(0), np.tril(np.ones((KEYS, KEYS), dtype=bool)))
    padded = record(wrap(tiny("bert")), tiny_inputs("bert", "left")).mask(0)
    assert not padded[:, :3].any()
    assert padded[:, 3:].all()


def test_a_stack_may_be_left_out_only_where_there_is_one(gpt2_trace, t5_trace):
    assert np.array_equal(gpt2_trace.attention(0, 0), gpt2_trace.attention(0, 0, "decoder"))
    assert len(gpt2_trace.hidden_states()) == 4
    for ask in (lambda: t5_trace.attention(0, 0), lambda: t5_trace.layer_attention(0), lambda: t5_trace.mask(0),
                lambda: t5_trace.query_tokens(0), lambda: t5_trace.of_stack()):  # fmt: skip
        with pytest.raises(HeadscopeError, match="encoder and decoder and cross attention: say which"):
            ask()
    with pytest.raises(HeadscopeError, match="hidden states of encoder and decoder: say which"):
        t5_trace.hidden_states()


def test_sentences_for_what_is_not_there(gpt2_trace):
    refused = {
        "There is no decoder layer 7; the layers with attention are 0, 1, 2.": lambda: gpt2_trace.attention(7, 0),
        "There is no decoder layer -1; the layers with attention are 0, 1, 2.": lambda: gpt2_trace.layer(-1),
        "Layer 2 has heads 0 to 3; there is no head 4.": lambda: gpt2_trace.attention(2, 4),
        "Layer 0 has heads 0 to 3; there is no head -1.": lambda: gpt2_trace.mask(0, -1),
        "This trace has no cross attention; it has decoder.": lambda: gpt2_trace.attention(0, 0, "cross"),
    }
    for sentence, ask in refused.items():
        with pytest.raises(HeadscopeError) as caught:
            ask()
        assert str(caught.value) == sentence


def test_provenance_names_model_versions_and_capture(gpt2_trace):
    provenance = gpt2_trace.provenance
    assert (provenance.model_type, provenance.dtype, provenance.device) == ("gpt2", "float32", "cpu")
    assert provenance.capture.startswith("lazy")
    assert set(provenance.versions) == {"headscope", "torch", "transformers"}
    assert record(wrap(tiny("gpt2"), name="my model"), tiny_inputs("gpt2")).provenance.model == "my model"


def test_inputs_without_ids_are_named_by_position():
    torch.manual_seed(0)
    trace = record(wrap(tiny("bert")), {"inputs_embeds": torch.randn(1, 5, 32)})
    assert trace.key_tokens(0) == ("0", "1", "2", "3", "4")


def test_memory_counts_shared_tensors_once():
    trace = record(wrap(tiny("bert")), tiny_inputs("bert", "left"))
    per_layer = 3 * 4 * KEYS * 8 * 4
    assert trace.nbytes == 3 * per_layer + KEYS * KEYS + 4 * KEYS * 32 * 4


def test_a_trace_keeps_the_sinks_of_its_own_run():
    model, inputs = tiny("gpt_oss"), tiny_inputs("gpt_oss")
    trace = record(wrap(model), inputs)
    before = trace.layer_attention(0)
    with torch.no_grad():
        model.model.layers[0].self_attn.sinks.add_(5.0)
    try:
        assert np.array_equal(trace.layer_attention(0), before)
        assert abs(record(wrap(model), inputs).layer_attention(0) - before).max() > 0.1
    finally:
        with torch.no_grad():
            model.model.layers[0].self_attn.sinks.sub_(5.0)
