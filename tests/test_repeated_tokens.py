"""Random tokens that repeat themselves: a perfect induction head scores 1, and every number is that of its definition."""

import numpy as np
import pytest
import torch

from model import load_model, wrap
from model.analysis.repeated_tokens import (
    RANDOM_SCORES,
    RepeatedTokens,
    random_scores,
    repeated_token_scores,
    repeated_traces,
)
from model.analysis.score_sums import moments_of
from model.errors import HeadscopeError
from model.layers import DenseLayer
from model.trace import Trace
from tests.hand_views import PROVENANCE
from tests.made_weights import causal_mask, looking_at, sequence
from tests.tiny_models import tiny
from tests.tiny_tokenizers import tiny_bert_for

PLAN = RepeatedTokens(period=4, repeats=3, sequences=2)


def made_trace(*heads: torch.Tensor, ids, mask=None, special=()) -> Trace:
    layer = DenseLayer("decoder", 2, "attention", torch.stack(heads), mask=mask)
    return Trace((layer,), {"decoder": sequence(*ids, special=special)}, {}, PROVENANCE)


def scores_of(trace: Trace, plan: RepeatedTokens = PLAN):
    sums = random_scores(trace, "decoder", plan)[2]
    assert sums.names == RANDOM_SCORES
    return sums, sums.values[:, 0] / sums.counts[:, :1]


def test_a_perfect_induction_head_scores_exactly_one():
    ids = [20, 21, 22, 23] * 3
    perfect, previous = looking_at(PLAN.offset, 12), looking_at(-1, 12)
    sums, means = scores_of(made_trace(perfect, previous, ids=ids))
    assert means.tolist() == [[1, 0], [1, 0]]
    assert sums.counts.tolist() == [[8], [8]]


def test_the_two_scores_of_a_head_that_looks_at_all_it_has_seen():
    ids = [20, 21, 22, 23] * 3
    mask = causal_mask(12)
    uniform = mask[0] / mask[0].sum(dim=1, keepdim=True)
    sums, means = scores_of(made_trace(uniform, ids=ids, mask=mask))
    expected = [np.mean([1 / (q + 1) for q in range(4, 12)]), np.mean([(q // 4) / (q + 1) for q in range(4, 12)])]
    assert means[:, 0] == pytest.approx(expected, rel=1e-6)
    assert sums.baselines[:, 0] / sums.counts[:, 0] == pytest.approx(expected, rel=1e-6)


def test_special_tokens_around_the_repeats_are_none_of_them():
    ids = [1, *[20, 21, 22, 23] * 3, 2]
    weights = looking_at(PLAN.offset, 14)
    # In the first period there is nothing to match yet: a head may look anywhere, and no such row counts.
    weights[:5] = torch.eye(14)[:5]
    sums, means = scores_of(made_trace(weights, ids=ids, special=(0, 13)))
    assert means.tolist() == [[1], [1]]
    assert sums.counts.tolist() == [[8], [8]]
    # One place off: the token itself, where it stood last time.
    _, means = scores_of(made_trace(looking_at(PLAN.offset - 1, 14), ids=ids, special=(0, 13)))
    assert means.tolist() == [[0], [0]]


@pytest.mark.parametrize("family", ["gpt2", "bert", "marian"])
def test_scores_of_a_model_are_those_of_its_weights(family):
    loaded = wrap(tiny(family))
    found = repeated_token_scores(loaded, PLAN)
    assert set(found) == {"gpt2": {"decoder"}, "bert": {"encoder"}, "marian": {"encoder", "decoder"}}[family]
    for text, trace in enumerate(repeated_traces(loaded, PLAN)):
        for stack, layers in found.items():
            for layer, sums in layers.items():
                weights = trace.layer_attention(layer, stack).astype(np.float64)
                assert len({token.id for token in trace.sequence(layer, "key", stack)}) == 4
                induction = sum(weights[:, q, q - 3] for q in range(4, 12))
                matching = induction + sum(weights[:, q, q - 7] for q in range(8, 12))
                assert sums.values[0, text] == pytest.approx(induction, rel=1e-4)
                assert sums.values[1, text] == pytest.approx(matching, rel=1e-4)
                assert sums.counts[:, text].tolist() == [8, 8]


def test_the_sums_go_into_moments_like_those_of_texts():
    sums = repeated_token_scores(wrap(tiny("gpt2")), PLAN)["decoder"][0]
    moments = moments_of(sums) + moments_of(sums, slice(0, 1))
    assert moments.texts.tolist() == [3, 3]
    assert moments.count.tolist() == [24, 24]
    assert ((moments.means >= 0) & (moments.means <= 1)).all()


def test_the_template_of_the_tokenizer_stands_around_the_tokens():
    loaded = tiny_bert_for("word piece")
    traces = list(repeated_traces(loaded, PLAN))
    for trace in traces:
        tokens = trace.tokens["encoder"]
        assert [token.special for token in tokens] == [True, *[False] * 12, True]
        ids = [token.id for token in tokens[1:-1]]
        assert ids == ids[:4] * 3
        assert len(set(ids)) == 4
    assert [token.id for token in traces[0].tokens["encoder"]] != [token.id for token in traces[1].tokens["encoder"]]
    assert repeated_token_scores(loaded, PLAN)["encoder"][0].counts.tolist() == [[8, 8], [8, 8]]


def test_a_seed_draws_the_same_tokens_again():
    loaded = wrap(tiny("gpt2"))
    drawn = [
        [
            token.id
            for trace in repeated_traces(loaded, RepeatedTokens(4, 2, 2, seed))
            for token in trace.tokens["decoder"]
        ]
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_progress_is_told():
    told = []
    repeated_token_scores(wrap(tiny("gpt2")), PLAN, told.append)
    assert told == [0.5, 1.0]


@pytest.mark.parametrize(
    ("plan", "said"),
    [(RepeatedTokens(25, 4), "at most 16 for 4 repeats"), (RepeatedTokens(1), "at least 2"),
     (RepeatedTokens(4, 1), "at least 2"), (RepeatedTokens(4, 2, 0), "at least one")],
)  # fmt: skip
def test_plans_that_cannot_be_run_are_refused(plan, said):
    with pytest.raises(HeadscopeError, match=said):
        repeated_token_scores(wrap(tiny("gpt2")), plan)


def test_the_small_decoder_has_an_induction_head_and_the_bundled_encoder_none():
    decoder = repeated_token_scores(load_model("small-decoder", device="cpu"), RepeatedTokens(sequences=2))["decoder"]
    encoder = repeated_token_scores(load_model("minilm", device="cpu"), RepeatedTokens(sequences=2))["encoder"]
    decoder, encoder = (np.stack([moments_of(sums).means for sums in found.values()]) for found in (decoder, encoder))
    assert decoder[:, 1].max() > 0.5
    assert encoder[:, 1].max() < 0.1
