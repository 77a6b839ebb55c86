"""The Talk page from the entry: order, captions, files, scenes that cannot be shown, and what is exported."""

import base64
import gzip
import io
import json
import re

import pytest
from pypdf import PdfReader

from app import talk_export
from app.figures.theme import theme
from app.ready_talks import READY, ready_talk
from app.scenes import shown
from app.selection import Selection, write_selection
from app.talks import Scene, Talk, write_talk
from tests.app_session import html_of, messages, open_page, unpack
from tests.hand_views import HOSTILE

PAGE = "../pages/talk.py"
NAME = next(iter(READY))
HOSTILE_TEXT = "</script><svg onload=alert(1)> it saw the \u202e dog & the <b>cat</b> because it"


def talk_page(talk: Talk | None = None):
    session = open_page()
    if talk is not None:
        session.session_state["talk"] = talk
    session.switch_page(PAGE).run()
    assert not session.exception
    return session


def message_of(page: str) -> dict:
    """Return the message that stands in an exported page."""
    encoded = re.search(r'id="message">([^<]*)<', page).group(1)
    return unpack(gzip.decompress(base64.b64decode(encoded)))


def prepared(talk: Talk) -> list:
    return [shown(scene, lambda share: None) for scene in talk.scenes]


def test_the_page_opens_with_the_ready_talk_to_look_at_and_begins_with_it_on_request():
    session = talk_page()
    player = messages(session)["talk_player"]
    assert player["title"] == NAME
    assert session.session_state["talk"].scenes == ()
    next(button for button in session.button if button.label.startswith("Begin")).click().run()
    assert session.session_state["talk"] == ready_talk(NAME)
    assert len(messages(session)["talk_player"]["scenes"]) == len(ready_talk(NAME).scenes)


def test_the_ready_talk_shows_every_scene_and_its_captions_are_true():
    talk = ready_talk(NAME)
    parts = [one.parts for one in prepared(talk)]
    assert all(parts)
    assert not any(part.text.startswith("This scene") for scene in parts for part in scene)
    by_picture = {
        scene.picture: unpack(part[0].message)
        for scene, part in zip(talk.scenes, parts, strict=True)
        if part[0].message
    }
    assert by_picture["arcs"]["arcs"][0][2] > 0.5
    (first, second) = (unpack(part.message)["arcs"] for part in parts[4])
    assert second[0][2] < first[0][2]
    assert second[0][2] > second[1][2]
    previous = unpack(parts[6][0].message)["weights"]
    rows = previous.shape[0]
    assert min(previous[row, row - 1] for row in range(1, rows)) > 0.9
    resting = unpack(parts[7][0].message)["weights"]
    assert resting[:, 0].mean() > 0.85


def test_scenes_are_moved_captioned_and_deleted():
    session = talk_page(Talk("T", tuple(Scene("talk", "text", {"text": name}, name) for name in "abc")))
    assert [area.value for area in session.text_area if area.label == "Caption"] == ["a", "b", "c"]
    next(button for button in session.button if button.label == "↓").click().run()
    assert [scene.caption for scene in session.session_state["talk"].scenes] == ["b", "a", "c"]
    next(area for area in session.text_area if area.label == "Caption").set_value("first").run()
    assert [scene.caption for scene in session.session_state["talk"].scenes] == ["first", "a", "c"]
    assert [scene["caption"] for scene in messages(session)["talk_player"]["scenes"]] == ["first", "a", "c"]
    [button for button in session.button if button.label == "Delete"][1].click().run()
    assert [scene.caption for scene in session.session_state["talk"].scenes] == ["first", "c"]
    next(button for button in session.button if "text alone" in button.label).click().run()
    assert len(session.session_state["talk"].scenes) == 3
    assert not session.exception


