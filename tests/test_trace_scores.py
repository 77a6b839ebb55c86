"""The scores of a trace: those of its weights, whichever way it was captured, and the best offset of each head."""

import numpy as np
import pandas as pd
import pytest
import torch

from model import record, wrap
from model.analysis import trace_scores as module
from model.analysis.positional_heads import POSITIONAL_SHARE, positional_share
from model.analysis.score_names import offset_name, score_names
from model.analysis.token_facts import token_facts
from model.analysis.trace_scores import allowed_by_any_head, trace_scores
from model.errors import HeadscopeError
from model.layers import DenseLayer, LazyLayer
from model.trace import Trace
from tests.hand_views import PROVENANCE
from tests.made_weights import looped_scores, sequence
from tests.tiny_models import tiny, tiny_inputs


def check_against_loops(trace: Trace, stack: str, found, head: int = 1) -> None:
    same = stack != "cross"
    for layer in trace.of_stack(stack):
        query, key = (token_facts([trace.sequence(layer.index, axis, stack)]) for axis in ("query", "key"))
        sums, weights = found[layer.index], layer.weights(head)
        looped = looped_scores(weights, query, key, layer.allowed(head)[None], 0, same)
        assert sums.names == score_names(same)
        assert sums.values.shape == (len(sums.names), 1, layer.heads)
        for place, name in enumerate(sums.names):
            assert sums.values[place, 0, head] == pytest.approx(looped[name][0], abs=1e-4), (layer, name)
            assert sums.counts[place, 0] == looped[name][1], (layer, name)


@pytest.mark.parametrize(
    ("family", "padding"),
    [("bert", "none"), ("mistral", "left"), ("gpt_oss", "none"), ("marian", "none"), ("marian", "left"), ("t5", "right"),
     ("bloom", "none")],
)  # fmt: skip
def test_scores_of_every_stack_are_those_of_plain_loops(family, padding, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_WEIGHTS", 4 * 11 * 4)
    trace = record(wrap(tiny(family)), tiny_inputs(family, padding))
    for stack in trace.stacks:
        check_against_loops(trace, stack, trace_scores(trace, stack))


def test_blocks_are_of_a_few_rows_and_all_of_them(monkeypatch):
    trace = record(wrap(tiny("gpt2")), tiny_inputs("gpt2"))
    whole = trace_scores(trace)
    seen = []
    monkeypatch.setattr(module, "_BLOCK_WEIGHTS", 4 * 11 * 2)
    monkeypatch.setattr(LazyLayer, "weights", spied(LazyLayer.weights, seen))
    streamed = trace_scores(trace)
    assert len(seen) == 3 * 6
    assert max(seen) == 4 * 2 * 11
    for index, sums in whole.items():
        np.testing.assert_allclose(streamed[index].values, sums.values, rtol=1e-5, atol=1e-6)


def spied(weights, seen):
    def spy(self, head=None, rows=slice(None)):
        found = weights(self, head, rows)
        seen.append(found.numel())
        return found

    return spy


def test_frequencies_and_progress_reach_the_scores():
    trace = record(wrap(tiny("bert")), tiny_inputs("bert"))
    told = []
    ids = [token.id for token in trace.tokens["encoder"]]
    found = trace_scores(
        trace, frequencies={number: 1 + place for place, number in enumerate(ids)}, progress=told.append
    )
    assert told == pytest.approx([1 / 3, 2 / 3, 1])
    place = found[0].names.index("rarest token")
    rarest = [position for position, number in enumerate(ids) if number == ids[0]]
    weights = trace.layer_attention(2)
    assert found[2].values[place, 0] == pytest.approx(weights[:, :, rarest].sum(axis=(1, 2)), rel=1e-5)
    assert trace_scores(trace)[0].counts[place, 0] == 0


def test_masks_of_single_heads_are_joined():
    masks = torch.tensor([[[True, False], [True, True]], [[True, True], [False, True]]])
    layer = DenseLayer("encoder", 0, "a", torch.eye(2).expand(2, 2, 2).clone(), mask=masks)
    assert allowed_by_any_head(layer).all()
    trace = Trace((layer,), {"encoder": sequence(20, 21)}, {}, PROVENANCE)
    sums = trace_scores(trace)[0]
    assert sums.counts[sums.names.index("next token"), 0] == 1


def test_a_missing_stack_is_named():
    with pytest.raises(HeadscopeError, match="no cross"):
        trace_scores(record(wrap(tiny("bert")), tiny_inputs("bert")), "cross")


def study_frame(**heads: dict[str, tuple[float, int]]) -> pd.DataFrame:
    rows = [
        {"stack": "encoder", "layer": 0, "head": int(head[1:]), "score": score, "value": value, "count": count, "first": -value}
        for head, scores in heads.items()
        for score, (value, count) in scores.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_best_offset_of_each_head():
    frame = study_frame(
        h0={"entropy": (1.0, 100), "offset -1": (0.95, 90), "offset +1": (0.2, 90), "offset -8": (1.0, 49)},
        h1={"entropy": (1.0, 100), "offset -1": (0.3, 90), "offset +2": (0.5, 80), "offset +8": (np.nan, 80)},
        h2={"entropy": (1.0, 100), "offset -3": (0.4, 70), "offset -1": (0.4, 90), "offset +4": (0.4, 50)},
    )
    found = positional_share(frame)
    assert found["offset"].tolist() == [-1, 2, -1]
    assert found["value"].tolist() == [0.95, 0.5, 0.4]
    assert found["count"].tolist() == [90, 80, 90]
    assert set(found["score"]) == {"positional"}
    assert (found["value"] >= POSITIONAL_SHARE).tolist() == [True, False, False]
    assert list(found.columns) == [*frame.columns, "offset"]
    # Chosen on another column: there the least value is the highest number.
    assert positional_share(frame, by="first")["offset"].tolist() == [1, -1, -1]


def test_half_of_the_rows_are_enough_for_an_offset():
    counts = {50: -8, 49: -1}
    for count, expected in counts.items():
        frame = study_frame(h0={"entropy": (1.0, 100), "offset -1": (0.1, 99), offset_name(-8): (1.0, count)})
        assert positional_share(frame)["offset"].tolist() == [expected]
