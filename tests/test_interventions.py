"""What is done to heads, as values: their text form comes back, and what names no heads is refused with a sentence."""

import numpy as np
import pytest
import torch

from model.errors import HeadscopeError
from model.interventions import (
    FrozenHeads,
    ScaleHeads,
    UniformHeads,
    intervention_text,
    parse_interventions,
    switch_off,
)


def frozen(weights, heads=(0,)):
    return FrozenHeads(None, 0, heads, np.array(weights, dtype=np.float32))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("L3H1:off", (ScaleHeads(None, 3, (1,), 0.0),)),
        ("L3H1:x0.5", (ScaleHeads(None, 3, (1,), 0.5),)),
        ("encoder L3H1+4:x-1.5", (ScaleHeads("encoder", 3, (1, 4), -1.5),)),
        ("L2:uniform", (UniformHeads(None, 2, None),)),
        ("cross L0H10:uniform,L2:off", (UniformHeads("cross", 0, (10,)), ScaleHeads(None, 2, None, 0.0))),
        ("", ()),
    ],
)
def test_the_text_form(text, expected):
    assert parse_interventions(text) == expected
    assert parse_interventions(intervention_text(expected)) == expected


@pytest.mark.parametrize("factor", [0, 1, 1 / 3, 1e-7, -2.5, 123456.75, 1e20])
def test_every_factor_comes_back_exactly(factor):
    assert parse_interventions(intervention_text([ScaleHeads(None, 0, (0,), factor)]))[0].factor == factor


@pytest.mark.parametrize(
    "text",
    ["off", "L3", "L3H1", "L3H1:on", "L-1H0:off", "L3H1:x", "L3H1:xnan", "L3H1:xinf", "L3H1:x1e99999", "l3h1:off",
     "upper L3H1:off", "L3H1+1:off", "L3H1:off;L2:off", "L3H1:off,,L2:off", "L99999:off", "L٣:off", "L3H1:frozen",
     "L3H1:off\nL2:off", "<script>alert(1)</script>", "L3H1:off," * 1000, "L" + "9" * 5000],
)  # fmt: skip
def test_other_texts_are_refused_with_one_sentence(text):
    with pytest.raises(HeadscopeError) as caught:
        parse_interventions(text)
    assert len(str(caught.value)) < 400


def test_the_message_shows_little_of_a_long_text():
    with pytest.raises(HeadscopeError, match="such as “L3H1:off”") as caught:
        parse_interventions("<b>" * 500)
    assert str(caught.value).count("<b>") <= 14


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ScaleHeads("middle", 0, None), "A stack is encoder, decoder, cross"),
        (lambda: ScaleHeads(None, -1, None), "Name a layer"),
        (lambda: ScaleHeads(None, True, None), "Name a layer"),
        (lambda: ScaleHeads(None, 0, ()), "at least one"),
        (lambda: ScaleHeads(None, 0, (1, 1)), "once"),
        (lambda: ScaleHeads(None, 0, None, float("nan")), "finite number"),
        (lambda: ScaleHeads(None, 0, None, float("inf")), "finite number"),
        (lambda: frozen([[1.0]]), "head, query, key"),
        (lambda: frozen([[[1.0]], [[1.0]]]), "There are 1 heads and patterns of 2"),
        (lambda: frozen([[[float("nan")]]]), "no number at all"),
        (lambda: frozen([[[-0.1]]]), "one below"),
        (lambda: frozen([[[0.6, 0.6]]]), "sums to more than 1"),
    ],
)
def test_values_that_make_no_sense_are_refused(make, message):
    with pytest.raises(HeadscopeError, match=message):
        make()


def test_a_pattern_is_a_copy():
    weights = torch.full((1, 2, 2), 0.5)
    intervention = FrozenHeads(None, 0, (0,), weights)
    weights.zero_()
    assert intervention.weights.tolist() == [[[0.5, 0.5], [0.5, 0.5]]]
    assert str(intervention) == "L0H0:frozen"


def test_heads_are_switched_off_layer_by_layer():
    found = switch_off([("cross", 1, 3), (None, 0, 2), ("cross", 1, 0)])
    assert found == (ScaleHeads("cross", 1, (0, 3), 0.0), ScaleHeads(None, 0, (2,), 0.0))
    assert intervention_text(found) == "cross L1H0+3:off,L0H2:off"
