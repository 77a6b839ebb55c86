"""What the sentence with arcs, the score grid and the talk player are sent."""

import numpy as np
import pytest

from app.components.coreference_messages import score_grid_message, sentence_arcs_message
from app.components.talk_messages import Part, talk_message, token_row_message
from app.figures.sentence_arcs import Arc
from app.talks import Scene, Talk
from tests.app_session import unpack
from tests.hand_views import HOSTILE

ARCS = (Arc(2, 0, 0.677, True), Arc(2, 1, 0.05))


def arcs_message(words=("a", "b", "c"), arcs=ARCS) -> dict:
    return unpack(
        sentence_arcs_message(
            words, [True] * len(words), roles={2: ("mention",), 0: ("candidate", "answer")}, arcs=arcs,
            weights=[0.677, 0.05, None][: len(words)], direction="from the mention", title="L3 H1", note="n", pickable=True,
        )
    )  # fmt: skip


def test_a_sentence_holds_its_arcs_roles_and_a_description_in_words():
    found = arcs_message()
    assert found["arcs"] == [[2, 0, 0.677, True], [2, 1, 0.05, False]]
    assert found["roles"] == {"2": ["mention"], "0": ["candidate", "answer"]}
    assert found["weights"] == [0.677, 0.05, None]
    assert found["description"] == "L3 H1: a 0.677 (right), b 0.050."


def test_hostile_words_arrive_as_they_are():
    words = [token.replace("\ud800", "?") for token in HOSTILE]
    assert arcs_message(words=HOSTILE, arcs=())["words"] == words


def test_the_score_grid_keeps_missing_heads_and_its_scale():
    values = np.array([[0.5, -0.25, np.nan]], dtype=np.float32)
    found = unpack(score_grid_message(values, (4,), label="margin", selected=(4, 1), limit=0.5, diverging=True))
    assert np.array_equal(found["values"], values, equal_nan=True)
    assert (found["layers"], found["heads"], found["limit"], found["selected"]) == ([4], 3, 0.5, [4, 1])
    for theme in ("light", "dark"):
        assert len(found["palettes"][theme]["diverging"]) == 3 * 256


def test_a_grid_of_zeros_has_a_scale_still():
    found = unpack(score_grid_message(np.zeros((2, 2)), (0, 1), label="", selected=(0, 0), limit=0.0, diverging=True))
    assert found["limit"] > 0


def test_a_talk_holds_each_picture_once_and_counts_its_steps():
    talk = Talk(
        "T",
        (
            Scene("attention", "tokens", {}, "one"),
            Scene("coreference", "pair", {}, "two"),
            Scene("talk", "text", {}, ""),
        ),
    )
    row = token_row_message(["a"], [7], [""])
    arcs = sentence_arcs_message(
        ["a"], [False], roles={}, arcs=[], weights=[None], direction="", title="", note="", pickable=False
    )
    parts = [
        (Part("token_row", row),),
        (Part("sentence_arcs", arcs, label="L3 H1", reveals=1), Part("sentence_arcs", arcs, appears=2, reveals=3)),
        (Part(text="words"),),
    ]
    found = unpack(talk_message(talk, parts, appearance="dark"))
    assert [scene["steps"] for scene in found["scenes"]] == [1, 4, 1]
    assert [scene["caption"] for scene in found["scenes"]] == ["one", "two", ""]
    assert found["scenes"][2]["parts"] == [{"label": "", "appears": 0, "reveals": 0, "text": "words"}]
    first, second = found["scenes"][0]["parts"][0], found["scenes"][1]["parts"][1]
    assert found[first["array"]].tobytes() == row
    assert found[second["array"]].tobytes() == arcs
    assert unpack(found[first["array"]].tobytes())["ids"] == [7]
    assert set(found["appearances"]) == {"light", "dark"}


def test_parts_and_scenes_must_match():
    with pytest.raises(ValueError, match="zip"):
        talk_message(Talk("T", ()), [()], appearance="dark")
