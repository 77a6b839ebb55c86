"""The cost of a layer: exponents of known power laws, operations and bytes by hand, and a measurement that can be stopped."""

import math

import numpy as np
import pytest
import torch

from model.analysis.cost import LAYER_OF, CostSizes, layer_call, machine, measure_costs
from model.analysis.cost_formulas import (
    fitted_exponent,
    fitted_values,
    layer_operations,
    path_length,
    sequential_operations,
)
from model.analysis.peak_memory import peak_bytes
from model.errors import HeadscopeError

TINY = CostSizes(lengths=(4, 8), widths=(2, 4), fixed_length=4, fixed_width=4, seconds=0.01)
FLOAT = 4


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("count", [2, 3, 8, 11, 40])
def test_the_exponent_of_an_exact_power_law_is_found(exponent, count):
    sizes = [16 * 1.5**step for step in range(count)]
    found, low, high = fitted_exponent(sizes, [7e-6 * size**exponent for size in sizes])
    assert found == pytest.approx(exponent, abs=1e-9)
    if count <= 3:  # two points in the upper half
        assert (low, high) == (-math.inf, math.inf)
    else:
        assert low <= found <= high
        assert high - low < 1e-6


def test_only_the_upper_half_counts_whatever_the_order():
    sizes, values = [32, 4, 1, 8, 16, 2], [32**2, 5, 5, 8**2, 16**2, 5]
    assert fitted_exponent(sizes, values)[0] == pytest.approx(2, abs=1e-9)
    line = fitted_values(sizes, values)
    assert [size for size, _ in line] == [8, 16, 32]
    assert [value for _, value in line] == pytest.approx([64, 256, 1024])


def test_the_interval_by_hand():
    # Over the logs 0, 1, 2 (of e) the values 0, 1.5, 2: slope 1, residuals -1/6, 1/3, -1/6, error sqrt(1/6 / 2).
    sizes = [math.exp(x) for x in (-9, -8, 0, 1, 2)]
    found, low, high = fitted_exponent(sizes, [1.0, 1.0, 1.0, math.exp(1.5), math.exp(2)])
    assert found == pytest.approx(1, abs=1e-12)
    assert high - found == pytest.approx(12.706 * math.sqrt(1 / 12), rel=1e-12)
    assert found - low == pytest.approx(high - found, rel=1e-12)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    random, sizes, inside = np.random.default_rng(0), [2.0**step for step in range(10)], 0
    for _ in range(1000):
        values = [size**1.5 * math.exp(0.1 * random.standard_normal()) for size in sizes]
        _, low, high = fitted_exponent(sizes, values)
        inside += low <= 1.5 <= high
    assert 925 <= inside <= 975


@pytest.mark.parametrize(
    ("sizes", "values"), [([4], [1]), ([], []), ([4, 8], [1, 0]), ([4, 4], [1, 2]), ([1, 2], [1, math.nan])]
)
def test_too_few_or_bad_points_are_said(sizes, values):
    with pytest.raises(HeadscopeError, match="measure more sizes"):
        fitted_exponent(sizes, values)


def test_formulas_by_hand():
    assert layer_operations("self-attention", 10, 4, 3) == 400
    assert layer_operations("recurrence", 10, 4, 3) == 160
    assert layer_operations("convolution", 10, 4, 3) == 480
    assert [sequential_operations(kind, 10) for kind in ("self-attention", "recurrence", "convolution")] == [1, 10, 1]
    assert [path_length(kind, 10, 3) for kind in ("self-attention", "recurrence", "convolution")] == [1, 10, 3]
    assert [path_length("convolution", n, 3) for n in (1, 3, 4, 9, 10, 27, 3**20, 3**20 + 1)] == [
        1, 1, 2, 2, 3, 3, 20, 21,
    ]  # fmt: skip


def test_what_has_no_formula_is_said():
    with pytest.raises(HeadscopeError, match="no layer called"):
        layer_operations("pooling", 1, 1, 1)
    with pytest.raises(HeadscopeError, match="kernel of at least 2"):
        path_length("convolution", 9, 1)
    with pytest.raises(HeadscopeError, match="at least 1"):
        sequential_operations("recurrence", 0)


@pytest.mark.parametrize(("n", "d"), [(32, 8), (16, 16), (64, 4)])
def test_peak_memory_by_hand(n, d):
    with torch.no_grad():
        counted = {kind: peak_bytes(layer_call(kind, n, d, 3)) for kind in LAYER_OF}
    # Scores and weights stand beside each other: n^2 each.
    assert counted["explicit attention"] == FLOAT * 2 * n**2
    assert counted["convolution"] == FLOAT * n * d
    # Its gates for all positions (3 n d), each position's state and then all states as one: n d each, and a few of width d.
    assert FLOAT * 5 * n * d <= counted["recurrence"] <= FLOAT * (5 * n * d + 20 * d)
    assert FLOAT * n * d <= counted["fused attention"] < FLOAT * (n * d + 2 * n + 1)


def test_peak_memory_counts_what_is_alive_at_one_time():
    given = torch.zeros(10)

    def forward():
        first = given + 1
        second = first + 1
        del first
        return second[:5].add_(1) + torch.zeros(5)

    # Ten and ten; after that ten, five and five.
    assert peak_bytes(forward) == FLOAT * 20
    assert peak_bytes(lambda: given.view(2, 5)) == 0


def test_both_attentions_are_the_same_function_and_every_layer_keeps_its_length():
    with torch.no_grad():
        outputs = {kind: layer_call(kind, 6, 4, 3)() for kind in LAYER_OF}
    assert torch.allclose(outputs["fused attention"].squeeze(1), outputs["explicit attention"], atol=1e-6)
    assert outputs["recurrence"].shape == (6, 1, 4)
    assert outputs["convolution"].shape == (1, 4, 6)
    assert layer_call("convolution", 6, 4, 4)().shape == (1, 4, 6)


def test_measuring_gives_a_row_per_kind_and_size():
    told = []
    frame = measure_costs(TINY, lambda share, doing: told.append((share, doing)))
    assert list(frame.columns) == ["kind", "n", "d", "seconds", "bytes"]
    assert set(frame[["n", "d"]].itertuples(index=False, name=None)) == {(4, 2), (4, 4), (8, 4)}
    assert len(frame) == 3 * len(LAYER_OF)
    assert (frame["seconds"] > 0).all()
    assert (frame["bytes"] > 0).all()
    assert [share for share, _ in told] == sorted(share for share, _ in told)
    assert (told[0][0], told[-1][0]) == (0.0, 1.0)
    assert "n = 4, d = 2" in told[0][1]
    assert f"PyTorch {torch.__version__}" in machine()


def test_measuring_changes_no_random_draws():
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    measure_costs(TINY, lambda share, doing: None)
    assert torch.equal(torch.rand(2), wanted)


def test_what_progress_raises_ends_the_measurement():
    class Stop(Exception):
        pass

    calls = []

    def stop(share, doing):
        calls.append(share)
        if len(calls) == 3:
            raise Stop

    with pytest.raises(Stop):
        measure_costs(TINY, stop)
    assert len(calls) == 3


@pytest.mark.parametrize(
    "sizes", [CostSizes((), ()), CostSizes((0,), (4,)), CostSizes((4,), (0,)), CostSizes(kernel=0)]
)
def test_sizes_that_cannot_be_measured_are_said(sizes):
    with pytest.raises(HeadscopeError, match="at least 1"):
        measure_costs(sizes, lambda share, doing: None)