def test_a_scene_of_a_model_that_is_not_here_says_so_and_the_others_are_shown(tmp_path):
    scenes = (
        Scene("attention", "head", {"model": str(tmp_path)}, "folder"),
        Scene("attention", "head", {"model": "org/not-here"}, "hub"),
        Scene("coreference", "arcs", {"text": "word"}, "nothing"),
        Scene("talk", "text", {"text": "words"}, "text"),
    )
    talk = Talk("T", scenes)
    session = talk_page(talk)
    parts = [scene["parts"][0].get("text", "") for scene in messages(session)["talk_player"]["scenes"]]
    assert [part.startswith("This scene cannot be shown.") for part in parts] == [True, True, True, False]
    assert "from the hub" in parts[1]


@pytest.mark.parametrize("picture", ["tokens", "head", "grid", "arcs", "pair", "margins"])
def test_hostile_text_stands_escaped_in_both_exports(picture):
    page = "attention" if picture in ("tokens", "head", "grid") else "coreference"
    selection = Selection(text=HOSTILE_TEXT, other=HOSTILE_TEXT.replace("saw", "met"), mention="29", candidates="17,23")
    talk = Talk(HOSTILE_TEXT, (Scene(page, picture, write_selection(selection), HOSTILE_TEXT),))
    scenes = prepared(talk)
    html = talk_export.talk_html(talk, scenes, "light").decode()
    assert HOSTILE_TEXT not in html
    assert "<svg onload" not in html
    assert len(re.findall("<script", html)) == len(re.findall("</script>", html)) == 3
    assert not re.findall(r"https?://(?!www\.w3\.org)", html)
    pdf = PdfReader(io.BytesIO(talk_export.talk_pdf(talk, scenes, theme("light"))))
    assert len(pdf.pages) == 1


def test_the_html_file_of_ten_long_scenes_is_small_and_reads_back():
    text = " ".join(f"word{number % 7}" for number in range(60))
    grid = Scene("attention", "grid", write_selection(Selection(text=text)), "grid")
    head = Scene("attention", "head", write_selection(Selection(text=text, layer=2)), "head")
    talk = Talk("Ten", (grid, head) * 5)
    page = talk_export.talk_html(talk, prepared(talk), "dark").decode()
    assert len(page) < 5_000_000
    assert len(message_of(page)["scenes"]) == 10
    assert json.loads(re.search(r'id="provenance">([^<]+)<', page).group(1))["picture"]["title"] == "Ten"


def test_the_pdf_has_a_page_for_each_scene_with_its_caption():
    talk = ready_talk(NAME)
    pages = PdfReader(io.BytesIO(talk_export.talk_pdf(talk, prepared(talk), theme("light")))).pages
    assert len(pages) == len(talk.scenes)
    for page, scene in zip(pages, talk.scenes, strict=True):
        assert page.mediabox.width / page.mediabox.height == pytest.approx(16 / 9, abs=0.01)
        assert scene.caption.split()[0] in page.extract_text()


def test_what_is_typed_goes_into_the_file():
    session = talk_page(Talk("T", (Scene("talk", "text", {"text": "a"}, "b"),)))
    session.text_input[0].set_value("<i>Title</i>").run()
    next(area for area in session.text_area if area.label == "Text").set_value(HOSTILE[0] + "more").run()
    talk = session.session_state["talk"]
    assert (talk.title, talk.scenes[0].selection["text"]) == ("<i>Title</i>", HOSTILE[0] + "more")
    assert b"<i>Title</i>" in write_talk(talk)
    assert "<i>Title</i>" not in html_of(session)


def test_reloading_the_page_loses_no_talk_and_an_address_opens_a_copy():
    session = talk_page()
    next(button for button in session.button if button.label.startswith("Begin")).click().run()
    address = {name: values[0] if isinstance(values, list) else values for name, values in session.query_params.items()}
    again = open_page(**address)
    assert again.session_state["talk"] == ready_talk(NAME)
    assert again.session_state["talk_name"] != session.session_state["talk_name"]
    assert open_page(talk="unknown").session_state["talk"] == Talk()
