"""The Translation page from the entry: the German grows by a token, its alignment by a row."""

import pytest

from app.selection import DEFAULT_ENGLISH
from app.translation_controls import REPEATED
from model import load_model
from model.beams import beam_search
from tests.app_session import html_of, messages, notices, open_page, unpack

PAGE = "../pages/translation.py"


def translation(**parameters: str):
    session = open_page(**parameters)
    session.switch_page(PAGE).run()
    assert not session.exception
    assert not notices(session)
    return session


def test_the_page_opens_with_a_translation_and_its_whole_alignment():
    session = translation()
    view = messages(session)["head_view"]
    assert view["title"] == "cross L3 mean"
    assert "mädchen" in html_of(session)
    assert view["weights"].shape == (len(view["query_tokens"]), len(view["key_tokens"]))
    assert view["query_tokens"][-1] == "</s>"
    assert not view["same_sequence"]
    assert "Coverage of the English" in html_of(session)


def test_it_grows_by_a_row_a_step():
    session = translation()
    steps = len(messages(session)["head_view"]["query_tokens"])
    session.button(key="written_start").click().run()
    assert len(messages(session)["head_view"]["query_tokens"]) == 1
    session.button(key="written_next").click().run()
    view = messages(session)["head_view"]
    assert len(view["query_tokens"]) == 2
    assert view["selected"] == "q1"
    assert session.query_params["written"] in ("2", ["2"])
    session.slider(key="widget_written").set_value(steps).run()
    assert len(messages(session)["head_view"]["query_tokens"]) == steps
    assert not session.exception


@pytest.mark.parametrize(("shown", "size"), [("encoder", 12), ("decoder", 11)])
def test_each_side_is_shown_with_itself(shown, size):
    session = translation(shown=shown, translation_layer="1", translation_head="2")
    view = messages(session)["head_view"]
    assert view["title"] == f"{shown} L1 H2"
    assert view["same_sequence"]
    assert view["weights"].shape[0] == view["weights"].shape[1] >= size - 2


def test_a_beam_shows_its_steps_and_its_candidates():
    session = translation(search="beam", beams="3", written="2")
    assert html_of(session).count("<tr><td>") >= 3
    drawn = messages(session)["picture"]["svg"]
    assert "2 of 11 steps" in drawn
    search = beam_search(load_model("transformer-tiny", device="cpu"), DEFAULT_ENGLISH, beams=3)
    best = search.candidates[0]
    assert best.text in html_of(session)
    pieces = [search.steps[step][place].text for step, place in enumerate(best.path)]
    view = messages(session)["head_view"]
    assert view["query_tokens"] == pieces[:2]
    session.number_input(key="widget_beams").set_value(5).run()
    assert "5 beams" in messages(session)["picture"]["svg"]
    assert "mean log-probability" in html_of(session)


def test_both_models_translate_the_same_sentence_beside_each_other():
    session = translation(translator="side by side")
    views = [unpack(element.proto.bytes) for element in session.get("bidi_component")]
    assert [view["title"] for view in views] == ["cross L3 mean", "cross L0 H0"]
    assert views[0]["key_tokens"] == views[1]["key_tokens"]
    for view in views:
        assert view["weights"].sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert all(name in html_of(session) for name in ("<b>Transformer</b>", "<b>Recurrent</b>"))
    session.button(key="written_start").click().run()
    views = [unpack(element.proto.bytes) for element in session.get("bidi_component")]
    assert [len(view["query_tokens"]) for view in views] == [1, 1]


def test_the_recurrent_model_alone_has_no_layers_to_choose():
    session = translation(translator="Recurrent", shown="encoder", translation_layer="2", translation_head="3")
    assert messages(session)["head_view"]["title"] == "cross L0 H0"
    assert "widget_translation_layer" not in [box.key for box in session.selectbox]


def test_a_word_that_the_vocabulary_does_not_hold_is_named():
    session = translation(english="The ornithopterologist sleeps.")
    assert "“ornithopterologist”" in html_of(session)
    assert "poor translation" in html_of(session)


@pytest.mark.parametrize("english", ["<script>alert(1)</script>", "🦊🦊", "\u202eabc", "a " * 300])
def test_odd_texts_are_translated_or_refused_with_a_sentence(english):
    session = open_page(english=english)
    session.switch_page(PAGE).run()
    assert not session.exception
    assert "<script>alert" not in html_of(session)
    assert session.text_area(key="widget_english").value == english


def test_a_stammer_is_named():
    session = translation(english="What's the German for cake?")
    german = messages(session)["head_view"]["query_tokens"]
    stammers = any(
        german[place : place + REPEATED] == [german[place]] * REPEATED for place in range(len(german) - REPEATED + 1)
    )
    assert ("over and over" in html_of(session)) == stammers
