"""Statistics of heads: against numbers made by hand, against plain numpy, and against the scores of the same name."""

import numpy as np
import pytest
import torch

from model import record, wrap
from model.analysis.head_statistics import StatisticSums, head_statistics
from model.analysis.mask_facts import cell_starts, mask_facts
from model.analysis.trace_scores import trace_scores
from model.blocked_attention import HeadBlock, head_blocks
from model.layers import LazyLayer
from tests.tiny_models import tiny, tiny_inputs

NAMES = ("entropy", "previous", "first", "maximum")


def by_hand(weights: np.ndarray, masks: list[np.ndarray], stack: str) -> dict[str, np.ndarray]:
    """Return the statistics [head] of whole weights [head, query, key] as their definitions read."""
    allowed = np.logical_or.reduce(masks)
    valid = allowed.any(axis=1)
    weights = weights.astype(np.float64)[:, valid]
    allowed = allowed[valid]
    places = np.flatnonzero(valid)
    logarithms = np.log2(weights, out=np.zeros_like(weights), where=weights > 0)
    first = int(np.flatnonzero(allowed.any(axis=0))[0])
    before = [
        (row, place - 1)
        for row, place in enumerate(places)
        if place and allowed[row, min(place - 1, allowed.shape[1] - 1)]
    ]
    if stack == "cross":
        previous = np.full(len(weights), np.nan)
    else:
        previous = np.mean([weights[:, row, key] for row, key in before], axis=0)
    return {
        "entropy": -(weights * logarithms).sum(axis=2).mean(axis=1),
        "previous": previous,
        "first": weights[:, allowed[:, first], first].mean(axis=1),
        "maximum": weights.max(axis=2).mean(axis=1),
    }


def layer_of(scores: torch.Tensor, **options) -> LazyLayer:
    """Return a layer with these scores [head, query, key]: the queries are the scores, the keys single units."""
    heads, _, keys = scores.shape
    key = torch.eye(keys).expand(heads, -1, -1)
    return LazyLayer("decoder", 0, "attention", query=scores, key=key, value=None, scaling=1.0, **options)


def statistics(layer: LazyLayer, block_bytes: int | None = None) -> np.ndarray:
    facts = mask_facts(layer, 4)
    sums = StatisticSums(layer, facts, torch.device("cpu"))
    for block in head_blocks(layer, facts, block_bytes):
        sums.add(block.without(facts.valid))
    return sums.means()[:, 0]


def test_numbers_by_hand():
    # Weights 1 | 1/2 1/2 | 1/4 1/2 1/4: entropies 0, 1 and 1.5 bits.
    scores = torch.log(torch.tensor([[[1.0, 1, 1], [1, 1, 1], [1, 2, 1]]]))
    found = statistics(layer_of(scores, causal=True))
    assert found == pytest.approx([2.5 / 3, (0.5 + 0.5) / 2, (1 + 0.5 + 0.25) / 3, (1 + 0.5 + 0.5) / 3], abs=1e-6)


def test_a_sink_takes_its_share():
    # Two scores of 0 and a sink of 0: each key has a third, the rest is the sink's.
    found = statistics(layer_of(torch.zeros(1, 2, 2), sinks=torch.zeros(1)))
    assert found == pytest.approx([2 / 3 * np.log2(3), 1 / 3, 1 / 3, 1 / 3], abs=1e-6)


def test_rows_that_may_attend_to_nothing_do_not_count():
    mask = torch.tensor([[[False, False, False], [False, True, False], [False, True, True]]])
    found = statistics(layer_of(torch.zeros(1, 3, 3), mask=mask))
    # The first key that counts is 1; two rows are left, of entropies 0 and 1.
    assert found == pytest.approx([0.5, 0.5, 0.75, 0.75], abs=1e-6)


@pytest.mark.parametrize("shift", [0.0, 60.0, 5000.0, -5000.0])
def test_scores_far_from_zero_lose_no_digits(shift):
    torch.manual_seed(0)
    scores = 3 * torch.randn(2, 40, 40)
    # Rounded once, so that both see the same scores.
    shifted = scores + shift
    expected = statistics(layer_of(shifted.double() - shift))
    assert statistics(layer_of(shifted)) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("block_bytes", [1, 4 * 40 * 7, 2**21])
