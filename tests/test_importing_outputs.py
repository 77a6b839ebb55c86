"""Outputs of transformers and caches of TransformerLens: the same attention that record captures, or a sentence."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from model import record, wrap
from model.errors import ImportedDataError
from model.importing import trace_from_transformer_lens, trace_from_transformers
from tests.test_importing import maps
from tests.tiny_models import tiny, tiny_inputs
from tests.tiny_tokenizers import trained


@pytest.mark.parametrize("name", ["bert", "gpt2", "bart"])
def test_an_output_of_transformers_is_what_record_captures(name):
    loaded, inputs = wrap(tiny(name)), tiny_inputs(name)
    loaded.model.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            outputs = loaded.model(**inputs, output_attentions=True)
    finally:
        loaded.model.set_attn_implementation("sdpa")
    recorded = record(loaded, inputs)
    trace = trace_from_transformers(outputs, None, inputs["input_ids"], inputs.get("decoder_input_ids"), name=name)
    again = trace_from_transformers(dict(outputs), None, inputs["input_ids"], inputs.get("decoder_input_ids"))
    assert trace.stacks == again.stacks == recorded.stacks
    assert sorted((one.stack, one.index) for one in trace.layers) == sorted((x.stack, x.index) for x in recorded.layers)
    for layer in recorded.layers:
        mine, theirs = (one.layer_attention(layer.index, layer.stack) for one in (trace, recorded))
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
        assert np.array_equal(trace.mask(layer.index, 0, layer.stack), recorded.mask(layer.index, 0, layer.stack))
        assert trace.query_tokens(layer.index, layer.stack) == recorded.query_tokens(layer.index, layer.stack)
        assert trace.key_tokens(layer.index, layer.stack) == recorded.key_tokens(layer.index, layer.stack)


def test_ids_of_an_output_become_tokens():
    ids = trained("word piece")("The animal")["input_ids"]
    outputs = {"attentions": (maps(1, 2, len(ids), len(ids)), None, maps(1, 2, len(ids), len(ids)))}
    trace = trace_from_transformers(outputs, trained("word piece"), ids)
    assert trace.query_tokens(0)[:2] == ("[CLS]", "the")
    # A layer without attention keeps its place.
    assert [layer.index for layer in trace.layers] == [0, 2]
    assert trace_from_transformers(outputs).key_tokens(2) == tuple(str(place) for place in range(len(ids)))


@pytest.mark.parametrize(
    ("outputs", "ids", "sentence"),
    [
        ({}, None, "There are no attentions"),
        ({"attentions": None}, None, "output_attentions=True"),
        ({"attentions": (None, None)}, None, "There are no attentions"),
        ({"attentions": (maps(2, 3, 4, 4),)}, None, "attentions.0 has a batch of 2"),
        ({"attentions": (maps(4, 4),)}, None, r"attentions.0 has the shape \(4, 4\)"),
        ({"attentions": ((maps(1, 2, 4, 4),),)}, None, "as generate returns it"),
        ({"attentions": (maps(1, 2, 4, 4),)}, [1, 2, 3], "3 ids for 4 tokens of the encoder"),
        ({"attentions": (maps(1, 2, 4, 4),)}, [[1, 2, 3, 4]] * 2, r"shape \(2, 4\)"),
        ({"attentions": (maps(1, 2, 4, 4),)}, [0.5] * 4, "whole numbers"),
        ({"attentions": (maps(1, 2, 4, 4),)}, ["a"] * 4, "no array of whole numbers"),
        (
            {"encoder_attentions": (maps(1, 2, 4, 4),), "cross_attentions": (maps(1, 2, 3, 5),)},
            None,
            "cross_attentions has 5 tokens in the encoder and another field 4",
        ),
    ],
)
def test_outputs_that_are_refused(outputs, ids, sentence):
    for given in (outputs, SimpleNamespace(**outputs)):
        with pytest.raises(ImportedDataError, match=sentence):
            trace_from_transformers(given, None, ids)


def test_a_transformer_lens_cache():
    weights = maps(12, 2, 3, 3, causal=True)
    named = {f"blocks.{layer}.attn.hook_pattern": torch.from_numpy(weights[layer])[None] for layer in (10, 0, 2)}
    cache = {"hook_embed": torch.ones(1, 3, 8), "blocks.0.attn.hook_q": torch.ones(1), 5: None, **named}
    for given in (cache, SimpleNamespace(cache_dict=cache)):
        trace = trace_from_transformer_lens(given, ["<|endoftext|>", "The", " cat"])
        assert [layer.index for layer in trace.layers] == [0, 2, 10]
        assert np.array_equal(trace.layer_attention(10), weights[10])
        assert trace.query_tokens(0) == ("<|endoftext|>", "The", "▁cat")
        assert trace.mask(2).sum() == 6
        assert [token.special for token in trace.tokens["decoder"]] == [True, False, False]
    assert np.array_equal(
        trace_from_transformer_lens({"blocks.0.attn.hook_pattern": weights[0]}, list("abc")).attention(0, 1),
        weights[0, 1],
    )
    for refused, sentence in (
        ({"blocks.0.attn.hook_q": weights}, "without a names_filter"),
        ([weights], "no mapping of names"),
        ({"blocks.0.attn.hook_pattern": weights[:2]}, "has a batch of 2"),
    ):
        with pytest.raises(ImportedDataError, match=sentence):
            trace_from_transformer_lens(refused, list("abc"))
