"""The Coreference page from the entry: arcs, margins, minimal pairs, chosen heads, and the leaderboard."""

import numpy as np
import pytest

from app.selection import DEFAULT_TEXT
from tests.app_session import html_of, messages, notices, open_page, unpack

PAGE = "../pages/coreference.py"
WIDE = DEFAULT_TEXT.replace("tired", "wide")


def coreference(**parameters: str):
    session = open_page(**parameters)
    session.switch_page(PAGE).run()
    assert not session.exception
    return session


def sentences(session) -> list[dict]:
    found = [element.proto for element in session.get("bidi_component")]
    return [unpack(proto.bytes) for proto in found if proto.component_name.endswith("sentence_arcs")]


def test_the_page_opens_with_the_animal_and_the_held_out_head():
    session = coreference()
    (sentence,) = sentences(session)
    assert sentence["title"] == "L3 H1, best on other sentences"
    assert [(arc[1], arc[3]) for arc in sentence["arcs"]] == [(1, True), (5, False)]
    assert sentence["arcs"][0][2] == pytest.approx(0.677, abs=0.001)
    assert sentence["roles"]["7"] == ["mention"]
    assert sentence["pickable"]
    grid = messages(session)["score_grid"]
    assert grid["values"].shape == (6, 12)
    assert grid["values"][3, 1] == pytest.approx(0.627, abs=0.001)
    assert grid["limit"] == pytest.approx(np.abs(grid["values"]).max())
    assert "pairs of other words" in html_of(session)
    assert "arxiv.org/abs/1902.10186" in "".join(element.value for element in session.markdown)


def test_a_minimal_pair_shows_both_sentences_and_the_change():
    session = coreference(other=WIDE, choice="one head")
    first, second = sentences(session)
    assert first["arcs"][0][2] == pytest.approx(0.677, abs=0.001)
    assert second["arcs"][0][2] == pytest.approx(0.281, abs=0.001)
    assert [arc[3] for arc in second["arcs"]] == [False, True]
    assert not second["pickable"]
    grids = [
        unpack(element.proto.bytes)
        for element in session.get("bidi_component")
        if element.proto.component_name.endswith("score_grid")
    ]
    assert len(grids) == 3
    assert len({grid["limit"] for grid in grids}) == 1
    # The change adds up: margin towards the animal in the first, towards the street in the second.
    assert np.allclose(grids[0]["values"] + grids[1]["values"], grids[2]["values"], atol=1e-6)


def test_the_widgets_do_what_clicks_do():
    session = coreference()
    session.selectbox(key="widget_choice").select("best here").run()
    assert sentences(session)[0]["title"] == "L5 H11, best on this sentence"
    session.multiselect(key="widget_candidates").select("3").run()
    assert len(sentences(session)[0]["arcs"]) == 3
    assert session.query_params["candidates"] in ("1,3,5", ["1,3,5"])
    session.selectbox(key="widget_mention").select("9").run()
    assert sentences(session)[0]["roles"]["9"] == ["mention"]
    session.selectbox(key="widget_answer").select(2).run()
    assert [arc[3] for arc in sentences(session)[0]["arcs"]] == [False, False, True]
    assert not session.exception


def test_a_new_sentence_takes_back_the_words_of_the_old_one():
    session = coreference(mention="9", candidates="1,3")
    session.text_area(key="widget_text").set_value("The nurse thanked the old lawyer because she had helped.").run()
    (sentence,) = sentences(session)
    names = {place: sentence["words"][int(place)] for place in sentence["roles"]}
    assert sorted(names.values()) == ["lawyer", "nurse", "she"]
    assert [arc[3] for arc in sentence["arcs"]] == [False, False]


@pytest.mark.parametrize("text", ["", "word", "!?", "<script>alert(1)</script>"])
def test_a_sentence_without_anything_to_follow_says_what_to_do(text):
    session = coreference(text=text)
    assert any("Shift-click" in notice for notice in notices(session))
    assert not sentences(session)[0]["arcs"]


def test_a_second_sentence_without_the_words_is_said_and_nothing_is_lost():
    session = coreference(other="Nothing of the kind.")
    assert any("is not in the second sentence" in notice for notice in notices(session))
    assert session.text_area(key="widget_other").value == "Nothing of the kind."


def test_the_mean_of_the_best_heads_and_the_other_direction():
    session = coreference(choice="mean of best", best="3")
    assert sentences(session)[0]["title"] == "Mean of 3 heads, best on other sentences"
    session = coreference(direction="to mention", choice="one head")
    assert "to the mention" in html_of(session)
    assert sentences(session)[0]["note"] == ""


def test_everything_chosen_comes_from_the_address():
    session = coreference(
        text="A cat saw a dog, and it ran.", mention="6", candidates="1,4", answer="1", choice="best here"
    )
    (sentence,) = sentences(session)
    assert sentence["roles"] == {"6": ["mention"], "1": ["candidate"], "4": ["candidate", "answer"]}


def test_adding_to_the_talk_keeps_the_selection():
    session = coreference(other=WIDE, choice="one head")
    session.text_area(key="scene_caption").set_value("Look").run()
    session.button(key="scene_add").click().run()
    scene = session.session_state["talk"].scenes[0]
    assert (scene.page, scene.picture, scene.caption) == ("coreference", "arcs", "Look")
    assert scene.selection["other"] == WIDE
