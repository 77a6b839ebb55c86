"""The Position page from the entry: sinusoids, what the loaded model has, and the order of words."""

import json

import pytest

from model import load_model, record
from model.analysis.word_order import order_scores, reordered, word_order
from model.architectures import SmallDecoder, SmallDecoderConfig
from model.length_results import shipped_length_curves
from model.training.subwords import learn_subwords
from model.zeroed_positions import positions_zeroed
from tests.app_session import html_of, messages, notices, open_page, unpack

PAGE = "../pages/position.py"
TEXT = "The animal didn't cross the street because it was too tired."


def position(view: str, **parameters: str):
    session = open_page(position_view=view, **parameters)
    session.switch_page(PAGE).run()
    assert not session.exception
    assert not notices(session)
    return session


def charts(session) -> list:
    """Return the charts that the page shows, each a Vega-Lite spec."""
    return [json.loads(element.proto.spec) for element in session.get("vega_lite_chart")]


def written(session) -> str:
    return "\n".join(element.value for element in session.markdown)


def test_the_offset_is_a_rotation_and_its_error_is_shown():
    session = position("sinusoids")
    assert "M_{5}" in written(session)
    assert "root mean square" in written(session)
    assert "wavelength 35.3" in messages(session)["picture"]["svg"]
    assert len(charts(session)) == 4
    session.slider(key="widget_offset").set_value(12).run()
    assert "M_{12}" in written(session)
    session.slider(key="widget_frequency").set_value(0).run()
    assert not session.exception
    assert session.query_params["frequency"] in ("0", ["0"])


def test_the_bundled_encoder_has_a_learned_table_that_is_not_random():
    session = position("this model")
    assert "A learned table of 512 positions" in written(session)
    assert "**0.46**" in written(session)
    assert [html_of(session).count(words) for words in ("of this model", "an example, not this model")] == [1, 3]
    assert len(charts(session)) == 6


def test_the_rotary_decoder_shows_its_own_frequencies_first(tmp_path):
    session = position("this model", model=saved_rotary(tmp_path))
    assert html_of(session).index("Rotary") < html_of(session).index("Added to the tokens")
    assert "8 pairs" in written(session)


def test_our_transformer_has_the_sinusoids_themselves():
    session = position("this model", model="transformer-tiny")
    assert "A sinusoidal table" in written(session)
    assert "**1.00**" in written(session)


def test_the_order_of_words_gives_the_scores_of_the_library():
    session = position("word order", order_seed="3")
    grids = [unpack(element.proto.bytes) for element in session.get("bidi_component")][:2]
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


def test_a_head_that_is_clicked_is_opened_before_and_after():
    session = position("word order", layer="2", head="5")
    views = [unpack(element.proto.bytes) for element in session.get("bidi_component")][2:]
    assert [view["title"] for view in views] == ["L2 H5 as written", "L2 H5 in the other order"]
    assert sorted(views[0]["query_tokens"]) == sorted(views[1]["query_tokens"])
    assert views[0]["query_tokens"] != views[1]["query_tokens"]


def test_without_positions_every_head_has_the_correlation_of_the_library():
    session = position("word order", order="no positions")
    grid = unpack(session.get("bidi_component")[0].proto.bytes)
    loaded = load_model("minilm", device="cpu")
    words = range(len(word_order(TEXT, "reversed")))
    text = reordered(TEXT, words)
    first = record(loaded, text)
    with positions_zeroed(loaded):
        second = record(loaded, text)
    expected = order_scores(first, second, words).pivot(index="layer", columns="head", values="position").to_numpy()
    assert grid["values"] == pytest.approx(expected, abs=1e-4)
    assert expected.min() < 0.3 < 0.9 < expected.max()


def test_a_model_that_adds_no_positions_says_so(tmp_path):
    session = open_page(position_view="word order", order="no positions", model=saved_rotary(tmp_path))
    session.switch_page(PAGE).run()
    assert any("adds no position embeddings" in notice for notice in notices(session))
    assert not session.exception


def test_the_first_layer_is_taken_apart():
    session = position("first layer", head="2")
    names = [chart["title"] for chart in charts(session)]
    assert names[0] == "minilm: what moves the first layer"
    assert names[1:] == ["content · content", "content · position", "position · content", "position · position"]
    assert "0.97 (H2)" in charts(session)[0]["description"]
    session.selectbox(key="widget_head").set_value(9).run()
    assert "L0 H9" in html_of(session)
    assert not session.exception


def test_the_loss_past_the_trained_length_is_shown_with_its_numbers():
    session = position("length")
    results = shipped_length_curves()
    (drawn,) = charts(session)
    assert f"{results.trained_length} tokens" in json.dumps(drawn)
    learned, alibi = results.curves["learned"], results.curves["alibi"]
    assert learned.spans[-1].last == results.trained_length < alibi.spans[-1].last == results.length
    assert f"| alibi | {alibi.quarters[0].loss:.2f} |" in written(session)
    assert written(session).count("no position") >= len(alibi.quarters) - 1


def saved_rotary(folder) -> str:
    """Return a folder with a small rotary decoder and a tokenizer."""
    tokenizer = learn_subwords(
        ["the animal did not cross the street because it was too tired"] * 5, 290, running_text=True, limit=64
    )
    sizes = dict(d_model=32, d_ff=32, heads=2, layers=2, positions="rotary", max_position_embeddings=64)
    model = SmallDecoder(SmallDecoderConfig(vocab_size=len(tokenizer), **sizes))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_a_text_that_is_too_long_is_not_offered_a_cut_that_would_not_come():
    session = open_page(position_view="word order", text="a b " * 300)
    session.switch_page(PAGE).run()
    assert any("takes 512" in notice for notice in notices(session))
    assert not any("Cut after" in button.label for button in session.button)


def test_words_that_a_tokenizer_divides_elsewhere_are_named_as_the_reason():
    session = open_page(position_view="word order", order="no positions", text="x\x00y z", model="minilm")
    session.switch_page(PAGE).run()
    assert any("divides words elsewhere" in notice for notice in notices(session))
