"""Gradients with respect to attention weights against finite differences, and the relevance made of them by hand."""

import numpy as np
import pytest
import torch

from model.attention_interface import attention_implementation
from model.encoding import encode
from model.errors import HeadscopeError
from model.intervening import intervening, layer_plan
from model.interventions import ScaleHeads
from model.loading import wrap
from model.part_changes import PartChanges, changing_parts
from model.recording import record
from model.relevance import gradients
from model.relevance.gradients import (
    WeightGradients,
    gradient_attention,
    relevancy,
    translation_relevancy,
    weight_gradients,
)
from model.relevance.outputs import TokenOutput, output_number, output_rows, usual_output
from tests.tiny_models import tiny, tiny_inputs

FAMILIES = ("bert", "albert", "gpt2", "llama", "gemma2", "t5", "marian", "gpt_oss")


def derived(name: str):
    loaded = wrap(tiny(name))
    encoding = encode(loaded, tiny_inputs(name))
    output = usual_output(loaded, encoding)
    return loaded, encoding, output, weight_gradients(loaded, encoding, output)


def nudged_number(loaded, encoding, output, place, at, amount: float) -> float:
    """Return the output where one weight of one layer has something added to it."""
    plan, calls = layer_plan(loaded), []
    module = next(name for name, places in plan.calls.items() if place in places)
    call = plan.calls[module].index(place)
    wanted = loaded.model.get_submodule(module)

    def nudge(other, weights):
        if other is wanted:
            calls.append(other)
            if len(calls) == call + 1:
                weights = weights.clone()
                weights[at] += amount
        return weights

    implementation = attention_implementation(loaded.model, plan.implementation)
    with torch.no_grad(), implementation, changing_parts(PartChanges(weights=nudge)):
        return float(output_number(output_rows(loaded, encoding.tensors, output)).double()[0])


@pytest.mark.parametrize("name", FAMILIES)
def test_gradients_are_those_of_finite_differences(name):
    loaded, encoding, output, found = derived(name)
    for place in (min(found.weights), max(found.weights)):
        at = np.unravel_index(np.abs(found.gradients[place]).argmax(), found.gradients[place].shape)
        # T5 has a kink (ReLU) not far away.
        step = 4e-4 if name == "t5" else 2e-3
        up, down = (nudged_number(loaded, encoding, output, place, at, sign * step) for sign in (1, -1))
        assert found.gradients[place][at] == pytest.approx((up - down) / (2 * step), rel=0.05, abs=2e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_weights_are_those_of_a_trace(name):
    loaded, _, _, found = derived(name)
    trace = record(loaded, tiny_inputs(name))
    assert set(found.weights) == {(layer.stack, layer.index) for layer in trace.layers}
    for stack, layer in found.weights:
        assert found.weights[stack, layer] == pytest.approx(trace.layer_attention(layer, stack), abs=1e-5)


def test_gradients_of_the_embeddings_are_those_of_finite_differences():
    loaded, encoding, _, found = derived("bert")
    ids, table = encoding.tensors["input_ids"], loaded.model.get_input_embeddings()
    with torch.no_grad():
        embedded, numbers = table(ids), []
        for factor in (1.001, 0.999):
            scaled = embedded.clone()
            scaled[0, 4] *= factor
            mean = loaded.model(
                inputs_embeds=scaled, attention_mask=encoding.tensors["attention_mask"]
            ).last_hidden_state
            numbers.append(float(mean[0].mean(dim=0).norm()))
    assert found.inputs[4] == pytest.approx((numbers[0] - numbers[1]) / 0.002, rel=0.02, abs=1e-3)


def made(maps: dict, products: dict) -> WeightGradients:
    """Return gradients such that A * dy/dA of one head is `products` where the weights are `maps`."""
    weights = {place: np.array([one], dtype=np.float32) for place, one in maps.items()}
    slopes = {place: np.array([products[place]], dtype=np.float32) / weights[place] for place in maps}
    return WeightGradients(weights, slopes, None)


def test_relevance_by_hand():
    half = [[0.5, 0.5], [0.5, 0.5]]
    found = made(
        {("encoder", 0): half, ("encoder", 1): half},
        {("encoder", 0): [[0.0, 1.0], [-2.0, 0.5]], ("encoder", 1): [[0.5, 0.0], [1.0, -1.0]]},
    )
    assert gradient_attention(found, "encoder")[0] == pytest.approx(np.array([[0, 1], [-2, 0.5]]))
    assert gradient_attention(found, "encoder", positive=True)[0] == pytest.approx(np.array([[0, 1], [0, 0.5]]))
    relevance = relevancy(found, "encoder")
    # I + [[0, 1], [0, .5]], then that plus [[.5, 0], [1, 0]] times it.
    assert relevance[0] == pytest.approx(np.array([[1, 1], [0, 1.5]]))
    assert relevance[1] == pytest.approx(np.array([[1.5, 1.5], [1, 2.5]]))


def test_relevance_of_a_translation_by_hand():
    places = {("encoder", 0): [[1.0, 1.0], [1.0, 1.0]], ("decoder", 0): [[1.0]], ("cross", 0): [[1.0, 1.0]]}
    products = {("encoder", 0): [[0.0, 0.5], [0.0, 0.0]], ("decoder", 0): [[3.0]], ("cross", 0): [[0.2, 0.4]]}
    # N(R_ss) = [[1, 1], [0, 1]], N(R_tt) = [[2]]: 2 * [.2, .2 + .4].
    assert translation_relevancy(made(places, products))[0] == pytest.approx(np.array([[0.4, 1.2]]))


def test_what_cannot_be_derived_is_refused(monkeypatch):
    loaded, encoding, output, found = derived("gpt2")
    with (
        intervening(loaded, [ScaleHeads("decoder", 0, (0,), 0.0)]),
        pytest.raises(HeadscopeError, match="interventions off"),
    ):
        weight_gradients(loaded, encoding, output)
    with pytest.raises(HeadscopeError, match="no cross"):
        gradient_attention(found, "cross")
    bert = wrap(tiny("bert"))
    with pytest.raises(HeadscopeError, match="no output layer"):
        weight_gradients(bert, encode(bert, tiny_inputs("bert")), TokenOutput(0, 1))
    monkeypatch.setattr(gradients, "MOST_WEIGHTS", 100)
    with pytest.raises(HeadscopeError, match="shorten the text to 2 tokens"):
        weight_gradients(loaded, encoding, output)
