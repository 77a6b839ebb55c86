"""Attention that was computed elsewhere: what comes in comes out, and what is no attention is refused with a sentence."""

import numpy as np
import pytest
import torch

from model import Token, Trace
from model.errors import ImportedDataError
from model.importing import trace_from_arrays

TOKENS = ["[CLS]", "un", "##able", "[SEP]"]


def maps(*shape, causal=False, dtype=np.float32, seed=0):
    """Return random weights [..., query, key] whose rows sum to one."""
    scores = np.random.default_rng(seed).normal(size=shape)
    weights = np.exp(scores) * (np.tril(np.ones(shape[-2:])) if causal else 1)
    return (weights / weights.sum(axis=-1, keepdims=True)).astype(dtype)


def changed(place, value):
    weights = maps(2, 3, 4, 4)
    weights[place] = value
    return weights


def test_arrays_come_out_as_they_went_in():
    weights = maps(2, 3, 4, 4)
    trace = trace_from_arrays(weights, TOKENS, name="my model")
    assert trace.stacks == ("encoder",)
    for layer in range(2):
        assert np.array_equal(trace.layer_attention(layer), weights[layer])
    assert trace.mask(0).all()
    assert trace.query_tokens(1) == trace.key_tokens(1) == tuple(TOKENS)
    assert [token.special for token in trace.tokens["encoder"]] == [True, False, False, True]
    assert [token.word for token in trace.tokens["encoder"]] == [None, 0, 0, None]
    assert trace.provenance.model == "my model"
    assert trace.provenance.capture == "imported: weights as arrays held them, not computed by Headscope"
    weights[:] = 0
    assert trace.attention(0, 0).sum() == pytest.approx(4, abs=1e-5)


def test_causal_maps_are_a_decoder_with_a_causal_mask():
    trace = trace_from_arrays(maps(2, 3, 4, 4, causal=True), ["The", "Ġcat", "Ċ", "Ã©"])
    assert trace.stacks == ("decoder",)
    assert np.array_equal(trace.mask(1, 2), np.tril(np.ones((4, 4), dtype=bool)))
    assert trace.key_tokens(0) == ("The", "▁cat", "⏎", "é")
    # One layer that looks ahead is enough: then no layer is masked.
    mixed = np.concatenate([maps(1, 3, 4, 4, causal=True), maps(1, 3, 4, 4)])
    assert trace_from_arrays(mixed, TOKENS).stacks == ("encoder",)
    assert trace_from_arrays(mixed, TOKENS, stack="decoder").mask(0).all()
    assert trace_from_arrays(maps(1, 3, 4, 4, causal=True), TOKENS, stack="encoder").mask(0).all()


def test_left_padding_does_not_hide_that_a_map_is_causal():
    weights = maps(1, 2, 4, 4, causal=True)
    weights[:, :, 0] = 0.25
    trace = trace_from_arrays(weights, TOKENS)
    assert trace.stacks == ("decoder",)
    weights[:, :, 0] = 0
    trace = trace_from_arrays(weights, TOKENS)
    assert trace.mask(0).tolist() == [[False] * 4, [True, True, False, False], [True, True, True, False], [True] * 4]


def test_cross_attention_has_tokens_of_its_own():
    weights = maps(2, 3, 2, 4)
    trace = trace_from_arrays(weights, ["le", "chat"], TOKENS)
    assert trace.stacks == ("cross",)
    assert np.array_equal(trace.attention(1, 2, "cross"), weights[1, 2])
    assert (trace.query_tokens(0), trace.key_tokens(0)) == (("le", "chat"), tuple(TOKENS))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_stays_and_may_be_rounded(kind):
    weights = torch.from_numpy(maps(1, 2, 300, 300)).to(kind)
    assert (weights.float().sum(-1) - 1).abs().max() > 1e-5
    trace = trace_from_arrays(weights, [str(position) for position in range(300)])
    assert trace.layer(0).dense.dtype == kind
    assert trace.provenance.dtype == str(kind).removeprefix("torch.")


