"""Importance by gradient against finite differences; orders of pruning; predictions before and after."""

import numpy as np
import pytest
import torch

from model.effects.gradient import HeadImportance, gradient_importance, rank_correlation
from model.effects.head_effects import HeadEffects, head_effects, intervention_effect, measured, model_heads
from model.effects.measures import measure_of
from model.effects.predictions import predictions
from model.effects.pruning import least_first, pruning_curve
from model.errors import HeadscopeError
from model.interventions import ScaleHeads, switch_off
from tests.effect_models import TEXTS, of_task
from tests.test_head_effects import references

# Of xi, for a slope and for a curvature: a divergence so near zero is rounding below that.
STEPS = {1: 1e-2, 2: 0.1}


def finite_differences(loaded, name, texts, given, power):
    """Return the change of a measure over texts at xi = 1 +- a step of every head: its slope, or half its curvature (power 2)."""
    step = STEPS[power]
    factors = [1 + step, 1 - step]
    changes = [
        [ScaleHeads(stack, layer, (head,), factor)] for stack, layer, head in model_heads(loaded) for factor in factors
    ]
    above, below = np.array(measured(loaded, measure_of(loaded, texts, name, given), changes)).reshape(-1, 2).T
    return (above - below) / (2 * step) if power == 1 else (above + below) / (2 * step**2)


@pytest.mark.parametrize("task", ["causal", "translation"])
def test_the_gradient_of_the_loss_is_a_finite_difference(task):
    loaded, given = of_task(task), references(task)
    found = gradient_importance(loaded, TEXTS, references=given)
    assert (found.measure, found.unit, found.texts) == ("cross entropy", "bits", 3)
    slopes = [
        finite_differences(loaded, "cross entropy", TEXTS[place : place + 1], given and given[place : place + 1], 1)
        for place in range(3)
    ]
    values = [found.values[stack][layer, head] for stack, layer, head in model_heads(loaded)]
    assert values == pytest.approx(np.abs(slopes).mean(axis=0), rel=0.05, abs=2e-3)


@pytest.mark.parametrize(("task", "name"), [("causal", "divergence"), ("encoder", "embedding")])
def test_the_second_order_estimate_is_a_finite_difference(task, name):
    loaded, text = of_task(task), TEXTS[:1]
    found = gradient_importance(loaded, text, name, samples=300)
    assert found.measure == name
    values, expected = next(iter(found.values.values())).ravel(), finite_differences(loaded, name, text, None, 2)
    assert values == pytest.approx(expected, rel=0.35)
    assert np.corrcoef(values, expected)[0, 1] > 0.98


def test_gradients_of_masked_models_and_nothing_is_left():
    loaded = of_task("masked")
    found = gradient_importance(loaded, TEXTS)
    assert found.values["encoder"].shape == (2, 2)
    assert (found.values["encoder"] > 0).all()
    assert all(weight.grad is None for weight in loaded.model.parameters())
    assert torch.is_grad_enabled()
    again = gradient_importance(loaded, TEXTS)
    assert np.array_equal(found.values["encoder"], again.values["encoder"])


def test_normalised_importance_has_length_one_in_every_layer():
    found = HeadImportance(
        "cross entropy", "bits", 1, {"decoder": np.array([[3.0, 4.0], [0.0, 0.0]])}, {"decoder": (0, 1)}
    )
    assert found.normalised["decoder"].tolist() == [[0.6, 0.8], [0.0, 0.0]]


def effects_of(values, higher_is_better=False, plain=0.0):
    values = np.array(values, dtype=np.float64)
    return HeadEffects("divergence", "bits", higher_is_better, 1, plain, {"decoder": values}, {"decoder": (0,)})


@pytest.mark.parametrize(
    ("effects", "importance", "expected"),
    [
        (effects_of([[1, 2, 3]]), [[10, 20, 400]], 1),
        (effects_of([[1, 2, 3]]), [[3, 2, 1]], -1),
        (effects_of([[9, 8, 1]], higher_is_better=True, plain=10.0), [[1, 2, 9]], 1),
        # Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5).
        (effects_of([[1, 5, 5, 9]]), [[1, 2, 3, 4]], 4.5 / (4.5 * 5) ** 0.5),
        (effects_of([[1, np.nan, 3, 2]]), [[1, 7, 3, 2]], 1),
    ],
)
def test_rank_correlation_by_hand(effects, importance, expected):
    estimate = HeadImportance(
        "divergence", "bits", 1, {"decoder": np.array(importance, dtype=np.float64)}, {"decoder": (0,)}
    )
    assert rank_correlation(effects, estimate) == pytest.approx(expected)


