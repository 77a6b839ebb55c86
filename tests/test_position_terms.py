"""Four terms that sum to the logits, positions taken away and put back, and words in another order."""

import numpy as np
import pytest
import torch

from model.analysis.position_terms import PositionTerms, position_share, position_terms, term_strengths
from model.analysis.word_order import order_scores, reordered, word_order
from model.architectures import SmallDecoder, SmallDecoderConfig
from model.errors import HeadscopeError
from model.layers import DenseLayer
from model.loading import wrap
from model.recording import record
from model.tokens import Token
from model.trace import Provenance, Trace
from model.zeroed_positions import positions_zeroed
from tests.tiny_models import tiny, tiny_inputs

PROVENANCE = Provenance("hand", "local", "hand", "float32", "cpu", "dense", {})


def small_decoder(**options) -> SmallDecoder:
    torch.manual_seed(0)
    return SmallDecoder(SmallDecoderConfig(vocab_size=99, d_model=32, d_ff=48, heads=4, layers=2, **options)).eval()


MODELS = {
    **{name: lambda name=name: tiny(name) for name in ("bert", "roberta", "distilbert", "gpt2")},
    "learned": small_decoder,
    "sinusoidal, post, grouped": lambda: small_decoder(positions="sinusoidal", norm="post", key_value_heads=2),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_terms_sum_to_the_captured_logits(name):
    loaded = wrap(MODELS[name]())
    inputs = tiny_inputs(name)
    if name == "bert":
        inputs["token_type_ids"] = torch.tensor([[0] * 5 + [1] * 6])
    trace = record(loaded, inputs)
    layer = trace.layers[0]
    terms = position_terms(loaded, trace)
    keys = layer.key.repeat_interleave(layer.heads // layer.key.shape[0], dim=0)
    logits = (layer.scaling * layer.query @ keys.transpose(1, 2)).numpy()
    parts = [terms.content_content, terms.content_position, terms.position_content, terms.position_position]
    assert np.abs(sum(parts) + terms.bias - logits).max() < 1e-4
    assert terms.error < 1e-4
    assert all(np.abs(part).max() > 1e-3 for part in parts)


def test_position_position_knows_no_tokens():
    loaded = wrap(small_decoder(positions="sinusoidal", norm="post"))
    first, second = (
        position_terms(loaded, record(loaded, {"input_ids": torch.tensor([ids])})) for ids in ([5, 6, 7], [9, 4, 3])
    )
    assert np.array_equal(first.position_position, second.position_position)
    assert not np.allclose(first.content_content, second.content_content)


@pytest.mark.parametrize(
    ("name", "sentence"), [("llama", "does not add positions"), ("albert", "do not add up"), ("bloom", "not captured")]
)
def test_other_models_are_refused_with_a_sentence(name, sentence):
    loaded = wrap(tiny(name))
    with pytest.raises(HeadscopeError, match=sentence):
        position_terms(loaded, record(loaded, tiny_inputs(name)))


@pytest.mark.parametrize("name", ["bert", "gpt2", "opt", "marian", "learned", "sinusoidal"])
def test_zeroed_positions_leave_nothing_behind(name):
    model = small_decoder(positions=name) if name in ("learned", "sinusoidal") else tiny(name)
    loaded, inputs = wrap(model), tiny_inputs(name)
    before = record(loaded, inputs)
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    with positions_zeroed(loaded):
        without = record(loaded, inputs)
    after = record(loaded, inputs)
    first = [trace.layers[0].weights() for trace in (before, without, after)]
    assert not torch.allclose(first[0], first[1], atol=1e-3)
    assert torch.equal(first[0], first[2])
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())


def test_without_positions_an_encoder_cannot_tell_the_order():
    loaded = wrap(tiny("bert"))
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    with positions_zeroed(loaded):
        forth, back = (record(loaded, {"input_ids": one}).layers[2].weights() for one in (ids, ids.flip(1)))
    assert torch.allclose(forth, back.flip(1, 2), atol=1e-5)


def test_zeroing_is_undone_after_an_error_and_refused_where_there_is_nothing():
    table = tiny("gpt2").transformer.wpe.weight
    kept = table.detach().clone()
    during = []

    def fail():
        with positions_zeroed(wrap(tiny("gpt2"))):
            during.append(bool(table.any()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert during == [False]
    assert torch.equal(table, kept)
    with pytest.raises(HeadscopeError, match="adds no position"), positions_zeroed(wrap(tiny("llama"))):
        pass


def dense_trace(maps: np.ndarray) -> Trace:
    tokens = tuple(Token(f"w{word}", f"w{word}", word=word) for word in range(maps.shape[-1]))
    layer = DenseLayer("encoder", 0, "", torch.from_numpy(maps.astype(np.float32)))
    return Trace((layer,), {"encoder": tokens}, {}, PROVENANCE)


def test_a_positional_head_keeps_its_places_and_a_content_head_follows_the_words():
    generator = np.random.default_rng(0)
    maps = generator.dirichlet(np.ones(6), size=(2, 6))
    order = [3, 0, 5, 1, 4, 2]
    changed = np.stack([maps[0], maps[1][np.ix_(order, order)]])
    scores = order_scores(dense_trace(maps), dense_trace(changed), order)
    assert scores["position"][0] == pytest.approx(1)
    assert scores["content"][1] == pytest.approx(1, abs=1e-6)
    assert scores["content"][0] < 0.6
    assert scores["position"][1] < 0.6


def test_a_bert_without_positions_has_content_heads_only(tiny_tokenizer):
    loaded = wrap(tiny("bert"), tiny_tokenizer)
    order = word_order("A B C D E F", "shuffled")
    with positions_zeroed(loaded):
        traces = [record(loaded, reordered("A B C D E F", one)) for one in (range(6), order)]
    scores = order_scores(*traces, order)
    assert len(scores) == 12
    assert scores["content"].min() > 0.9999
    assert scores["position"].max() < 0.99


def test_causal_heads_are_compared_where_both_may_look(tiny_tokenizer):
    loaded = wrap(tiny("gpt2"), tiny_tokenizer)
    order = word_order("A B C D E F", "reversed")
    traces = [record(loaded, reordered("A B C D E F", one)) for one in (range(6), order)]
    scores = order_scores(*traces, order)
    assert scores["position"].between(-1, 1).all()
    # In reversed words only the diagonal may be seen in both.
    assert scores["content"].dropna().between(-1, 1).all()


def test_orders():
    assert word_order("one two three", "reversed") == (2, 1, 0)
    assert reordered("one, two", (2, 1, 0)) == "two , one"
    assert sorted(word_order("a b c d", "shuffled", 3)) == [0, 1, 2, 3]
    assert all(word_order("a b", "shuffled", seed) == (1, 0) for seed in range(5))
    for refused in (
        lambda: word_order("one", "reversed"),
        lambda: word_order("a b", "sorted"),
        lambda: reordered("a b", (0, 0)),
    ):
        with pytest.raises(HeadscopeError):
            refused()
    with pytest.raises(HeadscopeError, match="reads 3 words where the text has 2"):
        order_scores(dense_trace(np.ones((1, 3, 3)) / 3), dense_trace(np.ones((1, 3, 3)) / 3), [0, 1])


def test_the_strength_of_a_term_by_hand():
    def term(rows):
        return np.array([rows], dtype=np.float32)

    flat = term([[5.0, 5.0], [7.0, 7.0]])
    terms = PositionTerms(
        content_content=term([[1.0, 9.0], [1.0, 3.0]]), content_position=flat, position_content=flat,
        position_position=term([[0.0, 0.0], [4.0, 0.0]]), bias=flat, logits=flat, error=0.0,
    )  # fmt: skip
    found = term_strengths(terms, np.array([[True, False], [True, True]])).set_index("term")["strength"]
    # Row 0 may see one key alone, so nothing moves there: 1 and 3 are 1 from their mean, over three allowed pairs.
    assert found["content_content"] == pytest.approx((2 / 3) ** 0.5)
    assert found["position_position"] == pytest.approx((8 / 3) ** 0.5)
    assert found[["content_position", "position_content", "bias"]].tolist() == [0, 0, 0]
    assert position_share(term_strengths(terms, np.tril(np.ones((2, 2), dtype=bool))))[0] == pytest.approx(0.8)
