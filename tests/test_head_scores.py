"""Scores of made heads: by hand, against plain loops, in blocks, for several texts at once, and under uniform attention."""

import math

import numpy as np
import pytest
import torch

from model.analysis.head_scores import TokenScores, uniform_baselines
from model.analysis.score_catalog import SCORES
from model.analysis.score_names import score_names
from model.analysis.score_sums import moments_of
from model.analysis.token_facts import token_facts
from model.analysis.token_targets import TokenTargets
from tests.made_weights import causal_mask, looking_at, looped_scores, random_weights, sequence

# Two texts: a special token at both ends, a comma, a word that comes again, and one twice in a row.
TEXTS = (
    sequence(99, 20, 5, 21, 20, 22, 22, 98, special=(0, 7)),
    sequence(99, 30, 31, 32, 30, 31, 6, 98, special=(0, 7)),
)
FREQUENCIES = {20: 50, 5: 100, 21: 3, 22: 3, 30: 4, 31: 9, 6: 80}
SIZE = 8


def scored(weights, targets: TokenTargets, block: int | None = None) -> dict[str, np.ndarray]:
    """Return {score: [text, head]}, the rows added in blocks."""
    sums = added(weights, targets, block)
    with np.errstate(invalid="ignore"):
        return dict(zip(sums.names, sums.values / sums.counts[..., None], strict=True))


def added(weights, targets: TokenTargets, block: int | None = None):
    scores = TokenScores(targets)
    block = block or weights.shape[2]
    for start in range(0, weights.shape[2], block):
        scores.add(weights[:, :, start : start + block], start)
    return scores.sums()


def targets_of(*sequences, allowed=None, frequencies=FREQUENCIES) -> TokenTargets:
    facts = token_facts(sequences, frequencies)
    return TokenTargets(facts, facts, same_sequence=True, allowed=allowed)


def one_score(weights, *ids, special=(), allowed=None) -> dict[str, float]:
    targets = targets_of(sequence(*ids, special=special), allowed=allowed)
    found = scored(torch.as_tensor(weights, dtype=torch.float32)[None, None], targets)
    return {name: values[0, 0] for name, values in found.items()}


def test_scores_by_hand():
    weights = [[0.0, 0.5, 0.25, 0.25], [1.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.0, 0.0, 0.5]]
    #          [CLS], a comma, a word, [SEP]; the word is the rarest
    found = one_score(weights, 99, 5, 20, 98, special=(0, 3))
    assert found["entropy"] == pytest.approx((1.5 + 0 + 2 + 1) / 4)
    assert found["distance"] == pytest.approx((0.5 + 0.5 + 0.75 + 1 + 0.5 + 0.25 + 0.25 + 1.5) / 4)
    assert found["previous token"] == pytest.approx((1 + 0.25 + 0) / 3)
    assert found["next token"] == pytest.approx((0.5 + 0 + 0.25) / 3)
    assert found["same token"] == pytest.approx((0 + 0 + 0.25 + 0.5) / 4)
    assert found["first token"] == pytest.approx((0 + 1 + 0.25 + 0.5) / 4)
    assert found["last token"] == found["separators"] == pytest.approx((0.25 + 0 + 0.25 + 0.5) / 4)
    assert found["punctuation"] == pytest.approx((0.5 + 0 + 0.25 + 0) / 4)
    assert found["rarest token"] == pytest.approx((0.25 + 0 + 0.25 + 0) / 4)
    assert found["sink"] == pytest.approx((0 + 1 + 0.25 + 0.5) / 4)
    # The maxima: 1 at offset +1; 0 at -1; all four of row 2; 0 and 3 of row 3.
    assert found["offset +1"] == pytest.approx((1 + 0 + 0.25) / 3)
    assert found["offset -1"] == pytest.approx((1 + 0.25 + 0) / 3)
    assert found["offset 0"] == pytest.approx((0 + 0 + 0.25 + 0.5) / 4)
    assert found["offset -3"] == pytest.approx(0.5)
    assert np.isnan(found["offset -4"])
    assert np.isnan(found["duplicate tokens"])


