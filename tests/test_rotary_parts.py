"""Frequency pairs: their layout is found in every family, they sum to q.k, and they foretell shifted positions."""

import numpy as np
import pytest
import torch
import transformers as t

from model.analysis.rotary_parts import pair_curves, pair_products, rotary_parts
from model.analysis.score_parts import score_parts
from model.architectures import SmallDecoder, SmallDecoderConfig
from model.errors import HeadscopeError
from model.loading import wrap
from model.recording import record
from model.rotary_layout import RotaryLayout, layout_of, rotary_layouts
from tests.tiny_models import _DECODER, tiny, tiny_inputs

SIZES = {name: value for name, value in _DECODER.items() if name != "head_dim"}
HALVES, NEIGHBOURS = [[0, 4], [1, 5], [2, 6], [3, 7]], [[0, 1], [2, 3], [4, 5], [6, 7]]


def built(make, config):
    torch.manual_seed(0)
    model = make(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4)
    return model


def deepseek():
    return built(
        t.DeepseekV2ForCausalLM,
        t.DeepseekV2Config(
            **SIZES | dict(num_key_value_heads=4), q_lora_rank=16, kv_lora_rank=16, qk_nope_head_dim=8, v_head_dim=8,
            qk_rope_head_dim=8, n_routed_experts=4, num_experts_per_tok=1, moe_intermediate_size=16, n_group=1,
            topk_group=1, first_k_dense_replace=3,
        ),
    )  # fmt: skip


