"""What the canvas components are sent: exact numbers, small grids for any model, and nothing that cannot be read."""

from functools import cache

import numpy as np
import pytest
import torch

from app.components.messages import LONGEST_NAME, head_grid_message, head_view_message
from app.components.packing import pack, palettes
from app.figures.theme import theme
from model.analysis.aggregation import pool_maximum
from model.analysis.thumbnails import decode_tiles, encode_tiles, head_thumbnails, pool_mask, tile_size
from model.layers import DenseLayer, LazyLayer
from model.tokens import Token
from model.trace import Trace
from tests.app_session import open_page, unpack
from tests.hand_views import HOSTILE, PROVENANCE, hand_thumbnails, hand_view, random_view

LARGEST_MESSAGE = 700_000


def trace_of(layers, length: int) -> Trace:
    tokens = tuple(Token(f"##token{position}", f"##token{position}", position) for position in range(length))
    return Trace(tuple(layers), {"decoder": tokens}, {}, PROVENANCE)


@cache
def random_trace(layers: int, heads: int, length: int) -> Trace:
    torch.manual_seed(0)
    query, key = torch.randn(heads, length, 4), torch.randn(heads, length, 4)
    made = [
        LazyLayer("decoder", index, "attention", query + index, key, None, 1.0, causal=True) for index in range(layers)
    ]
    return trace_of(made, length)


@pytest.mark.parametrize("name", ["", "a", "ab", "abc", "字", "é🦊"])
@pytest.mark.parametrize("count", [0, 1, 3, 5, 8])
def test_a_message_reads_back_and_every_array_is_aligned(name, count):
    arrays = {
        "codes": np.arange(count, dtype=np.uint8),
        "weights": np.arange(2.0 * count, dtype=np.float32).reshape(2, count),
        "more": np.arange(count, dtype=np.uint16)[::-1],
    }
    message = pack({"name": name, "tokens": (name, "b")}, arrays)
    found = unpack(message)
    assert (found["name"], found["tokens"]) == (name, [name, "b"])
    for key, array in arrays.items():
        assert np.array_equal(found[key], array)
        assert found[key].dtype == array.dtype
    length = int.from_bytes(message[:4], "little")
    assert length % 4 == 0
    assert [described["offset"] % 4 for described in found["arrays"]] == [0, 0, 0]
    assert len(message) % 4 == 0


def test_a_message_refuses_what_json_cannot_hold():
    with pytest.raises(ValueError, match="not JSON compliant"):
        pack({"threshold": float("nan")}, {})


def head_message(view, common=True, selected="q1"):
    return head_view_message(
        view, title="L1 H2", description="D", opened=(1, 2), selected=selected, scale="log", common=common,
        threshold=0.1, same_sequence=False,
    )  # fmt: skip


def test_a_head_is_sent_exactly_with_nan_where_masked():
    view = random_view(4, 4, causal=True)
    found = unpack(head_message(view))
    assert found["weights"].dtype == np.float32
    assert np.array_equal(found["weights"][view.mask], view.weights[view.mask])
    assert np.isnan(found["weights"][~view.mask]).all()
    assert found["masked"] is True
    assert unpack(head_message(random_view(2, 5)))["masked"] is False
    told = {name: found[name] for name in ("title", "open", "selected", "scale", "threshold", "same_sequence")}
    assert told == {
        "title": "L1 H2", "open": [1, 2], "selected": "q1", "scale": "log", "threshold": 0.1, "same_sequence": False,
    }  # fmt: skip
    assert (found["query_tokens"], found["key_tokens"]) == (["q0", "q1", "q2", "q3"], ["k0", "k1", "k2", "k3"])


def test_the_top_of_the_scale_leaves_out_what_is_masked_or_no_number():
    view = hand_view([[0.5, 0.9], [np.nan, 0.25]], mask=[[True, False], [True, True]])
    assert unpack(head_message(view, common=False))["maximum"] == 0.5
    assert unpack(head_message(view, common=True))["maximum"] == 1.0
    assert unpack(head_message(hand_view(np.zeros((2, 2))), common=False))["maximum"] == 1.0
    assert unpack(head_message(hand_view(np.full((2, 2), np.nan)), common=False))["maximum"] == 1.0


def test_hostile_tokens_reach_the_component_as_they_are():
    found = unpack(head_message(hand_view(np.eye(len(HOSTILE)), tokens=HOSTILE)))
    assert found["query_tokens"] == [token.replace("\ud800", "?") for token in HOSTILE]


def test_both_palettes_are_sent():
    sent = unpack(head_message(random_view(2, 2)))["palettes"]
    assert sent == palettes()
    for name, palette in sent.items():
        assert np.array_equal(np.reshape(palette["sequential"], (256, 3)), theme(name).sequential)
        assert palette["masked"] == theme(name).masked


