"""The pages Flow and Why from the entry: each method beside the weights, routes, fidelity, and the sum behind a weight."""

import numpy as np
import pytest

from app import flow_explanations
from model import load_model, record
from model.analysis.norms import head_attention_norms, row_shares
from model.analysis.rollout import attention_rollout, combined_heads, rows_to_one
from model.encoding import encode
from model.errors import HeadscopeError
from model.relevance.corpus import shipped_fidelity
from model.relevance.gradients import gradient_attention, weight_gradients
from model.relevance.outputs import EmbeddingOutput, TokenOutput, output_at
from model.value_projection import record_mixings
from tests.app_session import html_of, messages, notices, open_page
from tests.effect_models import of_task

FLOW, WHY = "../pages/flow.py", "../pages/why.py"
TEXT = "The animal didn't cross the street because it was too tired."


def shown(page: str, **parameters: str):
    session = open_page(**parameters)
    session.switch_page(page).run(timeout=250)
    assert not session.exception
    return session


def test_norms_stand_beside_the_weights():
    session = shown(FLOW)
    assert not notices(session)
    mixings = record_mixings(load_model("minilm", device="cpu"), TEXT)
    pair = messages(session)["head_comparison"]
    assert pair["first"] == pytest.approx(mixings.trace.attention(3, 1), abs=1e-6)
    assert pair["second"] == pytest.approx(row_shares(head_attention_norms(mixings.layer(3), 1)), abs=1e-6)
    assert "Kobayashi et al. 2020" in html_of(session)


def test_rollout_is_the_librarys():
    session = shown(FLOW, flow_method="rollout")
    trace = record(load_model("minilm", device="cpu"), TEXT)
    pair = messages(session)["head_comparison"]
    assert pair["second"] == pytest.approx(attention_rollout(combined_heads(trace))[3], abs=1e-5)


@pytest.mark.parametrize("method", [name for name in flow_explanations.METHODS if name != "rollout, receptive field"])
def test_every_method_on_the_encoder_has_rows_that_sum_to_one(method):
    session = shown(FLOW, flow_method=method, text="The dog ran home.")
    assert not notices(session)
    pair = messages(session)["head_comparison"]
    sums = np.nansum(pair["second"], axis=1)
    assert sums == pytest.approx(np.ones(len(sums)), abs=1e-4)


@pytest.mark.parametrize("method", flow_explanations.METHODS)
def test_every_method_on_the_decoder_shows_a_map_or_says_why_not(method):
    session = shown(FLOW, flow_method=method, model="small-decoder", text="The dog ran home.")
    assert ("head_comparison" in messages(session)) != bool(notices(session))
    if method == "with the layer norm":
        assert "normalises before attention" in notices(session)[0]


def test_gradients_are_those_of_the_output_that_is_chosen():
    loaded = load_model("small-decoder", device="cpu")
    encoding = encode(loaded, TEXT)
    maps = {}
    for position in (3, 6):
        session = shown(
            FLOW, flow_method="gradient x attention", model="small-decoder", position=str(position), layer="1", head="0"
        )
        assert not notices(session)
        output = output_at(loaded, encoding, position)
        assert output.token == int(encoding.tensors["input_ids"][0, position + 1])
        expected = gradient_attention(weight_gradients(loaded, encoding, output), "decoder")[1]
        maps[position] = messages(session)["head_comparison"]["second"]
        assert np.nan_to_num(maps[position]) == pytest.approx(rows_to_one(np.abs(expected)), abs=1e-5)
    # What comes after the output has no part in it.
    assert np.nansum(maps[3][4:]) == 0
    assert np.nansum(maps[6][4:7]) > 0


def test_outputs_of_an_encoder_without_a_head_and_of_no_position():
    loaded = load_model("minilm", device="cpu")
    assert isinstance(output_at(loaded, encode(loaded, TEXT), 3), EmbeddingOutput)
    decoder = load_model("small-decoder", device="cpu")
    masked = of_task("masked")
    encoding = encode(masked, "it rains")
    assert output_at(masked, encoding, 1) == TokenOutput(1, int(encoding.tensors["input_ids"][0, 1]))
    with pytest.raises(HeadscopeError, match="no position 99"):
        output_at(decoder, encode(decoder, TEXT), 99)


@pytest.mark.parametrize("model", ["minilm", "small-decoder", "transformer-tiny"])
def test_routes_to_a_token(model):
    session = shown(FLOW, flow_view="routes", model=model, text="Two dogs run in the snow.", position="3")
    assert not notices(session)
    assert "Routes" in messages(session)["picture"]["svg"] or "routes" in messages(session)["picture"]["svg"]


def test_routes_say_their_limit_before_computing():
    session = shown(FLOW, flow_view="routes", text=" ".join(["dog"] * 100))
    assert "at most" in notices(session)[0]


def test_fidelity_of_every_method_on_this_text():
    session = shown(FLOW, flow_view="fidelity", text="The dog ran home.")
    assert not notices(session)
    assert len(session.get("vega_lite_chart")) == 2
    assert "receptive field" in html_of(session)


def test_fidelity_over_a_set_comes_with_the_bundled_encoder():
    results = shipped_fidelity("minilm")
    found = {(row.method, row.layer): row for row in results.rows}
    assert results.texts == 300
    assert found["relevancy", 5].low > found["rollout", 5].high
    assert shipped_fidelity("small-decoder") is None
    assert shipped_fidelity("../minilm") is None


@pytest.mark.parametrize("model", ["minilm", "small-decoder", "transformer-tiny"])
def test_the_numbers_of_why_add_up_to_the_weight(model):
    text = "Two dogs run in the snow."
    session = shown(WHY, model=model, text=text, layer="1", head="1", position="3", key_position="2")
    assert not notices(session)
    trace = record(load_model(model, device="cpu"), text)
    weight = trace.attention(1, 1, trace.stacks[0])[3, 2]
    picture = next(one for one in pictures(session) if "dot product" in one)
    assert f"{weight:.3f}" in picture
    assert len(session.get("vega_lite_chart")) >= 2


def pictures(session) -> list[str]:
    from tests.app_session import unpack

    found = [one for one in session.get("bidi_component") if one.proto.component_name.endswith("picture")]
    return [unpack(one.proto.bytes)["svg"] for one in found]


def test_why_of_weights_that_come_from_no_query_and_key():
    session = shown(WHY, model="recurrent-search", text="A dog runs.", stack="cross")
    assert len(notices(session)) == 1