def test_duplicates_and_what_follows_them_by_hand():
    ids, weights = (20, 21, 20, 22, 20), np.full((5, 5), 0.2)
    weights[2] = [0.1, 0.6, 0, 0.2, 0.1]
    weights[4] = [0.3, 0.25, 0.05, 0.15, 0.25]
    found = one_score(weights, *ids)
    # Rows 0, 2 and 4 have the same token elsewhere; after an earlier place of theirs stand 1 (row 2), and 1 and 3 (row 4).
    assert found["duplicate tokens"] == pytest.approx((0.4 + 0.2 + 0.35) / 3)
    assert found["prefix matching"] == pytest.approx((0.6 + 0.4) / 2)
    lower = np.tril(weights)
    found = one_score(lower / lower.sum(axis=1, keepdims=True), *ids, allowed=causal_mask(5))
    assert found["duplicate tokens"] == pytest.approx((0.1 / 0.7 + 0.35) / 2)
    # Special tokens and tokens without an id are like no other; the key that follows may be special.
    special = one_score(weights, *ids, special=(0, 2, 3, 4))
    assert np.isnan(special["duplicate tokens"])
    assert one_score(weights, *ids, special=(3,))["prefix matching"] == pytest.approx((0.6 + 0.4) / 2)
    assert np.isnan(one_score(weights, -1, 21, -1, 22, -1)["duplicate tokens"])


def test_a_head_that_looks_at_the_token_before():
    found = one_score(looking_at(-1, SIZE), *range(20, 20 + SIZE))
    for name in ("previous token", "offset -1"):
        assert found[name] == 1
    assert found["entropy"] == 0
    assert found["distance"] == pytest.approx((SIZE - 1) / SIZE)
    assert found["offset +1"] == found["next token"] == found["offset -2"] == 0
    assert found["sink"] == pytest.approx(2 / SIZE)


def test_what_goes_to_a_sink_logit_counts_as_a_key():
    weights = np.eye(4) * 0.25
    found = one_score(weights, 20, 21, 22, 23)
    assert found["sink"] == pytest.approx(0.75)
    assert found["distance"] == 0
    assert found["entropy"] == pytest.approx(0.5)
    # A head whose logit takes everything has no maximum anywhere.
    empty = one_score(np.zeros((4, 4)), 20, 21, 22, 23)
    assert empty["sink"] == 1
    assert empty["offset 0"] == empty["offset -1"] == 0


CASES = {
    "encoder": (None, SIZE),
    "causal": (causal_mask(SIZE), SIZE),
    "left padding": (causal_mask(SIZE, padding=2), SIZE),
    "padding of one text": (
        torch.cat([torch.ones(1, 8, 8), torch.ones(1, 8, 8) * (torch.arange(8) < 6)]).bool(),
        SIZE,
    ),
    "window": (causal_mask(SIZE) & ~causal_mask(SIZE).tril(-3), SIZE),
}


@pytest.mark.parametrize("block", [None, 1, 3])
@pytest.mark.parametrize("case", CASES)
def test_sums_are_those_of_plain_loops(case, block):
    allowed, size = CASES[case]
    weights = random_weights(2, 3, size, size, allowed)
    facts = token_facts(TEXTS, FREQUENCIES)
    targets = TokenTargets(facts, facts, same_sequence=True, allowed=allowed)
    sums = added(weights, targets, block)
    assert sums.names == score_names(same_sequence=True)
    for text in range(2):
        for head in range(3):
            looped = looped_scores(weights[text, head], facts, facts, allowed, text, same=True)
            for place, name in enumerate(sums.names):
                assert sums.values[place, text, head] == pytest.approx(looped[name][0], abs=1e-5), name
                assert sums.counts[place, text] == looped[name][1], name


@pytest.mark.parametrize("block", [None, 2])
@pytest.mark.parametrize("padded", [False, True])
def test_cross_attention_has_the_scores_that_make_sense_there(padded, block):
    query = token_facts([sequence(20, 21, 22), sequence(23, 24, 25)], FREQUENCIES)
    key = token_facts(TEXTS, FREQUENCIES)
    allowed = (torch.arange(SIZE) < 6).expand(1, 3, SIZE) if padded else None
    weights = random_weights(2, 2, 3, SIZE, allowed)
    sums = added(weights, TokenTargets(query, key, same_sequence=False, allowed=allowed), block)
    assert sums.names == score_names(same_sequence=False)
    assert not {"distance", "previous token", "same token", "duplicate tokens", "prefix matching"} & set(sums.names)
    for text in range(2):
        looped = looped_scores(weights[text, 1], query, key, allowed, text, same=False)
        assert set(looped) == set(sums.names)
        for place, name in enumerate(sums.names):
            assert sums.values[place, text, 1] == pytest.approx(looped[name][0], abs=1e-5), name
            assert sums.counts[place, text] == looped[name][1], name


