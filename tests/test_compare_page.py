"""The Compare page from the entry: heads, layers, sentences, models, and before and after an intervention."""

import json

import numpy as np
import pyarrow as pa
import pytest

from model import load_model, record
from model.analysis.aggregation import merge_words
from model.interventions import parse_interventions
from tests.app_session import html_of, messages, notices, open_page

PAGE = "../pages/compare.py"
TEXT = "The animal didn't cross the street because it was too tired."


def compare(**parameters: str):
    session = open_page(**parameters)
    session.switch_page(PAGE).run()
    assert not session.exception
    return session


@pytest.fixture(scope="module")
def loaded():
    return load_model("minilm", device="cpu")


def test_two_heads_and_their_difference(loaded):
    session = compare(layer="3", head="1", other_layer="4", other_head="3")
    assert not notices(session)
    trace = record(loaded, TEXT)
    pair = messages(session)["head_comparison"]
    assert pair["first"] == pytest.approx(trace.attention(3, 1), abs=1e-6)
    assert pair["difference"] == pytest.approx(trace.attention(4, 3) - trace.attention(3, 1), abs=1e-6)
    assert pair["titles"][:2] == ["L3 H1", "L4 H3"]
    moved = np.abs(trace.attention(4, 3) - trace.attention(3, 1)).sum(axis=1).mean() / 2
    assert f"<b>{moved:.3f}</b>" in html_of(session)


def test_layers_are_compared_by_the_mean_of_their_heads(loaded):
    session = compare(compare="layers", layer="1", other_layer="5")
    trace = record(loaded, TEXT)
    pair = messages(session)["head_comparison"]
    assert pair["second"] == pytest.approx(trace.layer_attention(5).mean(axis=0), abs=1e-6)
    assert pair["titles"][:2] == ["L1 mean", "L5 mean"]


def test_two_sentences_are_lined_up_by_their_common_words():
    session = compare(compare="sentences")
    assert not notices(session)
    pair = messages(session)["head_comparison"]
    tokens = pair["query_tokens"]
    assert [pair["query_present"][side][tokens.index("tired")] for side in (0, 1)] == [True, False]
    assert [pair["query_present"][side][tokens.index("wide")] for side in (0, 1)] == [False, True]
    assert np.isnan(pair["difference"][tokens.index("wide")]).all()
    assert "Attention to shared words" in html_of(session)


def test_sentences_that_share_no_word_are_a_sentence():
    session = compare(compare="sentences", text="¿Qué?", other="Ja.", hide_special="1")
    assert len(notices(session)) == 1
    assert session.text_area(key="widget_other").value == "Ja."


def test_two_models_are_compared_by_words(loaded):
    session = compare(compare="models", other_model="small-decoder", other_layer="2", other_head="3")
    assert not notices(session)
    pair = messages(session)["head_comparison"]
    assert "didn't" in pair["query_tokens"]
    tokens = record(loaded, TEXT).tokens["encoder"]
    groups = [[place] for place in range(len(tokens))]
    start = next(place for place, token in enumerate(tokens) if token.text == "didn")
    groups[start : start + 3] = [[start, start + 1, start + 2]]
    merged = merge_words(record(loaded, TEXT).attention(3, 1), groups, groups)
    row = pair["query_tokens"].index("didn't")
    assert pair["first"][row] == pytest.approx(merged[start], abs=1e-6)


def test_before_and_after_an_intervention(loaded):
    session = compare(compare="interventions", edits="L2:uniform", layer="3", head="1")
    assert not notices(session)
    changed = record(loaded, TEXT, interventions=parse_interventions("L2:uniform"))
    assert messages(session)["head_comparison"]["second"] == pytest.approx(changed.attention(3, 1), abs=1e-6)


def test_a_score_through_the_layers():
    session = compare(compare_view="through the layers", score="entropy")
    assert not notices(session)
    specs = [json.loads(element.proto.spec) for element in session.get("vega_lite_chart")]
    assert len(specs) == 2
    assert "entropy" in specs[0]["description"]


def test_layers_are_like_themselves():
    session = compare(compare_view="layer similarity")
    assert not notices(session)
    charts = session.get("vega_lite_chart")
    assert len(charts) == 2
    for chart in charts:
        cells = pa.ipc.open_stream(chart.proto.datasets[0].data.data).read_pandas()
        own = cells[cells["row"] == cells["column"]]
        assert len(own) in (6, 7)
        assert own["value"].to_numpy() == pytest.approx(1, abs=1e-6)


def test_states_of_two_models_are_compared_over_common_words():
    session = compare(compare="models", compare_view="layer similarity")
    assert not notices(session)
    assert len(session.get("vega_lite_chart")) == 1


def test_maps_that_are_too_large_are_a_sentence(monkeypatch):
    monkeypatch.setattr("app.components.comparison_messages.MOST_CELLS", 100)
    session = compare()
    assert "16 by 16 cells" in notices(session)[0]


@pytest.mark.parametrize("model", ["small-decoder", "transformer-tiny", "recurrent-search"])
def test_every_bundled_model_can_be_compared_with_itself(model):
    session = compare(model=model, text="A dog runs.", stack="cross" if model != "small-decoder" else "")
    assert not notices(session)
    assert "head_comparison" in messages(session)


@pytest.mark.parametrize("model", ["nonsense/none", "/no/such/folder", "<b>x</b>"])
def test_a_second_model_that_is_not_there_is_a_sentence(model):
    session = compare(compare="models", other_model=model)
    assert notices(session)
    assert "<b>x</b>" not in html_of(session)
