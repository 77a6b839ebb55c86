"""Long views by rows: blocks that agree with the whole, windows, pooled cells by hand, and nothing n x n on the way."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from model import HeadscopeError, Token, Trace, record, wrap
from model.analysis.blocks import segment_block
from model.analysis.pooled_views import PooledView, Window, pooled_view
from model.analysis.views import attention_view, head_weights, layer_blocks, view_axes, view_rows, whole_view
from model.layers import DenseLayer, LazyLayer
from model.tokens import position_tokens
from tests.hand_views import PROVENANCE, hand_rows, hand_view, random_view
from tests.tiny_models import tiny, tiny_inputs
from tests.tiny_tokenizers import tiny_bert_for

OPTIONS = [dict(words=words, hide_special=hidden) for words, hidden in product((False, True), repeat=2)]
FAMILIES = [("bert", "right"), ("gpt2", "left"), ("mistral", "none"), ("gemma2", "none"), ("t5", "none"), ("bart", "none"),
            ("gpt_oss", "none"), ("bloom", "none")]  # fmt: skip


def long_trace(tokens: int, heads: int = 2, layers: int = 1) -> Trace:
    """Return a causal trace of random queries and keys."""
    torch.manual_seed(0)
    parts = torch.randn(layers, 2, heads, tokens, 16) * 2
    made = tuple(
        LazyLayer("decoder", index, "a", query, key, None, 0.25, causal=True)
        for index, (query, key) in enumerate(parts)
    )
    return Trace(made, {"decoder": position_tokens(tokens)}, {}, PROVENANCE)


@pytest.mark.parametrize(("name", "padding"), FAMILIES)
def test_rows_of_recorded_runs_are_those_of_the_whole_view(name, padding):
    trace = record(wrap(tiny(name)), tiny_inputs(name, padding))
    for stack, combination in product(trace.stacks, ("head", "layer mean", "maximum of all")):
        whole = attention_view(trace, 1, 1, stack=stack, combination=combination)
        rows = view_rows(trace, 1, 1, stack=stack, combination=combination)
        blocks = list(rows.blocks(3 * rows.row_bytes))
        np.testing.assert_allclose(np.concatenate([weights for _, weights, _ in blocks]), whole.weights, atol=2e-6)
        assert np.array_equal(np.concatenate([mask for _, _, mask in blocks]), whole.mask)


@pytest.mark.parametrize("options", OPTIONS)
def test_rows_of_words_and_of_hidden_tokens(options):
    trace = record(tiny_bert_for("word piece"), "The animal didn't cross; unstreetable cats crossed it.")
    tokens = list(trace.tokens["encoder"])
    # A special token in the middle too, and one side that is causal.
    tokens[7] = replace(tokens[7], special=True, word=None)
    causal = [replace(layer, causal=True, mask=None) for layer in trace.layers]
    for layers in (trace.layers, causal):
        changed = Trace(tuple(layers), {"encoder": tuple(tokens)}, {}, trace.provenance)
        whole, rows = (make(changed, 1, 0, **options) for make in (attention_view, view_rows))
        assert rows.axes.query_groups == whole.query_groups == view_axes(changed, 1, **options).query_groups
        for start in range(0, len(whole.mask), 3):
            for stop in (start + 1, start + 4, len(whole.mask)):
                weights, mask = rows.rows(start, stop)
                np.testing.assert_allclose(weights, whole.weights[start:stop], atol=2e-6)
                assert np.array_equal(mask, whole.mask[start:stop])
        expected = dict(head_weights(changed, **options))[1]
        for block_bytes in (1, 2000):
            blocks = list(layer_blocks(changed, 1, block_bytes=block_bytes, **options))
            np.testing.assert_allclose(np.concatenate([part for _, part, _ in blocks], axis=1), expected, atol=2e-6)
            assert np.array_equal(np.concatenate([mask for _, _, mask in blocks]), whole.mask)
            assert [start for start, _, _ in blocks] == list(np.cumsum([0, *(len(mask) for *_, mask in blocks)])[:-1])


def test_a_long_view_is_made_a_block_at_a_time_and_over_the_keys_that_count(monkeypatch):
    trace, made, own = long_trace(1500), [], LazyLayer.weights

    def weights(layer, head=None, rows=slice(None)):
        made.append(own(layer, head, rows))
        return made[-1]

    expected = trace.attention(0, 1)
    monkeypatch.setattr(LazyLayer, "weights", weights)
    view = attention_view(trace, 0, 1)
    np.testing.assert_allclose(view.weights, expected, atol=2e-6)
    assert max(part.numel() for part in made) * 4 <= 2**21
    # Half of the map is masked, and nearly that much is never computed.
    assert sum(part.numel() for part in made) < 0.65 * 1500**2
    made.clear()
    combined = pooled_view(view_rows(trace, 0, 1, combination="layer mean"), size=100)
    assert combined.weights.shape == (100, 100)
    assert max(part.numel() for part in made) * 4 <= 2**21


def test_a_fully_masked_row_keeps_every_key():
    mask = torch.ones(1, 4, 4, dtype=torch.bool).tril_()
    mask[:, 1] = False
    query = torch.ones(1, 4, 2)
    layer = LazyLayer("decoder", 0, "a", query, query, None, 1.0, mask=mask)
    rows = view_rows(Trace((layer,), {}, {}, PROVENANCE), 0, 0)
    assert rows.rows(1, 2)[0].tolist() == [[0.25] * 4]
    assert not rows.rows(1, 2)[1].any()
    # Without such a row the keys after the last that counts are not even read.
    assert rows.read(0, 1)[0].shape == (1, 1)
    assert rows.rows(0, 1)[0].tolist() == [[1, 0, 0, 0]]


CAUSAL = [[8, 0, 0, 0, 0], [4, 4, 0, 0, 0], [1, 2, 5, 0, 0], [2, 2, 2, 2, 0], [1, 1, 1, 1, 4]]


def test_pooled_cells_by_hand():
    view = hand_view(np.array(CAUSAL) / 8, mask=np.tril(np.ones((5, 5))))
    pooled = pooled_view(hand_rows(view), size=3)
    assert isinstance(pooled, PooledView)
    assert (pooled.cell, pooled.whole, pooled.is_exact) == ((2, 2), (5, 5), False)
    # Rows 0-1, 2-3 and 4; columns 0-1, 2-3 and 4.
    assert (pooled.weights * 8).tolist() == [[8, 0, 0], [2, 5, 0], [1, 1, 4]]
    assert pooled.mask.tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    assert pooled.query_tokens == ("q0…q1", "q2…q3", "q4")
    assert pooled.key_groups == ((0, 1), (2, 3), (4,))
    mean = pooled_view(hand_rows(view), size=3, pooling="mean")
    # Of the first cell three weights may be attended to: (8 + 4 + 4) / 3; of the second row's middle also three.
    np.testing.assert_allclose(mean.weights * 8, [[16 / 3, 0, 0], [7 / 4, 9 / 3, 0], [1, 1, 4]], rtol=1e-6)
    assert np.array_equal(mean.mask, pooled.mask)
    assert pooled.place_of("q3") == "q1"
    assert pooled.token_at("k2") == "k4"


@pytest.mark.parametrize("size", [1, 3, 4, 7, 20, 41, 60])
@pytest.mark.parametrize("pooling", ["maximum", "mean"])
def test_pooling_is_its_plain_definition(size, pooling):
    view = random_view(41, 29, causal=True)
    window = Window(5, 2, 33, 26)
    pooled = pooled_view(hand_rows(view, rows=7), window, size=size, pooling=pooling)
    down, across = pooled.cell
    assert (down, across) == (-(-33 // size), -(-26 // size))
    assert max(pooled.shape) <= size
    for row in range(pooled.shape[0]):
        for column in range(pooled.shape[1]):
            rows = slice(5 + row * down, min(5 + (row + 1) * down, 38))
            columns = slice(2 + column * across, min(2 + (column + 1) * across, 28))
            allowed = view.mask[rows, columns]
            assert pooled.mask[row, column] == allowed.any()
            some = view.weights[rows, columns][allowed]
            expected = 0 if not some.size else some.max() if pooling == "maximum" else some.mean()
            assert pooled.weights[row, column] == pytest.approx(expected, rel=1e-5)
    assert [place for group in pooled.key_groups for place in group] == list(range(2, 28))


@pytest.mark.parametrize("options", [dict(), dict(words=True, hide_special=True)])
def test_what_fits_is_exact_to_the_bit(options):
    trace = record(tiny_bert_for("word piece"), "The animal didn't cross the street.")
    whole = attention_view(trace, 1, 2, **options)
    pooled = pooled_view(view_rows(trace, 1, 2, **options))
    assert pooled.is_exact
    assert pooled.weights.tobytes() == whole.weights.tobytes()
    assert np.array_equal(pooled.mask, whole.mask)
    assert pooled.query_tokens == whole.query_tokens


def test_a_window_of_a_long_view_is_its_part():
    trace = long_trace(1100)
    whole, rows = attention_view(trace, 0, 0), view_rows(trace, 0, 0)
    window = Window(700, 300, 256, 500)
    part = pooled_view(rows, window)
    assert part.is_exact
    np.testing.assert_allclose(part.weights, whole.weights[700:956, 300:800], atol=2e-6)
    assert np.array_equal(part.mask, whole.mask[700:956, 300:800])
    assert part.query_positions == tuple(range(700, 956))
    # A window beyond the diagonal has nothing that may be attended to.
    assert not pooled_view(rows, Window(0, 900, 100, 100)).mask.any()
    overview = pooled_view(rows)
    assert overview.cell == (3, 3)
    assert overview.shape == overview.weights.shape == (367, 367)
    assert overview.weights.max() == pytest.approx(whole.weights.max(), rel=1e-5)


@pytest.mark.parametrize(
    ("window", "fitted"),
    [((0, 0, 5, 7), (0, 0, 5, 7)), ((4, 6, 3, 3), (2, 4, 3, 3)), ((9, 9, 0, -1), (4, 6, 1, 1)), ((-5, 2, 99, 99), (0, 0, 5, 7))],
)  # fmt: skip
def test_windows_are_moved_into_the_view(window, fitted):
    assert Window(*window).fitted(random_view(5, 7)) == Window(*fitted)


def test_windows_as_text():
    assert Window(120, 40, 256, 256).text == "120,40,256,256"
    assert Window.from_text("120,40,256,256") == Window(120, 40, 256, 256)
    for text in (
        "",
        "1,2,3",
        "1,2,3,4,5",
        "-1,2,3,4",
        "1, 2,3,4",
        "１,2,3,4",
        "1,2,3,4\n",
        "9" * 10 + ",1,1,1",
        "a,b,c,d",
    ):
        assert Window.from_text(text) is None


def test_poolings_and_sizes_that_are_not_there_are_refused():
    rows = hand_rows(random_view(4, 4))
    with pytest.raises(HeadscopeError, match="Choose maximum, mean"):
        pooled_view(rows, pooling="median")
    with pytest.raises(HeadscopeError, match="at least 1"):
        pooled_view(rows, size=0)


def test_special_rows_are_those_that_cover_nothing_else():
    rows = hand_rows(hand_view(np.eye(4), special=(0, 1, 3)))
    assert pooled_view(rows, size=2).query_special == (True, False)


@pytest.mark.parametrize("normalised", [False, True])
def test_a_block_of_two_texts_by_rows(normalised):
    tokens = [Token("s", "s", special=True), *(Token(c, c, segment=0) for c in "ab"), Token("s", "s", special=True),
              *(Token(c, c, segment=1) for c in "cde"), Token("s", "s", special=True)]  # fmt: skip
    view = random_view(8, 8)
    chosen = dict(query_tokens=tokens, key_tokens=tokens, rows=1, columns=0, normalised=normalised)
    whole, rows = (segment_block(one, **chosen) for one in (view, hand_rows(view)))
    assert rows.axes.query_groups == whole.query_groups == ((4,), (5,), (6,))
    assert np.array_equal(whole_view(rows).weights, whole.weights)
    assert np.array_equal(rows.rows(1, 2)[0], whole.weights[1:2])
    assert whole.weights.shape == (3, 2)


def test_dense_layers_have_rows_too():
    dense = torch.rand(2, 6, 6)
    trace = Trace((DenseLayer("encoder", 0, "a", dense),), {}, {}, PROVENANCE)
    assert np.array_equal(view_rows(trace, 0, 1).rows(2, 5)[0], dense[1, 2:5])
    # What a view holds is its own: writing to it leaves the trace as it is.
    before = dense.clone()
    attention_view(trace, 0, 1).weights[:] = 0
    assert torch.equal(dense, before)