MODELS = {
    **{name: (lambda name=name: tiny(name), HALVES) for name in ("llama", "mistral", "gemma2", "qwen3", "modernbert", "gpt_oss")},
    "gpt_neox": (lambda: tiny("gpt_neox"), [[0, 1]]),
    "phi": (lambda: built(t.PhiForCausalLM, t.PhiConfig(**SIZES)), [[0, 2], [1, 3]]),
    "cohere": (lambda: built(t.CohereForCausalLM, t.CohereConfig(**SIZES)), NEIGHBOURS),
    "own": (
        lambda: built(
            SmallDecoder, SmallDecoderConfig(vocab_size=99, d_model=32, d_ff=48, heads=4, layers=2, positions="rotary")
        ),
        NEIGHBOURS,
    ),
    "nanochat": (lambda: built(t.NanoChatForCausalLM, t.NanoChatConfig(**SIZES)), HALVES),
    # The dimensions that are turned come after those that are not.
    "deepseek_v2": (deepseek, [[8, 9], [10, 11], [12, 13], [14, 15]]),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_the_layout_of_every_layer_is_found_and_the_pairs_sum_to_the_dot_product(name):
    build, dimensions = MODELS[name]
    loaded = wrap(build())
    layouts = rotary_layouts(loaded)
    trace = record(loaded, tiny_inputs(name))
    assert list(layouts) == [(layer.stack, layer.index) for layer in trace.layers]
    for layer in trace.layers:
        layout = layout_of(layouts, layer.stack, layer.index)
        assert layout.dimensions.tolist() == dimensions
        parts = rotary_parts(trace, layout, layer.index, 1, 7, 2)
        expected = score_parts(trace, layer.index, 1, 7, 2).dot_product
        assert parts.dot_product == pytest.approx(expected, abs=1e-9)
        assert (parts.rest != 0) == (2 * len(dimensions) < layer.query.shape[-1])
        assert parts.at_distances(np.array([5]))[0] == pytest.approx(parts.contributions)


def test_layers_of_one_model_may_turn_by_other_frequencies():
    layouts = rotary_layouts(wrap(tiny("modernbert")))
    kinds = ["full", "sliding", "sliding", "full"]
    assert [layouts["encoder", index].module.split(".")[-1].split("_")[0] for index in range(4)] == kinds
    assert not np.allclose(layouts["encoder", 0].frequencies, layouts["encoder", 1].frequencies)


def test_a_family_may_turn_the_other_way():
    signs = {
        name: np.sign(layout.frequencies).tolist()
        for name in ("llama", "nanochat")
        for layout in rotary_layouts(wrap(MODELS[name][0]())).values()
    }
    assert signs == {"llama": [1] * 4, "nanochat": [-1] * 4}


def test_layers_that_do_not_turn_are_left_out():
    model = built(
        t.SmolLM3ForCausalLM, t.SmolLM3Config(**SIZES | dict(num_hidden_layers=2), no_rope_layers=[1, 0])
    )  # 1: turned
    layouts = rotary_layouts(wrap(model))
    assert list(layouts) == [("decoder", 0)]
    with pytest.raises(HeadscopeError, match=r"Decoder layer 1 does not turn.*Layers that do: decoder 0"):
        layout_of(layouts, "decoder", 1)
    with pytest.raises(HeadscopeError, match="no frequency pairs"):
        rotary_layouts(wrap(tiny("gpt2")))


@pytest.mark.parametrize("name", ["llama", "cohere", "gpt_neox", "nanochat"])
def test_positions_moved_apart_change_each_pair_as_foretold(name):
    loaded = wrap(MODELS[name][0]())
    layout = rotary_layouts(loaded)["decoder", 0]
    inputs = tiny_inputs(name)
    plain = record(loaded, inputs)
    for gap in (1, 7, 30):
        moved = torch.arange(11)[None] + gap * (torch.arange(11) > 5)
        shifted = record(loaded, {**inputs, "position_ids": moved})
        for head in range(4):
            # What is turned in the first layer knows no positions, so nothing else changes.
            before, after = (rotary_parts(trace, layout, 0, head, 8, 3) for trace in (plain, shifted))
            foretold = before.at_distances(np.array([5 + gap]))[0]
            assert np.abs(foretold - after.contributions).max() < 1e-4
            assert np.abs(before.contributions - after.contributions).max() > 1e-3
            assert before.magnitudes == pytest.approx(after.magnitudes, abs=1e-4)
            assert before.rest == pytest.approx(after.rest, abs=1e-5)


def test_a_pair_by_hand():
    loaded = wrap(tiny("llama"))
    trace = record(loaded, tiny_inputs("llama"))
    layout = RotaryLayout("hand", np.array([np.pi / 2, np.pi / 8]), np.array([[0, 1], [2, 3]]))
    query, key = trace.layers[0].query[0], trace.layers[0].key[0]
    query[6], key[4] = torch.tensor([0.0, 2, 1, 0, 5, 0, 0, 0]), torch.tensor([3.0, 0, 1, 1, 1, 0, 0, 0])
    parts = rotary_parts(trace, layout, 0, 0, 6, 4)
    assert parts.distance == 2
    assert parts.magnitudes.tolist() == pytest.approx([6, 2**0.5])
    assert parts.angles.tolist() == pytest.approx([np.pi / 2, -np.pi / 4])
    assert parts.contributions.tolist() == pytest.approx([0, 1], abs=1e-12)
    assert (parts.rest, parts.dot_product) == (5.0, pytest.approx(6.0))
    assert parts.wavelengths.tolist() == pytest.approx([4, 16])
    assert parts.content_angles.tolist() == pytest.approx([-np.pi / 2, -np.pi / 2])
    # One further: a quarter turn and a sixteenth.
    assert parts.at_distances(np.array([3]))[0].tolist() == pytest.approx([-6, 2**0.5 * np.cos(-np.pi / 8)])
    assert parts.position_swing(np.arange(5)).tolist()[0] == pytest.approx(12)
    assert parts.position_swing(np.array([2])).tolist() == [0, 0]


@pytest.mark.parametrize("name", ["llama", "gpt_neox"])
def test_the_table_and_the_curves_of_pairs_sum_to_the_dot_product(name):
    loaded = wrap(tiny(name))
    layout = rotary_layouts(loaded)["decoder", 1]
    parts = rotary_parts(record(loaded, tiny_inputs(name)), layout, 1, 2, 9, 4)
    table = pair_products(parts)
    assert table["product"].sum() == pytest.approx(parts.dot_product)
    assert ("rest" in table["name"].tolist()) == (name == "gpt_neox")
    distances = np.arange(-3, 20)
    curves = pair_curves(parts, distances, most=2)
    whole = curves[curves["curve"] == "q·k"].set_index("distance")["value"]
    assert whole[5] == pytest.approx(parts.dot_product)
    assert whole.index.tolist() == distances.tolist()
    swings = curves.groupby("curve", sort=False)["value"].agg(np.ptp).drop("q·k")
    assert len(swings) == min(2, len(parts.frequencies))
    assert swings.iloc[0] == pytest.approx(parts.position_swing(distances).max())


def test_what_does_not_fit_is_refused():
    trace = record(wrap(tiny("llama")), tiny_inputs("llama"))
    short = RotaryLayout("hand", np.array([0.1]), np.array([[0, 1]]), longest=10)
    with pytest.raises(HeadscopeError, match="more than 10 tokens, and this one has 11"):
        rotary_parts(trace, short, 0, 0, 6, 4)
    with pytest.raises(HeadscopeError, match="of another model"):
        rotary_parts(trace, RotaryLayout("hand", np.array([0.1]), np.array([[0, 9]])), 0, 0, 6, 4)


def test_frequencies_that_change_with_the_length_say_up_to_where_they_hold():
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    model = built(t.LlamaForCausalLM, t.LlamaConfig(**_DECODER, rope_parameters=rope))
    assert {layout.longest for layout in rotary_layouts(wrap(model)).values()} == {64}
    assert {layout.longest for layout in rotary_layouts(wrap(tiny("llama"))).values()} == {None}
