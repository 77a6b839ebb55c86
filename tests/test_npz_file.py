"""NPZ files: ours and others' come back as they were written, and what is no attention is refused with a sentence."""

import io

import numpy as np
import pytest

from app import export
from model import record, wrap
from model.analysis.views import attention_view, head_weights
from model.errors import ImportedDataError
from model.importing import read_npz
from tests.test_importing import TOKENS, maps
from tests.tiny_models import tiny, tiny_inputs
from tests.tiny_tokenizers import tiny_bert_for


def npz(**arrays) -> io.BytesIO:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    stream.seek(0)
    return stream


def test_weights_and_tokens(tmp_path):
    weights = maps(2, 3, 4, 4)
    path = tmp_path / "maps.npz"
    np.savez(path, weights=np.asfortranarray(weights), tokens=np.array(TOKENS), other=np.zeros(5))
    for given in (path, str(path), npz(weights=weights, tokens=np.array(TOKENS))):
        trace = read_npz(given, name="mine")
        assert np.array_equal(trace.layer_attention(1), weights[1])
        assert trace.key_tokens(0) == tuple(TOKENS)
        assert (trace.stacks, trace.provenance.model) == (("encoder",), "mine")
        assert trace.provenance.capture.startswith("imported: weights as an NPZ file held them")


def test_both_axes_are_cross_attention():
    names = {"query_tokens": np.array(["le", "chat"]), "key_tokens": np.array(TOKENS)}
    trace = read_npz(npz(weights=maps(1, 3, 2, 4), **names))
    assert trace.stacks == ("cross",)
    assert (trace.query_tokens(0), trace.key_tokens(0)) == (("le", "chat"), tuple(TOKENS))
    assert read_npz(npz(weights=maps(1, 3, 4, 4), tokens=np.array(TOKENS), key_tokens=np.array(TOKENS))).stacks == (
        "encoder",
    )


@pytest.mark.parametrize("stack", ["encoder", "decoder", "cross"])
def test_what_headscope_exports_comes_back(stack):
    trace = record(wrap(tiny("bart")), tiny_inputs("bart", "left"))
    view = attention_view(trace, 1, 1, stack=stack)
    provenance = export.describe(trace.provenance, title="T", stack=stack)
    tokens = {name: array for name, array in export.head_arrays(view).items() if name.endswith("tokens")}
    grid = {f"layer_{layer}": weights for layer, weights in head_weights(trace, stack=stack)}
    again = read_npz(io.BytesIO(export.npz_bytes(grid | tokens, provenance)))
    assert again.stacks == (stack,)
    assert [layer.index for layer in again.layers] == [layer.index for layer in trace.of_stack(stack)]
    for layer in again.layers:
        assert np.array_equal(again.layer_attention(layer.index), trace.layer_attention(layer.index, stack))
    assert again.query_tokens(1) == trace.query_tokens(1, stack)
    assert again.key_tokens(1) == trace.key_tokens(1, stack)
    assert again.provenance.model == trace.provenance.model
    one = read_npz(io.BytesIO(export.npz_bytes(export.head_arrays(view), provenance)))
    assert np.array_equal(one.attention(0, 0), trace.attention(1, 1, stack))
    assert np.array_equal(one.mask(0), trace.mask(1, 1, stack))


@pytest.mark.parametrize("stack", ["encoder", "decoder", "cross"])
def test_the_stack_that_an_export_names_counts_more_than_what_the_maps_look_like(stack):
    arrays = {"layer_0": maps(2, 4, 4, causal=stack != "decoder"), "query_tokens": np.array(TOKENS)}
    file = export.npz_bytes(arrays | {"key_tokens": np.array(TOKENS)}, {"picture": {"stack": stack}})
    assert read_npz(io.BytesIO(file)).stacks == (stack,)
    assert read_npz(io.BytesIO(file), stack="decoder").stacks == ("decoder",)


def test_words_and_hidden_tokens_come_back_too():
    trace = record(tiny_bert_for("word piece"), "the animal didn't cross")
    view = attention_view(trace, 0, 1, words=True, hide_special=True)
    again = read_npz(io.BytesIO(export.npz_bytes(export.head_arrays(view), {"picture": ["no", "mapping"]})))
    np.testing.assert_allclose(again.attention(0, 0), view.weights, atol=1e-6)
    assert again.query_tokens(0) == ("the", "animal", "didn't", "cross")


def test_layers_are_ordered_by_number():
    weights = maps(11, 2, 4, 4)
    trace = read_npz(npz(tokens=np.array(TOKENS), **{f"layer_{layer}": weights[layer] for layer in (10, 9, 0)}))
    assert [layer.index for layer in trace.layers] == [0, 9, 10]
    assert np.array_equal(trace.layer_attention(10), weights[10])


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        (dict(tokens=np.array(TOKENS)), "no weights in this file"),
        (dict(weights=maps(1, 2, 4, 4)), "no tokens in this file"),
        (dict(weights=maps(1, 2, 4, 4), tokens=np.arange(4)), "“query_tokens” is no list of strings"),
        (dict(weights=maps(1, 2, 4, 4), tokens=np.array([TOKENS])), "is no list of strings"),
        (dict(weights=maps(2, 4, 4), tokens=np.array(TOKENS)), r"shape \(2, 4, 4\)"),
        (dict(weights=np.array(TOKENS), tokens=np.array(TOKENS)), r"shape \(4,\)"),
        (dict(layer_0=np.array(TOKENS), tokens=np.array(TOKENS)), "no array of numbers"),
        (dict(layer_0=maps(1, 2, 4, 4), tokens=np.array(TOKENS)), r"Layer 0 has the shape \(1, 2, 4, 4\)"),
        (dict(weights=maps(1, 2, 4, 4), tokens=np.array(TOKENS[:2])), "2 tokens for 4 queries"),
        (dict(weights=maps(0, 2, 4, 4), tokens=np.array(TOKENS)), "no weights in this file"),
    ],
)
def test_arrays_that_are_refused(arrays, sentence):
    with pytest.raises(ImportedDataError, match=sentence):
        read_npz(npz(**arrays))


@pytest.mark.parametrize(
    "described",
    ['{"picture": {"stack": "sideways"}}', "[1]", "no json", "[" * 100_000, '{"model": 5, "picture": null}'],
)
def test_any_provenance_is_only_text(described):
    trace = read_npz(npz(weights=maps(1, 2, 4, 4), tokens=np.array(TOKENS), provenance=np.array(described)))
    assert (trace.stacks, trace.provenance.model) == (("encoder",), "imported")


def test_hostile_text_stays_text():
    hostile = ["</script>", "\u202ea", "\x00b", "=1+1"]
    trace = read_npz(npz(weights=maps(1, 2, 4, 4), tokens=np.array(hostile)))
    assert trace.key_tokens(0) == ("</script>", "\\u202ea", "␀b", "=1+1")
