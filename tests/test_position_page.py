"""The Position page from the entry: sinusoids, what the loaded model has, and the order of words."""

import pytest

from model import load_model, record
from model.analysis.word_order import order_scores, reordered, word_order
from tests.app_session import html_of, notices, open_page, unpack

PAGE = "../pages/position.py"
TEXT = "The animal didn't cross the street because it was too tired."


def position(view: str, **parameters: str):
    session = open_page(position_view=view, **parameters)
    session.switch_page(PAGE).run()
    assert not session.exception
    assert not notices(session)
    return session


def pictures(session) -> int:
    """Return how many pictures the page shows."""
    kinds = [getattr(element, "type", "") for element in session.main]
    return sum(kind in ("imgs", "image", "images") for kind in kinds)


def written(session) -> str:
    return "\n".join(element.value for element in session.markdown)


def test_the_offset_is_a_rotation_and_its_error_is_shown():
    session = position("sinusoids")
    assert "M_{5}" in written(session)
    assert "root mean square" in written(session)
    assert pictures(session) == 3
    session.slider(key="widget_offset").set_value(12).run()
    assert "M_{12}" in written(session)
    session.slider(key="widget_frequency").set_value(0).run()
    assert not session.exception
    assert session.query_params["frequency"] in ("0", ["0"])


def test_the_bundled_encoder_has_a_learned_table_that_is_not_random():
    session = position("this model")
    assert "A learned table of 512 positions" in written(session)
    assert "**0.46**" in written(session)
    assert pictures(session) == 1


def test_our_transformer_has_the_sinusoids_themselves():
    session = position("this model", model="transformer-tiny")
    assert "A sinusoidal table" in written(session)
    assert "**1.00**" in written(session)


def test_the_order_of_words_gives_the_scores_of_the_library():
    session = position("word order", order_seed="3")
    grids = [unpack(element.proto.bytes) for element in session.get("bidi_component")]
    loaded = load_model("minilm", device="cpu")
    order = word_order(TEXT, "shuffled", 3)
    traces = [record(loaded, reordered(TEXT, places)) for places in (range(len(order)), order)]
    scores = order_scores(*traces, order)
    for grid, name in zip(grids, ("position", "content"), strict=True):
        expected = scores.pivot(index="layer", columns="head", values=name).to_numpy()
        assert grid["values"] == pytest.approx(expected, abs=1e-4)
        assert grid["diverging"]
    session.segmented_control(key="widget_order").set_value("reversed").run()
    assert not session.exception


@pytest.mark.parametrize("text", ["", "word", "<script>alert(1)</script>", "\u202e\u200b"])
def test_odd_sentences_are_put_in_order_or_refused_with_a_sentence(text):
    session = open_page(position_view="word order", text=text)
    session.switch_page(PAGE).run()
    assert not session.exception
    assert "<script>alert" not in html_of(session)