@pytest.mark.parametrize(
    "weights",
    [
        maps(2, 3, 4, 4, dtype=np.float64),
        maps(2, 3, 4, 4)[:, ::-1],
        maps(2, 3, 4, 4, dtype=">f4"),
        maps(2, 3, 4, 4).tolist(),
        [torch.from_numpy(layer) for layer in maps(2, 3, 4, 4)],
        np.broadcast_to(np.eye(4, dtype=np.int64), (2, 3, 4, 4)),
    ],
    ids=["float64", "reversed", "big-endian", "lists", "tensors", "integers"],
)
def test_any_array_of_real_numbers_will_do(weights):
    trace = trace_from_arrays(weights, TOKENS)
    assert trace.layer_attention(1).dtype == np.float32
    expected = np.stack([np.asarray(layer, dtype=np.float32) for layer in weights])
    np.testing.assert_allclose(trace.layer_attention(1), expected[1], atol=1e-7)


def test_sinks_are_rows_that_sum_to_less_than_one():
    weights = maps(1, 2, 4, 4) * np.float32(0.6)
    with pytest.raises(
        ImportedDataError, match=r"Layer 0 head 0, query 0 sums to 0\.6 instead of 1\. If .* sinks=True"
    ):
        trace_from_arrays(weights, TOKENS)
    assert trace_from_arrays(weights, TOKENS, sinks=True).attention(0, 0).sum() == pytest.approx(2.4, abs=1e-5)
    with pytest.raises(ImportedDataError, match="after the softmax, one row per query"):
        trace_from_arrays(weights * 2, TOKENS, sinks=True)


REFUSED = {
    r"shape \(3, 4, 4\). Give \[layer, head, query, key\]": (maps(3, 4, 4), TOKENS),
    r"shape \(\)": ([], TOKENS),
    "The weights are no array": (5, TOKENS),
    "no array of numbers": ([[["a"]]], TOKENS),
    "holds bool": (maps(2, 3, 4, 4) > 0.5, TOKENS),
    "holds complex": (maps(2, 3, 4, 4).astype(complex), TOKENS),
    r"shape \(0, 4, 4\)": (maps(2, 0, 4, 4), []),
    "4 queries and 5 keys": (maps(2, 3, 4, 5), TOKENS),
    "different sizes": ([maps(3, 4, 4), maps(3, 5, 5)], TOKENS),
    "not a number or infinite": (changed((1, 2, 3, 0), np.nan), TOKENS),
    "weights that are not a number": (changed((1, 2, 3, 0), np.inf), TOKENS),
    "Layer 1 has negative numbers": (changed((1, 2, 3, 0), -1e-3), TOKENS),
    "Layer 1 head 2, query 3 sums to 1.": (changed((1, 2, 3), 0.2505), TOKENS),
    "Layer 0 head 1, query 2 sums to 0 ": (changed((0, 1, 2), 0), TOKENS),
    "Layer 1 is zero everywhere": (changed(1, 0), TOKENS),
    "3 tokens for 4 queries": (maps(2, 3, 4, 4), TOKENS[:3]),
    "no list of strings": (maps(2, 3, 4, 4), "abcd"),
    "The tokens are no list": (maps(2, 3, 4, 4), [1, 2, 3, 4]),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_is_no_attention_is_refused(sentence, monkeypatch):
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)
    with pytest.raises(ImportedDataError, match=sentence):
        trace_from_arrays(*REFUSED[sentence])


def test_tolerance_of_float32_is_a_thousandth():
    assert trace_from_arrays(maps(1, 1, 4, 4) * np.float32(1.0009), TOKENS).stacks == ("encoder",)
    with pytest.raises(ImportedDataError, match=r"1\.001"):
        trace_from_arrays(maps(1, 1, 4, 4) * np.float32(1.0012), TOKENS)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (dict(stack="sideways"), "no stack “sideways”. Choose encoder, decoder, cross"),
        (dict(stack="cross"), "give key_tokens"),
        (dict(stack="encoder", key_tokens=["a", "b", "c", "d"]), "Encoder attention has the same tokens"),
        (dict(key_tokens=["a", "b", "c"]), "3 tokens for 4 keys"),
    ],
)
def test_stacks_and_tokens_that_do_not_fit(options, sentence):
    with pytest.raises(ImportedDataError, match=sentence):
        trace_from_arrays(maps(2, 3, 4, 4), TOKENS, **options)


def test_an_imported_trace_can_be_saved(tmp_path):
    trace = trace_from_arrays(maps(2, 3, 4, 4, causal=True), [Token("▁a", "▁a", 7, span=(0, 1))] * 4)
    trace.save(tmp_path / "trace")
    again = Trace.load(tmp_path / "trace")
    assert again.tokens == trace.tokens
    assert again.provenance == trace.provenance
    assert np.array_equal(again.mask(1), trace.mask(1))
