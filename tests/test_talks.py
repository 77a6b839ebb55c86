"""Talks: scenes in order, and files that are read back exactly or refused with a sentence."""

import json

import pytest

from app.ready_talks import READY, ready_talk
from app.selection import Selection, read_selection, write_selection
from app.talks import FORMAT, LONGEST_CAPTION, MOST_SCENES, PICTURES, Scene, Talk, TalkError, read_talk, write_talk
from tests.hand_views import HOSTILE

ONE = Scene("attention", "head", {"layer": "2"}, "first")
TWO = Scene("coreference", "pair", {"other": "x"}, "second")
THREE = Scene("talk", "text", {"text": "words"}, "third")
TALK = Talk("A talk", (ONE, TWO, THREE))


def written(**changes) -> bytes:
    return json.dumps({"format": FORMAT, "title": "A", "scenes": [], **changes}).encode()


def scene(**changes) -> dict:
    return {"page": "attention", "picture": "head", "caption": "", "selection": {}, **changes}


def test_scenes_are_added_moved_captioned_and_deleted():
    assert Talk().added(ONE).added(TWO).scenes == (ONE, TWO)
    assert TALK.moved(2, -1).scenes == (ONE, THREE, TWO)
    assert TALK.moved(0, 1).scenes == (TWO, ONE, THREE)
    assert TALK.moved(0, -1) == TALK
    assert TALK.moved(2, 5) == TALK
    assert TALK.without(1).scenes == (ONE, THREE)
    assert TALK.captioned(1, "new").scenes[1] == Scene("coreference", "pair", {"other": "x"}, "new")
    assert TALK.worded(2, "more").scenes[2].selection == {"text": "more"}
    assert TALK.titled("T").title == "T"
    assert len(TALK.captioned(0, "x" * 9999).scenes[0].caption) == LONGEST_CAPTION


def test_a_full_talk_takes_no_more():
    full = Talk(scenes=(ONE,) * MOST_SCENES)
    with pytest.raises(TalkError, match=str(MOST_SCENES)):
        full.added(ONE)


@pytest.mark.parametrize("text", [token for token in HOSTILE if "\ud800" not in token])
def test_a_talk_reads_back_whatever_is_written_in_it(text):
    talk = Talk(text or "My talk", (Scene("attention", "grid", {"text": text}, text),))
    assert read_talk(write_talk(talk)) == talk


def test_a_lone_surrogate_does_not_stop_saving():
    assert read_talk(write_talk(Talk("\ud800"))).title == "?"


def test_a_selection_goes_through_a_scene():
    selection = Selection(text="Ünïcode \n & more", layer=2, choice="mean of best", best=3, other="second")
    talk = read_talk(write_talk(Talk("t", (Scene("coreference", "arcs", write_selection(selection)),))))
    assert read_selection(dict(talk.scenes[0].selection)) == selection


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a talk"),
        (b'{"format": "other"}', "not a talk"),
        (written(scenes=None), "list"),
        (written(scenes={"0": scene()}), "list"),
        (written(scenes=[scene()] * (MOST_SCENES + 1)), str(MOST_SCENES)),
        (written(title=7), "title"),
        (written(scenes=["scene"]), "Scene 1"),
        (written(scenes=[scene(), scene(page="settings")]), "Scene 2"),
        (written(scenes=[scene(page=["attention"])]), "Scene 1"),
        (written(scenes=[scene(picture="pair")]), "shows nothing"),
        (written(scenes=[scene(picture={})]), "shows nothing"),
        (written(scenes=[scene(selection=[])]), "selection"),
        (written(scenes=[scene(selection={"layer": 3})]), "layer"),
        (written(scenes=[scene(selection={"text": "x" * 30_000})]), "characters"),
        (written(scenes=[scene(caption=None)]), "caption"),
        (b" " * 3_000_000, "larger"),
    ],
)
def test_a_file_that_is_no_talk_is_refused_with_a_sentence(data, said):
    with pytest.raises(TalkError, match=said) as raised:
        read_talk(data)
    assert str(raised.value).endswith((".", "here.", "}."))


@pytest.mark.parametrize("name", READY)
def test_a_ready_talk_holds_about_eight_scenes_of_known_pictures(name):
    talk = ready_talk(name)
    assert 7 <= len(talk.scenes) <= 10
    assert talk.title == name
    assert all(scene.caption and scene.picture in PICTURES[scene.page] for scene in talk.scenes)
    # Every value of a selection is one that the app would write itself: none is dropped when it is read.
    for entry in talk.scenes:
        if entry.page != "talk":
            assert write_selection(read_selection(dict(entry.selection))) == dict(entry.selection)