@pytest.mark.parametrize("kind", ["causal", "everything", "window", "padding"])
def test_blocks_of_any_size_give_the_same(kind, block_bytes):
    torch.manual_seed(1)
    places = torch.arange(40)
    apart = places[:, None] - places
    mask = {
        "causal": None, "everything": None, "window": (apart >= 0) & (apart < 6),
        "padding": (apart >= 0) & (places >= 5),
    }[kind]  # fmt: skip
    layer = layer_of(3 * torch.randn(2, 40, 40), causal=kind == "causal", mask=None if mask is None else mask[None])
    expected = by_hand(layer.weights().numpy(), [layer.allowed().numpy()], "decoder")
    for name, found in zip(NAMES, statistics(layer, block_bytes), strict=True):
        assert found == pytest.approx(expected[name][0], abs=2e-6)
    facts = mask_facts(layer, 4)
    spans = {(block.rows.start, block.rows.stop): block.keys for block in head_blocks(layer, facts, 4 * 40 * 7)}
    # What the mask forbids at both ends is not computed; a row without keys needs all of them.
    last = spans[max(spans)]
    assert last.stop == 40
    assert last.start == {"window": 30, "padding": 5}.get(kind, 0)
    assert spans[min(spans)].stop == {"everything": 40, "padding": 40}.get(kind, 7)


def test_a_plainly_causal_mask_is_taken_for_one():
    square = torch.ones(1, 9, 9, dtype=torch.bool)
    assert mask_facts(layer_of(torch.zeros(1, 9, 9), mask=square.tril()), 4).causal
    assert not mask_facts(layer_of(torch.zeros(1, 9, 9), mask=square.tril(-1)), 4).causal
    assert not mask_facts(layer_of(torch.zeros(1, 9, 9), mask=square), 4).causal
    given, known = (
        mask_facts(layer_of(torch.zeros(1, 9, 9), **options), 4)
        for options in ({"mask": square.tril()}, {"causal": True})
    )
    assert np.array_equal(given.cells, known.cells)
    assert np.array_equal(given.last, known.last)
    assert (given.first_rows, given.previous_rows) == (known.first_rows, known.previous_rows) == (9, 8)


def test_cells_count_what_may_be_attended_to():
    facts = mask_facts(layer_of(torch.zeros(1, 5, 5), causal=True), 2)
    # Cells of three and two: rows 0 to 2 and 3 to 4.
    assert cell_starts(5, 2).tolist() == [0, 3]
    assert facts.cells.tolist() == [[6, 0], [6, 3]]


@pytest.mark.parametrize(("name", "padding"), [("bert", "none"), ("bert", "left"), ("gpt2", "left"), ("bloom", "none")])
def test_scores_of_the_same_name_are_the_same(name, padding):
    trace = record(wrap(tiny(name)), tiny_inputs(name, padding))
    found, told = head_statistics(trace, progress=(shares := []).append), {}
    for index, sums in trace_scores(trace).items():
        told[index] = dict(zip(sums.names, sums.values[:, 0] / np.maximum(sums.counts[:, :1], 1), strict=True))
    assert found.layers == tuple(told)
    assert shares[-1] == 1
    for place, index in enumerate(found.layers):
        for own, score in (("entropy", "entropy"), ("previous", "previous token"), ("first", "first token")):
            np.testing.assert_allclose(getattr(found, own)[place], told[index][score], atol=2e-6)


def test_a_block_is_read_and_never_written_to():
    weights = torch.softmax(torch.randn(1, 4, 4), dim=-1)
    before, layer = weights.clone(), layer_of(torch.zeros(1, 4, 4))
    block = HeadBlock(slice(0, 1), slice(0, 4), slice(0, 4), weights, torch.log(weights))
    StatisticSums(layer, mask_facts(layer, 4), torch.device("cpu")).add(block)
    assert torch.equal(weights, before)
