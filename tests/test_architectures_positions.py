"""Sinusoidal, rotary and ALiBi positions by hand numbers and by the properties their papers state."""

import math

import pytest
import torch

from model.architectures.positions import alibi_bias, alibi_slopes, rotated, rotation, sinusoids


def test_sinusoids_by_hand():
    found = sinusoids(torch.tensor([0, 1, 100]), 4)
    assert found[0].tolist() == [0.0, 1.0, 0.0, 1.0]
    by_hand = [math.sin(1), math.cos(1), math.sin(1 / 100), math.cos(1 / 100)]
    assert found[1].tolist() == pytest.approx(by_hand, abs=1e-6)
    assert found[2].tolist() == pytest.approx([math.sin(100), math.cos(100), math.sin(1), math.cos(1)], abs=1e-5)


@pytest.mark.parametrize("offset", [1, 7, -3])
def test_an_offset_is_one_rotation_for_every_position(offset):
    positions = torch.arange(5, 25)
    before, after = sinusoids(positions, 6), sinusoids(positions + offset, 6)
    rotations = []
    for pair in range(3):
        angle = offset / 10000 ** (2 * pair / 6)
        rotations.append(torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]))
    matrix = torch.block_diag(*rotations)
    assert (before @ matrix.T - after).abs().max() < 1e-5
    assert (before @ torch.block_diag(*rotations[::-1]).T - after).abs().max() > 0.1


def test_rotary_scores_depend_on_the_distance_alone():
    query, key = torch.randn(2, 1, 1, 1, 8)

    def score(first: int, second: int) -> float:
        turned = [rotated(states, *rotation(torch.tensor([[at]]), 8)) for states, at in ((query, first), (key, second))]
        return float((turned[0] * turned[1]).sum())

    assert score(3, 9) == pytest.approx(score(40, 46), abs=1e-4)
    assert abs(score(3, 9) - score(3, 12)) > 1e-3
    assert score(5, 5) == pytest.approx(float((query * key).sum()), abs=1e-5)


def test_rotary_by_hand():
    turned = rotated(torch.tensor([[[[1.0, 0.0, 0.0, 2.0]]]]), *rotation(torch.tensor([[3]]), 4))
    slow = 3 / 100
    by_hand = [math.cos(3), math.sin(3), -2 * math.sin(slow), 2 * math.cos(slow)]
    assert turned.flatten().tolist() == pytest.approx(by_hand, abs=1e-6)


def test_alibi_slopes_of_the_paper():
    assert alibi_slopes(8).tolist() == [2.0**-power for power in range(1, 9)]
    # Eight slopes for the next lower power of two, then every other of the sixteen.
    assert alibi_slopes(12)[8:].tolist() == pytest.approx([2.0 ** (-power / 2) for power in (1, 3, 5, 7)])
    assert alibi_slopes(1).tolist() == [2.0**-8]


def test_alibi_bias_falls_with_distance():
    bias = alibi_bias(torch.tensor([[2, 3]]), torch.tensor([[0, 1, 2, 3]]), 2)
    assert bias.shape == (1, 2, 2, 4)
    assert bias[0, 0].tolist() == [[-2 / 16, -1 / 16, 0, -1 / 16], [-3 / 16, -2 / 16, -1 / 16, 0]]
    assert bias[0, 1, 1].tolist() == [-3 / 256, -2 / 256, -1 / 256, 0]