@pytest.mark.parametrize("order", ["effect", "gradient", "random", "greedy"])
def test_a_pruning_curve_is_the_measure_with_ever_more_heads_off(order):
    loaded, shares = of_task("causal"), []
    found = pruning_curve(loaded, TEXTS, order=order, limit=3, progress=shares.append)
    assert (len(found.heads), found.values.shape, found.order) == (3, (4,), order)
    assert len(set(found.heads)) == 3
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    for count in range(4):
        _, expected = intervention_effect(loaded, TEXTS, switch_off(found.heads[:count]))
        assert found.values[count] == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_orders_of_pruning():
    loaded = of_task("causal")
    effects = head_effects(loaded, TEXTS).effects["decoder"]
    every = [(layer, head) for layer in range(3) for head in range(4)]
    by_effect = pruning_curve(loaded, TEXTS)
    assert [head[1:] for head in by_effect.heads] == sorted(every, key=lambda place: effects[place])
    values = gradient_importance(loaded, TEXTS, "divergence").values["decoder"]
    by_gradient = pruning_curve(loaded, TEXTS, order="gradient")
    assert [head[1:] for head in by_gradient.heads] == sorted(every, key=lambda place: values[place])
    greedy = pruning_curve(loaded, TEXTS, order="greedy", limit=2)
    assert greedy.heads[0] == by_effect.heads[0]
    left = [head for head in by_effect.heads if head != greedy.heads[0]]
    best = min(intervention_effect(loaded, TEXTS, switch_off([greedy.heads[0], head]))[1] for head in left)
    assert greedy.values[2] == pytest.approx(best)
    one, same, other = (pruning_curve(loaded, TEXTS, order="random", seed=seed, limit=6).heads for seed in (1, 1, 2))
    assert one == same != other
    with pytest.raises(HeadscopeError, match="no order “best”"):
        pruning_curve(loaded, TEXTS, order="best")
    with pytest.raises(HeadscopeError, match="at least 1 head"):
        pruning_curve(loaded, TEXTS, limit=0)


def test_a_known_order_is_followed_and_measured_at_some_points():
    loaded = of_task("causal")
    effects = head_effects(loaded, TEXTS)
    order = least_first(effects)
    whole = pruning_curve(loaded, TEXTS)
    assert list(whole.heads) == order
    assert whole.removed.tolist() == list(range(len(order) + 1))
    some = pruning_curve(loaded, TEXTS, heads=order, points=3)
    assert some.heads == whole.heads
    assert len(some.removed) == 4
    assert some.values == pytest.approx(whole.values[some.removed], abs=1e-9)
    with pytest.raises(HeadscopeError, match="at least 1 point"):
        pruning_curve(loaded, TEXTS, points=0)


def test_predictions_of_a_causal_model():
    loaded, text = of_task("causal"), TEXTS[0]
    ids = loaded.tokenizer(text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        expected = loaded.model(input_ids=ids).logits[0].softmax(dim=-1)
    (last,), (third,) = predictions(loaded, text, top=5), predictions(loaded, text, position=3, top=5)
    for found, row in ((last, expected[-1]), (third, expected[2])):
        highest = row.topk(5)
        assert [token.id for token, _ in found.top] == highest.indices.tolist()
        assert [share for _, share in found.top] == pytest.approx(highest.values.tolist(), rel=1e-4)
    assert (last.position, third.position) == (ids.shape[1], 3)
    (changed,) = predictions(loaded, text, [ScaleHeads(None, 1, None)], top=5)
    assert changed != last
    assert predictions(loaded, text, [ScaleHeads(None, 1, None, 1)], top=5)[0].top[0][1] == pytest.approx(
        last.top[0][1]
    )


def test_predictions_of_a_masked_model():
    loaded = of_task("masked")
    text = "the [MASK] cross the [MASK]"
    ids = loaded.tokenizer(text, return_tensors="pt")["input_ids"]
    places = (ids[0] == loaded.tokenizer.mask_token_id).nonzero()[:, 0].tolist()
    with torch.no_grad():
        expected = loaded.model(input_ids=ids).logits[0].softmax(dim=-1)
    found = predictions(loaded, text, top=3)
    assert [one.position for one in found] == places
    for one in found:
        assert [token.id for token, _ in one.top] == expected[one.position].topk(3).indices.tolist()
    masked = ids.clone()
    masked[0, 1] = loaded.tokenizer.mask_token_id
    (one,) = predictions(loaded, text, position=1, top=1)
    with torch.no_grad():
        assert one.top[0][0].id == int(loaded.model(input_ids=masked).logits[0, 1].argmax())
    with pytest.raises(HeadscopeError, match=r"write \[MASK\]"):
        predictions(loaded, "the cats")


@pytest.mark.parametrize(("task", "position"), [("causal", 0), ("causal", 99), ("masked", -1), ("masked", 99)])
def test_predictions_that_there_are_none_of(task, position):
    with pytest.raises(HeadscopeError, match="no prediction for position"):
        predictions(of_task(task), TEXTS[0], position=position)
    with pytest.raises(HeadscopeError, match="predicts no tokens"):
        predictions(of_task("encoder"), TEXTS[0])
    with pytest.raises(HeadscopeError, match="at least one prediction"):
        predictions(of_task(task), TEXTS[0], top=0)


def test_a_measure_serves_many_changes():
    measure = measure_of(of_task("causal"), TEXTS)
    assert measure.texts == 3
    found = head_effects(of_task("causal"), TEXTS, measure)
    assert np.array_equal(found.values["decoder"], head_effects(of_task("causal"), TEXTS).values["decoder"])
