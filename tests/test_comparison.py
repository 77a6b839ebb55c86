"""Two views on common axes, their difference, and what differs most: by hand, and by identities."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from model import HeadscopeError, record
from model.analysis.comparison import PARTS, compare_views
from model.analysis.differences import difference_summary, largest_cells, largest_rows, row_divergence
from model.analysis.head_divergence import divergence_sums
from model.analysis.views import attention_view
from model.tokens import Token
from tests.hand_views import hand_view, random_view
from tests.tiny_tokenizers import tiny_bert_for

NAN = np.nan
FIRST = hand_view([[1, 0, 0], [0.5, 0.25, 0.25], [0, 0, 1]], tokens=("[CLS]", "nurse", "ran"), special={0})
SECOND = hand_view(
    [[0.5, 0, 0, 0.5], [0, 1, 0, 0], [0.25, 0.25, 0.25, 0.25], [0, 0.5, 0, 0.5]], tokens=("<s>", "he", "nurse", "ran"),
    special={0},
)  # fmt: skip


def same(found, expected):
    np.testing.assert_allclose(found, np.array(expected, dtype=float), atol=1e-6)


def test_two_sentences_on_common_axes():
    pair = compare_views(FIRST, SECOND)
    assert pair.query == pair.key
    assert pair.key.names == ("[CLS] | <s>", "he", "nurse", "ran")
    assert pair.key.special == (True, False, False, False)
    assert pair.key.first == ((0,), (), (1,), (2,))
    assert pair.key.second == ((0,), (1,), (2,), (3,))
    assert pair.key.shared.tolist() == [True, False, True, True]
    same(pair.first, [[1, NAN, 0, 0], [NAN] * 4, [0.5, NAN, 0.25, 0.25], [0, NAN, 0, 1]])
    same(pair.second, SECOND.weights)
    same(pair.difference, [[-0.5, NAN, 0, 0.5], [NAN] * 4, [-0.25, NAN, 0, 0], [0, NAN, 0, -0.5]])
    assert {array.dtype for array in (pair.first, pair.second, pair.difference)} == {np.dtype(np.float32)}


def test_cut_to_the_common_words_and_renormalised():
    pair = compare_views(FIRST, SECOND, part="common")
    assert pair.key.names == ("[CLS] | <s>", "nurse", "ran")
    same(pair.first, FIRST.weights)
    same(pair.second, [[0.5, 0, 0.5], [0.25, 0.25, 0.25], [0, 0, 0.5]])
    pair = compare_views(FIRST, SECOND, part="common renormalised")
    same(pair.second, [[0.5, 0, 0.5], [1 / 3, 1 / 3, 1 / 3], [0, 0, 1]])
    same(pair.difference, [[-0.5, 0, 0.5], [-1 / 6, 1 / 12, 1 / 12], [0, 0, 0]])


def test_the_summary_by_hand():
    summary = difference_summary(compare_views(FIRST, SECOND))
    # Rows, last what goes to "he": [1 0 0 0] and [.5 0 .5 0]; [.5 .25 .25 0] and [.25 .25 .25 .25]; [0 0 1 0], [0 0 .5 .5].
    same(summary.mean_absolute, [1 / 3, NAN, 1 / 12, 1 / 6])
    same(summary.total_variation, [0.5, NAN, 0.25, 0.5])
    divergences = [jensenshannon(one, other, base=2) ** 2 for one, other in (
        ([1, 0, 0, 0], [0.5, 0, 0.5, 0]), ([0.5, 0.25, 0.25, 0], [0.25] * 4), ([0, 0, 1, 0], [0, 0, 0.5, 0.5]),
    )]  # fmt: skip
    same(summary.jensen_shannon, [divergences[0], NAN, *divergences[1:]])
    assert summary.shared == (pytest.approx(1), pytest.approx((1 + 0.75 + 0.5) / 3))
    cells = np.array([[1, 0, 0, 0.5, 0.25, 0.25, 0, 0, 1], [0.5, 0, 0.5, 0.25, 0.25, 0.25, 0, 0, 0.5]])
    assert summary.correlation == pytest.approx(np.corrcoef(cells)[0, 1])
    assert summary.means["total_variation"] == pytest.approx(1.25 / 3)
    assert summary.means["mean_absolute"] == pytest.approx((1 / 3 + 1 / 12 + 1 / 6) / 3)


def test_what_changed_most_by_name():
    pair = compare_views(FIRST, SECOND)
    rows = largest_rows(pair, 2)
    assert rows.values.tolist() == [[0, "[CLS] | <s>", 0.5], [3, "ran", 0.5]]
    cells = largest_cells(pair, 4)
    assert cells.columns.tolist() == ["query", "query_token", "key", "key_token", "first", "second", "difference"]
    assert cells.values.tolist() == [
        [0, "[CLS] | <s>", 0, "[CLS] | <s>", 1.0, 0.5, -0.5], [0, "[CLS] | <s>", 3, "ran", 0.0, 0.5, 0.5],
        [3, "ran", 3, "ran", 1.0, 0.5, -0.5], [2, "nurse", 0, "[CLS] | <s>", 0.5, 0.25, -0.25],
    ]  # fmt: skip
    assert len(largest_rows(pair)) == 3
    assert len(largest_cells(pair, 99)) == 9


def test_what_is_masked_in_one_alone_counts_as_zero():
    first = hand_view([[1, 0], [0.5, 0.5]], mask=[[True, False], [True, True]])
    second = hand_view([[0.25, 0.75], [1, 0]], mask=[[True, True], [True, False]])
    pair = compare_views(first, second)
    same(pair.first, [[1, NAN], [0.5, 0.5]])
    same(pair.second, [[0.25, 0.75], [1, NAN]])
    same(pair.difference, [[-0.75, 0.75], [0.5, -0.5]])
    same(difference_summary(pair).total_variation, [0.75, 0.5])
    causal = random_view(4, 4, causal=True)
    pair = compare_views(causal, causal)
    assert np.array_equal(np.isnan(pair.difference), ~causal.mask)
    assert not np.nan_to_num(pair.difference).any()


def test_a_row_without_anything_to_attend_to_has_no_figures():
    view = hand_view([[0.5, 0.5], [0.5, 0.5]], mask=[[False, False], [True, True]])
    summary = difference_summary(compare_views(view, view))
    same(summary.total_variation, [NAN, 0])
    assert len(largest_rows(compare_views(view, view))) == 1


@pytest.mark.parametrize("part", PARTS)
def test_a_view_against_itself_differs_in_nothing_and_the_other_way_round_has_the_other_sign(part):
    view, other = random_view(6, 6), hand_view(np.flip(random_view(6, 6).weights).copy())
    summary = difference_summary(compare_views(view, view, part=part))
    assert summary.means == {
        "mean_absolute": 0, "total_variation": 0, "jensen_shannon": 0, "correlation": pytest.approx(1),
    }  # fmt: skip
    there, back = compare_views(view, other, part=part), compare_views(other, view, part=part)
    assert np.array_equal(there.difference, -back.difference)
    one, two = difference_summary(there), difference_summary(back)
    assert one.means == pytest.approx(two.means)
    same(one.total_variation, np.abs(there.difference).sum(axis=1) / 2)
    assert (np.abs(there.difference) <= 1).all()


def test_rows_without_a_key_in_common_are_one_apart():
    first, second = hand_view([[1, 0], [0, 1]]), hand_view([[0, 1], [1, 0]])
    summary = difference_summary(compare_views(first, second))
    assert summary.means == {
        "mean_absolute": 1, "total_variation": 1, "jensen_shannon": 1, "correlation": pytest.approx(-1),
    }  # fmt: skip


def test_a_constant_view_has_no_correlation():
    view = hand_view(np.full((2, 2), 0.5))
    assert np.isnan(difference_summary(compare_views(view, view)).correlation)


def test_row_by_row_the_divergence_is_that_between_heads():
    first, second = random_view(5, 7).weights, np.flip(random_view(5, 7).weights, axis=0).copy()
    sums, rows = divergence_sums(np.stack([first, second]))
    found = row_divergence(first.astype(np.float64), second.astype(np.float64))
    assert found.mean() == pytest.approx(sums[0, 1] / rows, abs=1e-6)
    with pytest.raises(HeadscopeError, match="no word in common"):
        compare_views(hand_view([[1]], tokens=("a",)), hand_view([[1]], tokens=("b",)))
    with pytest.raises(HeadscopeError, match="Choose all, common"):
        compare_views(FIRST, SECOND, part="rest")


def test_tokens_that_one_model_divides_are_summed_to_and_averaged_from():
    first = hand_view([[0.5, 0.5], [0.25, 0.75]], tokens=("play", "it"))
    second = hand_view([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]], tokens=("pl", "##ay", "it"))
    one = (Token("play", "play", span=(0, 4)), Token("it", "it", span=(5, 7)))
    other = (Token("pl", "pl", span=(0, 2)), Token("##ay", "##ay", span=(2, 4)), Token("it", "it", span=(5, 7)))
    pair = compare_views(first, second, first_tokens=(one, one), second_tokens=(other, other), same_text=True)
    assert pair.key.names == ("play", "it")
    assert pair.key.second == ((0, 1), (2,))
    same(pair.second, [[(0.75 + 0.3) / 2, (0.25 + 0.7) / 2], [0.6, 0.4]])
    same(pair.first, first.weights)


@pytest.mark.parametrize("words", [False, True])
def test_two_models_on_one_text(words):
    text = "The animal didn't cross the rainy streets."
    views, tokens = [], []
    for kind in ("word piece", "byte level"):
        trace = record(tiny_bert_for(kind), text)
        views.append(attention_view(trace, 0, 1, words=words))
        tokens.append((trace.sequence(0, "query"), trace.sequence(0, "key")))
    pair = compare_views(*views, first_tokens=tokens[0], second_tokens=tokens[1], same_text=True)
    # Byte-level BPE has no special tokens here; all the rest is common to both.
    assert [name for name, shared in zip(pair.key.names, pair.key.shared, strict=True) if not shared] == [
        "[CLS]",
        "[SEP]",
    ]
    same(np.nansum(pair.second, axis=1)[pair.query.shared], np.ones(pair.query.shared.sum()))
    same(np.nansum(pair.first, axis=1), np.ones(len(pair.query.names)))
    summary = difference_summary(pair)
    assert summary.shared[0] < 1
    assert summary.shared[1] == pytest.approx(1, abs=1e-5)
    assert 0 < summary.means["total_variation"] <= 1


def test_cross_attention_keeps_its_two_sides_apart():
    first, second = hand_view([[0.5, 0.5]], ("a",), ("x", "y")), hand_view([[1.0]], ("a",), ("y",))
    pair = compare_views(first, second)
    assert (pair.query.names, pair.key.names) == (("a",), ("x", "y"))
    same(pair.difference, [[NAN, 0.5]])
