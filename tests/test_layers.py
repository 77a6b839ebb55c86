"""Attention layers refuse tensors that do not fit together, and say what the masks of a model allow."""

from dataclasses import replace

import jaxtyping
import pytest
import torch

from model.layers import DenseLayer, LazyLayer

LAZY = LazyLayer(
    "decoder", 0, "attention", torch.ones(4, 5, 8), torch.ones(2, 6, 8), torch.ones(2, 6, 3), 0.5,
    mask=torch.ones(1, 5, 6, dtype=torch.bool), bias=torch.zeros(4, 5, 6), sinks=torch.zeros(4), softcap=2.0,
)  # fmt: skip
DENSE = DenseLayer("encoder", 0, "attention", torch.ones(4, 5, 6) / 6, mask=torch.ones(1, 5, 6, dtype=torch.bool))

UNFIT = [
    (dict(query=torch.ones(5, 8)), "query"),
    (dict(query=torch.ones(4, 0, 8)), "query"),
    (dict(query=torch.ones(4, 5, 8, dtype=torch.long)), "query"),
    (dict(query=torch.ones(3, 5, 8), bias=None, sinks=None), "multiple"),
    (dict(key=torch.ones(2, 6, 7)), "d_head"),
    (dict(key=torch.ones(3, 6, 8)), "multiple"),
    (dict(key=torch.ones(2, 6, 8)[None]), "key"),
    (dict(value=torch.ones(2, 7, 3)), "values"),
    (dict(value=torch.ones(3, 6, 3)), "multiple"),
    (dict(mask=torch.ones(1, 6, 5, dtype=torch.bool)), "mask"),
    (dict(mask=torch.ones(2, 5, 6, dtype=torch.bool)), "mask"),
    (dict(mask=torch.ones(5, 6, dtype=torch.bool)), "mask"),
    (dict(mask=torch.ones(1, 5, 6)), "mask"),
    (dict(bias=torch.zeros(4, 5, 7)), "bias"),
    (dict(bias=torch.zeros(4, 5, 6, dtype=torch.long)), "bias"),
    (dict(sinks=torch.zeros(5)), "sink"),
    (dict(scaling="large"), "scaling"),
    (dict(softcap="large"), "softcap"),
    (dict(stack="sideways"), "sideways"),
    (dict(index=-1), "index"),
    (dict(index="first"), "index"),
    (dict(module=7), "module"),
]


@pytest.mark.parametrize(("changed", "named"), UNFIT)
def test_tensors_that_do_not_fit_are_refused(changed, named, monkeypatch):
    # The checks of types that run only in tests would refuse some of these first.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=named):
        replace(LAZY, **changed)


@pytest.mark.parametrize(
    "changed",
    [
        dict(value=None),
        dict(value=torch.ones(2, 6, 9)),
        dict(value=torch.ones(4, 6, 3)),
        dict(mask=torch.ones(4, 5, 6, dtype=torch.bool)),
        dict(mask=torch.ones(1, 1, 6, dtype=torch.bool)),
        dict(bias=torch.zeros(1, 1, 6)),
        dict(query=torch.full((4, 5, 8), float("nan"))),
        dict(scaling=float("nan")),
        dict(sinks=None, softcap=None, bias=None, mask=None),
    ],
)
def test_shapes_that_broadcast_and_any_numbers_are_taken(changed):
    assert replace(LAZY, **changed).weights().shape == (4, 5, 6)
    assert replace(LAZY, **changed).weights(3).shape == (5, 6)
    assert replace(LAZY, **changed).allowed(3).shape == (5, 6)


@pytest.mark.parametrize(
    "changed",
    [dict(dense=torch.ones(5, 6)), dict(dense=torch.ones(4, 5, 6, dtype=torch.long)), dict(dense=torch.ones(4, 6, 5)),
     dict(mask=torch.ones(1, 5, 6)), dict(mask=torch.ones(3, 5, 6, dtype=torch.bool))],
)  # fmt: skip
def test_dense_weights_that_do_not_fit_are_refused(changed):
    with pytest.raises(ValueError, match="do not fit together"):
        replace(DENSE, **changed)


def test_allowed_joins_masks_biases_and_causality():
    smallest = torch.finfo(torch.float32).min
    query, key = torch.ones(2, 3, 4), torch.ones(2, 3, 4)
    causal = LazyLayer("decoder", 0, "attention", query, key, None, 1.0, causal=True)
    assert causal.allowed().tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    mask = torch.tensor([[[True, True, False]]])
    bias = torch.tensor([[[0.0, smallest, 0.0]], [[-100.0, 0.0, 0.0]]]).expand(2, 3, 3)
    both = LazyLayer("encoder", 0, "attention", query, key, None, 1.0, mask=mask, bias=bias)
    assert both.allowed(0).tolist() == [[True, False, False]] * 3
    assert both.allowed(1).tolist() == [[True, True, False]] * 3


def test_dense_weights_of_half_precision_come_as_float32():
    layer = DenseLayer("encoder", 0, "attention", torch.tensor([[[0.25, 0.75]]], dtype=torch.bfloat16))
    assert layer.weights().dtype == torch.float32
    assert layer.weights(0).tolist() == [[0.25, 0.75]]
    assert layer.allowed().tolist() == [[True, True]]