@pytest.mark.parametrize("case", CASES)
def test_uniform_attention_scores_the_baseline(case):
    allowed, size = CASES[case]
    targets = targets_of(*TEXTS, allowed=allowed)
    whole = torch.ones(1, size, size, dtype=torch.bool) if allowed is None else allowed
    weights = whole / whole.sum(dim=2, keepdim=True).clamp(min=1)
    sums = added(weights[:, None].expand(2, 4, -1, -1), targets)
    np.testing.assert_allclose(sums.values, np.repeat(sums.baselines[..., None], 4, axis=2), rtol=1e-6)
    np.testing.assert_array_equal(sums.baselines, uniform_baselines(targets))
    assert moments_of(sums).means == pytest.approx(
        np.repeat(moments_of(sums).baselines[:, None], 4, axis=1), nan_ok=True
    )


def test_baselines_by_hand():
    targets = targets_of(sequence(20, 21, 22, 23), allowed=causal_mask(4))
    found = dict(zip(targets.names, uniform_baselines(targets)[:, 0] / targets.counts[:, 0].clip(1), strict=True))
    assert found["entropy"] == pytest.approx((0 + 1 + math.log2(3) + 2) / 4)
    assert found["previous token"] == found["offset -1"] == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 3)
    assert found["first token"] == found["sink"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert found["distance"] == pytest.approx((0 + 1 / 2 + 1 + 3 / 2) / 4)


def test_baselines_of_long_texts_come_in_blocks(monkeypatch):
    targets = targets_of(*TEXTS, allowed=causal_mask(SIZE))
    whole = uniform_baselines(targets)
    monkeypatch.setattr("model.analysis.head_scores._UNIFORM_BLOCK", 3 * 2 * SIZE)
    np.testing.assert_allclose(uniform_baselines(targets), whole, rtol=1e-6)


def test_what_is_handed_in_is_taken_as_the_baseline():
    targets = targets_of(*TEXTS)
    given = np.arange(len(targets.names) * 2, dtype=np.float64).reshape(-1, 2)
    scores = TokenScores(targets, given)
    scores.add(random_weights(2, 2, SIZE, SIZE), 0)
    assert scores.sums().baselines is given


@pytest.mark.parametrize("case", CASES)
def test_several_texts_at_once_are_each_alone(case):
    allowed, size = CASES[case]
    weights = random_weights(2, 3, size, size, allowed)
    together = added(weights, targets_of(*TEXTS, allowed=allowed))
    for text in range(2):
        own = None if allowed is None else allowed[min(text, len(allowed) - 1)][None]
        alone = added(weights[text : text + 1], targets_of(TEXTS[text], allowed=own))
        np.testing.assert_allclose(together.values[:, text], alone.values[:, 0], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(together.counts[:, text], alone.counts[:, 0])
        np.testing.assert_allclose(together.baselines[:, text], alone.baselines[:, 0], rtol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_scores_stay_in_their_range_and_leave_the_weights_alone(case):
    allowed, size = CASES[case]
    for seed in range(5):
        weights = random_weights(2, 4, size, size, allowed, seed)
        before = weights.clone()
        found = scored(weights, targets_of(*TEXTS, allowed=allowed))
        assert torch.equal(weights, before)
        for name, values in found.items():
            known = values[~np.isnan(values)]
            highest = {"entropy": 3.0, "distance": 7.0}.get(name, SCORES[name].highest)
            assert ((known >= SCORES[name].lowest) & (known <= highest + 1e-6)).all(), name


def test_what_a_text_does_not_have_is_not_scored_as_zero():
    targets = targets_of(sequence(20, 21, 22), frequencies=None)
    counts = dict(zip(targets.names, targets.counts[:, 0], strict=True))
    for name in ("separators", "punctuation", "rarest token", "duplicate tokens", "prefix matching", "offset +3"):
        assert counts[name] == 0
    assert counts["offset -2"] == 1


def test_rows_that_may_attend_to_nothing_do_not_count():
    # Padding attends to everything alike, which no score may see; the first real token is no separator.
    text = sequence(97, 97, 99, 20, 21, 98, special=(0, 1, 2, 5))
    found = one_score(
        random_weights(1, 1, 6, 6, causal_mask(6, padding=2))[0, 0], *(token.id for token in text), special=(0, 1, 2, 5),
        allowed=causal_mask(6, padding=2),
    )  # fmt: skip
    targets = targets_of(text, allowed=causal_mask(6, padding=2))
    counts = dict(zip(targets.names, targets.counts[:, 0], strict=True))
    assert counts["entropy"] == counts["first token"] == counts["same token"] == 4
    assert counts["separators"] == counts["last token"] == 1
    assert counts["previous token"] == 3
    # The only key of row 2 is itself.
    assert found["first token"] >= 1 / 4
    assert found["first token"] <= 1
