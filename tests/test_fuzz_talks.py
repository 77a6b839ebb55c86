"""Talk files from a stranger: a talk, or a sentence; what the user made stays; captions are words and nothing else."""

import io
import json
import logging

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pypdf import PdfReader

import tests.fuzz_profile as profile
from app import talk_export
from app.figures.theme import theme
from app.scenes import Shown, shown
from app.selection import read_selection, write_selection
from app.talks import FORMAT, LARGEST_FILE, MOST_SCENES, PICTURES, Scene, Talk, TalkError, read_talk, write_talk
from model.errors import HeadscopeError
from tests import hostile_text as hostile
from tests.app_session import html_of, messages, notices, open_page
from tests.test_talk_page import PAGE, message_of

LIGHT = theme("light")
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), hostile.texts),
    lambda inside: st.one_of(st.lists(inside, max_size=4), st.dictionaries(hostile.texts, inside, max_size=4)),
    max_leaves=12,
)
fields = st.sampled_from(
    ["model", "text", "layer", "head", "token", "scale", "other", "mention", "candidates", "device"]
)
# A scene as Headscope writes it, with hostile texts in it.
selections = st.dictionaries(
    fields, st.one_of(hostile.texts, st.sampled_from(["0", "3", "q2", "log", "minilm"])), max_size=5
)
places = st.sampled_from([(page, picture) for page, pictures in PICTURES.items() for picture in pictures])
scenes = st.builds(
    lambda place, selection, caption: {"page": place[0], "picture": place[1], "selection": selection, "caption": caption},
    places, selections, hostile.texts,
)  # fmt: skip
whole = st.builds(
    lambda title, scenes: {"format": FORMAT, "title": title, "scenes": scenes},
    hostile.texts,
    st.lists(scenes, max_size=4),
)


@st.composite
def broken(draw):
    """Return a talk of which one part is something else."""
    talk = draw(whole)
    parts = [talk, *talk["scenes"], *(scene["selection"] for scene in talk["scenes"])]
    part = draw(st.sampled_from(parts))
    part[draw(st.sampled_from([*part, "more"]) if part else st.just("more"))] = draw(values)
    return talk


def opened(data: bytes) -> Talk | None:
    """Return the talk in a file, None where it is refused; what is refused is told in a sentence."""
    try:
        return read_talk(data)
    except TalkError as error:
        said = str(error)
    assert said.encode()
    assert len(said) < 300
    assert said.endswith((".", "here."))
    return None


def check(talk: Talk) -> None:
    """A talk that was read: it can be written, encoded and read again as it is, and selects what there is."""
    assert len(talk.scenes) <= MOST_SCENES
    assert read_talk(write_talk(talk)) == talk
    for scene in talk.scenes:
        assert scene.picture in PICTURES[scene.page]
        for part in (scene.caption, *scene.selection, *scene.selection.values()):
            part.encode()
        selection = read_selection(dict(scene.selection))
        assert read_selection(write_selection(selection)) == selection
    talk.title.encode()


@given(whole)
def test_a_talk_with_any_text_is_read(talk):
    found = opened(json.dumps(talk).encode())
    if found is not None:
        check(found)
    assert found is not None or any(len(scene["caption"]) > 400 for scene in talk["scenes"]) or len(talk["title"]) > 400


@given(broken())
def test_a_talk_with_something_else_in_it_is_read_or_refused(talk):
    found = opened(json.dumps(talk).encode())
    if found is not None:
        check(found)


@given(values)
def test_any_json_is_read_or_refused(value):
    assert opened(json.dumps(value).encode()) is None


@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(lambda talk, cut: json.dumps(talk).encode()[:cut], whole, st.integers(0, 400)),
    )
)
@example(b"[" * (LARGEST_FILE - 1))
@example(b'{"format":' * 100_000)
@example(b"9" * LARGEST_FILE)
@example(b'"' + b"a" * LARGEST_FILE)
@example(b"NaN")
@example(json.dumps({"format": FORMAT, "scenes": [], "title": "\ud800"}).encode())
def test_any_bytes_are_read_or_refused(data):
    found = opened(data)
    if found is not None:
        check(found)


@profile.slow(50)
@given(whole)
def test_a_talk_is_shown_and_exported_with_its_words_as_words(written):
    talk = opened(json.dumps(written).encode())
    if talk is None:
        return
    found = [prepared(scene) for scene in talk.scenes]
    page = talk_export.talk_html(talk, found, "dark").decode()
    assert page.count("<script") == page.count("</script>") == 3
    assert not [one for one in hostile.outline(page) if hostile.MARK in str(one)]
    assert [scene["caption"] for scene in message_of(page)["scenes"]] == [scene.caption for scene in talk.scenes]
    if talk.scenes:
        assert len(PdfReader(io.BytesIO(talk_export.talk_pdf(talk, found, LIGHT))).pages) == len(talk.scenes)


def prepared(scene: Scene) -> Shown:
    try:
        return shown(scene, lambda share: None)
    except HeadscopeError:
        return Shown((), lambda _theme: [])


MINE = Talk("Mine", (Scene("talk", "text", {"text": "kept"}, "kept too"),))


def talk_page():
    session = open_page()
    session.session_state["talk"] = MINE
    return session.switch_page(PAGE).run()


def test_a_file_that_is_opened_on_the_page_is_offered_or_refused_and_mine_is_kept(caplog):
    session = talk_page()

    @profile.slow(100)
    @given(st.one_of(st.binary(max_size=100), broken().map(lambda talk: json.dumps(talk).encode())), hostile.texts)
    def search(data, name):
        caplog.clear()
        file = next(box for box in session.file_uploader if box.label == "A talk that was saved")
        # A browser sends a name without unpaired surrogates, and no file has a NUL in its name: Streamlit refuses it itself.
        sent = name.encode("utf-8", "replace").decode().replace("\0", "")
        file.set_value((f"{sent}.json", data, "application/json")).run()
        assert not session.exception
        assert session.session_state["talk"] == MINE
        offered = [button for button in session.button if button.label.startswith("Open this talk")]
        assert bool(offered) != bool(notices(session))
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]

    search()


def test_a_talk_of_a_stranger_is_opened_and_its_captions_are_words(caplog):
    session = talk_page()

    @profile.slow(100)
    @given(whole)
    def search(written):
        caplog.clear()
        talk = opened(json.dumps(written).encode())
        if talk is None or not talk.scenes:
            return
        session.session_state["talk"] = talk
        session.session_state["talk_version"] = session.session_state["talk_version"] + 1
        session.run()
        assert not session.exception
        assert [scene["caption"] for scene in messages(session)["talk_player"]["scenes"]] == [
            scene.caption for scene in talk.scenes
        ]
        assert not [found for found in hostile.outline(html_of(session)) if hostile.MARK in str(found)]
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]

    session.session_state["talk_version"] = 0
    search()


@pytest.mark.parametrize("data", [b"{}", b"\xff", b"[]"])
def test_a_refused_file_is_told_in_a_sentence(data):
    assert opened(data) is None
