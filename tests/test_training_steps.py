"""What one step of training is made of: schedule, loss, dropout, batches."""

import numpy as np
import pytest
import torch

from model.architectures.dropout import Dropout
from model.training.batches import IGNORED, batch_order, pair_batch
from model.training.loss import smoothed_cross_entropy
from model.training.schedule import noam_rate


def test_the_schedule_of_the_paper():
    assert noam_rate(4000, 512, 4000) == pytest.approx(512**-0.5 * 4000**-0.5)
    assert noam_rate(1000, 512, 4000) == pytest.approx(noam_rate(4000, 512, 4000) / 4)
    assert noam_rate(16000, 512, 4000) == pytest.approx(noam_rate(4000, 512, 4000) / 2)
    assert noam_rate(10, 128, 100, factor=2) == pytest.approx(2 * 128**-0.5 * 10 / 1000)


def test_smoothed_loss_by_hand():
    logits = torch.log(torch.tensor([[[0.5, 0.25, 0.25], [0.2, 0.2, 0.6], [0.9, 0.05, 0.05]]]))
    labels = torch.tensor([[0, 2, IGNORED]])
    plain = -(np.log(0.5) + np.log(0.6)) / 2
    assert float(smoothed_cross_entropy(logits, labels)) == pytest.approx(plain, abs=1e-6)
    uniform = -(np.log([0.5, 0.25, 0.25]).mean() + np.log([0.2, 0.2, 0.6]).mean()) / 2
    assert float(smoothed_cross_entropy(logits, labels, 0.3)) == pytest.approx(0.7 * plain + 0.3 * uniform, abs=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("count", [3, 200])
def test_loss_and_gradient_are_those_of_torch(count, smoothing):
    torch.manual_seed(0)
    logits, labels = torch.randn(count, 50) * 5, torch.randint(0, 50, (count,))
    labels[1] = IGNORED
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    found = smoothed_cross_entropy(ours, labels, smoothing)
    expected = torch.nn.functional.cross_entropy(theirs, labels, ignore_index=IGNORED, label_smoothing=smoothing)
    (2 * found).backward()
    (2 * expected).backward()
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-7)
    assert not ours.grad[1].any()


def test_dropout_keeps_its_share_and_the_mean():
    torch.manual_seed(0)
    states = torch.ones(1000, 401)
    found = Dropout(0.3).train()(states)
    share = 1 - 77 / 256
    assert found.unique().tolist() == pytest.approx([0, 1 / share])
    for column in range(8):  # every byte of the 64-bit numbers that are drawn
        assert float((found.flatten()[column::8] > 0).float().mean()) == pytest.approx(share, abs=0.01)
    assert float(found.mean()) == pytest.approx(1, abs=0.01)
    assert torch.equal(Dropout(0.3).eval()(states), states)
    assert torch.equal(Dropout(0.0).train()(states), states)


def test_every_pair_is_in_one_batch_and_little_is_padding():
    random = np.random.default_rng(0)
    lengths = random.integers(3, 40, (3000, 1)) + random.integers(-2, 3, (3000, 2))
    batches = batch_order(lengths, 2000, (1, 0))
    assert sorted(np.concatenate(batches)) == list(range(3000))
    padded = [len(batch) * lengths[batch].max(axis=0).sum() for batch in batches]
    assert max(padded) <= 2000
    assert sum(padded) < 1.08 * lengths.sum()
    same, other, later = (batch_order(lengths, 2000, seed) for seed in ((1, 0), (2, 0), (1, 1)))
    assert all(map(np.array_equal, batches, same))
    for order in (other, later):
        assert not all(one.tolist() == two.tolist() for one, two in zip(batches, order, strict=False))


def test_a_pair_longer_than_the_budget_is_a_batch_of_its_own():
    batches = batch_order(np.array([[5, 5], [90, 90], [5, 5]]), 40, (0, 0))
    assert sorted(map(len, batches)) == [1, 2]


def test_a_batch_of_pairs():
    batch = pair_batch([[7, 8, 2], [9, 2]], [[5, 2], [6, 4, 2]], start=1, padding=0)
    assert batch.source.tolist() == [[7, 8, 2], [9, 2, 0]]
    assert batch.mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    # What the decoder reads beyond a sentence's end predicts nothing.
    assert batch.target.tolist() == [[1, 5, 2], [1, 6, 4]]
    assert batch.labels.tolist() == [[5, 2, IGNORED], [6, 4, 2]]
    assert batch.tokens == 5
    assert pair_batch([[7, 2], [9, 2]], [[5, 2], [6, 2]], start=1, padding=0).mask is None
