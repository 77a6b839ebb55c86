"""Alignment from cross-attention: rows stand for the token that was written, entropy and coverage by hand."""

import numpy as np
import pytest
import torch

from model.analysis.alignment import alignment_view, coverage, first_rows, row_entropy
from model.errors import HeadscopeError
from model.layers import DenseLayer
from model.tokens import Token
from model.trace import Trace
from tests.hand_views import PROVENANCE

WEIGHTS = torch.tensor([[[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]], [[0.0, 1.0], [0.5, 0.5], [0.75, 0.25]]])


def trace() -> Trace:
    sides = {"encoder": ("a", "b"), "decoder": ("<s>", "x", "y")}
    tokens = {side: tuple(Token(text, text, special=text == "<s>") for text in texts) for side, texts in sides.items()}
    return Trace((DenseLayer("cross", 1, "attention", WEIGHTS),), tokens, {}, PROVENANCE)


def test_a_row_stands_for_the_token_that_was_written_from_it():
    view = alignment_view(trace(), 1, 0)
    assert view.query_tokens == ("x", "y")
    assert view.key_tokens == ("a", "b")
    assert view.weights.tolist() == [[0.5, 0.5], [1.0, 0.0]]
    assert view.query_special == (False, False)


def test_the_mean_of_a_layer_and_the_first_rows():
    view = alignment_view(trace(), 1)
    assert view.weights.tolist() == [[0.25, 0.75], [0.75, 0.25]]
    assert first_rows(view, 1).query_tokens == ("x",)
    assert first_rows(view, 1).weights.tolist() == [[0.25, 0.75]]
    assert first_rows(view, 9).weights.shape == (2, 2)


def test_a_trace_without_cross_attention_is_refused():
    alone = Trace((DenseLayer("encoder", 0, "a", WEIGHTS[:, :2]),), {}, {}, PROVENANCE)
    with pytest.raises(HeadscopeError, match="cross"):
        alignment_view(alone, 0)


def test_entropy_is_zero_on_one_key_and_the_logarithm_on_all_alike():
    weights = np.array([[1.0, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]], dtype=np.float32)
    assert row_entropy(weights).tolist() == pytest.approx([0, 2, 1])


def test_coverage_adds_up_to_the_number_of_rows():
    weights = np.array([[0.5, 0.5], [1.0, 0.0]], dtype=np.float32)
    assert coverage(weights).tolist() == [1.5, 0.5]
    assert coverage(weights).sum() == 2