@pytest.mark.parametrize(("layers", "heads", "length"), [(12, 12, 128), (12, 12, 512), (32, 32, 128), (32, 32, 300)])
def test_the_grid_is_small_whatever_the_model_and_the_text(layers, heads, length):
    thumbnails = head_thumbnails(random_trace(layers, heads, length))
    message = head_grid_message(thumbnails, scale="log", common=True)
    assert len(message) < LARGEST_MESSAGE
    found = unpack(message)
    side = tile_size(layers * heads)
    assert found["tiles"].shape == (layers, heads, side, side)
    assert np.array_equal(found["tiles"], thumbnails.tiles)
    assert np.array_equal(found["maxima"], thumbnails.maxima)
    assert found["layers"] == list(range(layers))
    assert len(found["strongest"]) == layers * heads


def test_the_grid_message_does_not_depend_on_the_open_head():
    # Else every click would send half a megabyte again.
    sent = {}
    for layer, head in (("1", "2"), ("4", "7")):
        for element in open_page(layer=layer, head=head).get("bidi_component"):
            sent.setdefault(element.proto.component_name.split(".")[-1], set()).add(element.proto.bytes)
    assert len(sent["head_grid"]) == 1
    assert len(sent["head_view"]) == 2


def test_the_grid_names_the_strongest_weight_of_each_head():
    weights = np.zeros((2, 2, 3, 3), dtype=np.float32)
    weights[0, 1, 2, 0] = 0.75
    weights[1, 0, 0, 1] = 0.12345
    view = hand_view(np.zeros((3, 3)), tokens=("first", "b" * LONGEST_NAME, "c" * (LONGEST_NAME + 1)))
    found = unpack(head_grid_message(hand_thumbnails(view, weights, (0, 3)), scale="linear", common=False))
    assert found["layers"] == [0, 3]
    assert found["strongest"][1] == "c" * (LONGEST_NAME - 1) + "… → first 0.750"
    assert found["strongest"][2] == f"first → {'b' * LONGEST_NAME} 0.123"
    assert found["maxima"].tolist() == [[0, 0.75], [pytest.approx(0.12345), 0]]


@pytest.mark.parametrize(
    ("heads", "side"),
    [(1, 64), (144, 64), (146, 64), (147, 63), (384, 39), (1024, 24), (9375, 8), (50_000, 8), (0, 64)],
)
def test_the_side_of_a_tile(heads, side):
    # floor(sqrt(600 000 / heads)), from 8 to 64.
    assert tile_size(heads) == side
    assert heads * side**2 <= 600_000 or side == 8


def test_codes_are_rounded_square_roots():
    pooled = np.array([[[0.0, 1.0, 0.25, 0.01], [1e-6, 0.5, 2.0, 0.3]]], dtype=np.float32)
    allowed = np.array([[True, True, True, True], [True, True, True, False]])
    # 254 * sqrt(w): 0, 254, 127, 25.4; 0.254, 179.6, clipped to 254, masked.
    assert encode_tiles(pooled, allowed).tolist() == [[[0, 254, 127, 25], [0, 180, 254, 255]]]
    decoded = decode_tiles(np.array([0, 127, 254, 255], dtype=np.uint8))
    assert decoded[:3].tolist() == [0.0, 0.25, 1.0]
    assert np.isnan(decoded[3])


def test_a_code_is_within_half_a_step_of_its_square_root():
    weights = np.linspace(0, 1, 20_001, dtype=np.float32)[None, None]
    decoded = decode_tiles(encode_tiles(weights, np.ones((1, 20_001), dtype=bool)))
    assert np.abs(np.sqrt(decoded) - np.sqrt(weights)).max() <= 0.5 / 254 + 1e-6
    # Hence |w' - w| <= (sqrt(w) + 1/1016) / 254, at most 0.004.
    assert (np.abs(decoded - weights) <= (np.sqrt(weights) + 0.25 / 254) / 254 + 1e-6).all()


def test_one_strong_weight_among_512_tokens_stays_visible_and_in_its_place():
    dense = torch.zeros(2, 512, 512)
    dense[1, 300, 17] = 0.9
    thumbnails = head_thumbnails(trace_of([DenseLayer("decoder", 0, "attention", dense)], 512))
    assert thumbnails.tiles.shape == (1, 2, 64, 64)
    assert np.argwhere(thumbnails.tiles[0, 1]).tolist() == [[37, 2]]
    assert decode_tiles(thumbnails.tiles)[0, 1, 37, 2] == pytest.approx(0.9, abs=0.004)
    assert not thumbnails.tiles[0, 0].any()
    assert thumbnails.strongest[0, 1].tolist() == [300, 17]


def test_a_tile_is_masked_only_where_every_covered_cell_is():
    mask = np.tril(np.ones((6, 6), dtype=bool))
    # Cells of 2 x 2: each on the diagonal holds one key that may be attended to.
    assert pool_mask(mask, 3).tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    assert pool_mask(mask, 6).tolist() == mask.tolist()
    weights = np.arange(36, dtype=np.float32).reshape(1, 6, 6)
    assert pool_maximum(weights, 3).tolist() == [[[7, 9, 11], [19, 21, 23], [31, 33, 35]]]
