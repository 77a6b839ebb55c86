"""What is kept of predictions: numbers worked out by hand, also with entries that a model bars."""

import math

import pytest
import torch

from model.lens_readings import lens_readings, log_probabilities, probabilities


def readings(rows, final_rows, truth, top=2):
    logs, final_logs = (log_probabilities(torch.tensor(table).log()) for table in (rows, final_rows))
    return lens_readings(logs, probabilities(final_logs), final_logs, torch.tensor(truth), top)


def test_entropy_and_divergence_in_bits():
    found = readings([[0.5, 0.25, 0.125, 0.125], [0.25] * 4], [[0.25, 0.5, 0.125, 0.125], [0.25] * 4], [1, 3])
    assert found.entropy.tolist() == pytest.approx([1.75, 2.0], abs=1e-6)
    # 1/4 log2(1/2) + 1/2 log2(2); the other way round it is the same here, and below it is not.
    assert found.divergence.tolist() == pytest.approx([0.25, 0.0], abs=1e-6)
    one_way = readings([[0.5, 0.5]], [[0.75, 0.25]], [0]).divergence.item()
    assert one_way == pytest.approx(0.75 * math.log2(1.5) + 0.25 * math.log2(0.5), abs=1e-6)


def test_rank_probability_and_top_tokens():
    found = readings([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]], [[0.1, 0.2, 0.3, 0.4]] * 2, [1, 0])
    assert found.rank.tolist() == [3, 1]
    assert found.truth_probability.tolist() == pytest.approx([0.2, 0.4])
    assert found.top_ids.tolist() == [[3, 2], [0, 1]]
    assert found.top_probabilities.flatten().tolist() == pytest.approx([0.4, 0.3, 0.4, 0.3])
    assert found.agrees.tolist() == [True, False]


def test_where_nothing_is_true_there_is_no_rank():
    found = readings([[0.75, 0.25]], [[0.75, 0.25]], [-1])
    assert found.rank.tolist() == [0]
    assert found.truth_probability.isnan().all()


def test_barred_entries_count_for_nothing():
    found = readings([[0.5, 0.5, 0.0]], [[0.25, 0.75, 0.0]], [2], top=9)
    assert found.entropy.item() == pytest.approx(1.0, abs=1e-6)
    assert found.divergence.item() == pytest.approx(0.25 * math.log2(0.5) + 0.75 * math.log2(1.5), abs=1e-6)
    assert found.truth_probability.item() == 0
    assert found.rank.item() == 3
    assert found.top_ids.shape == (1, 3)


def test_a_prediction_is_no_distance_from_itself_and_very_small_probabilities_are_no_trouble():
    logits = 200 * torch.randn(7, 1000, generator=torch.Generator().manual_seed(0))
    logs = log_probabilities(logits)
    found = lens_readings(logs, probabilities(logs), logs, logits.argmax(dim=-1), 3)
    assert (found.divergence == 0).all()
    assert (found.rank == 1).all()
    assert (found.entropy >= 0).all()
    expected = torch.special.entr(logits.double().softmax(dim=-1)).sum(dim=-1) / math.log(2)
    torch.testing.assert_close(found.entropy.double(), expected, atol=1e-5, rtol=1e-5)
