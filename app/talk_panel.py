"""The talk: its scenes in order, each with a caption, beside the player that presents it."""

import html

import streamlit as st

from app import explanations, export, state, talk_export
from app.components.canvases import canvas
from app.components.talk_messages import Part, talk_message
from app.figures.theme import theme
from app.panels import guarded
from app.progress import progress_bar
from app.public_mode import limits
from app.ready_talks import READY, ready_talk
from app.scenes import Shown, shown
from app.selection import read_selection
from app.talks import LARGEST_FILE, LONGEST_CAPTION, PICTURES, Scene, Talk, read_talk, write_talk
from model.errors import HeadscopeError

APPEARANCES = ("light", "dark")


def talk_panel() -> None:
    """Draw the talk's title and files, its scenes, and the player."""
    talk = state.talk()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.text_input("Title", max_chars=LONGEST_CAPTION, width=360, **state.typed_talk("title", talk.title, _titled))
        appearance = st.segmented_control("Appearance", APPEARANCES, key="talk_appearance", default="dark") or "dark"
        _open_popover()
        talk = state.talk()
        st.download_button(
            "Save", data=write_talk(talk), file_name=export.file_name([talk.title, "talk"], "json"), mime="application/json",
            on_click="ignore", disabled=not talk.scenes,
        )  # fmt: skip
        place = st.container(width="content")
    if not talk.scenes:
        _ready(appearance)
        return
    scenes = _prepared(talk)
    left, right = st.columns([0.36, 0.64], gap="medium")
    with left.container(height=640, border=False):
        for index, scene in enumerate(talk.scenes):
            _scene_row(index, scene, len(talk.scenes))
        st.button("Add a scene of text alone", on_click=_add_text, width="stretch")
    with right:
        canvas("talk_player", _message(talk, scenes, appearance), key="talk_player")
    with place:
        _export_popover(talk, scenes, appearance)
    state.publish()


def _ready(appearance: str) -> None:
    """Show the talk that comes with the app, and how to begin with it."""
    first = next(iter(READY))
    st.html(f'<p class="hint">{html.escape(explanations.TALK_EMPTY)}</p>')
    st.button(f"Begin with “{first}”", type="primary", on_click=_begin, args=(first,))
    talk = ready_talk(first)
    with st.columns([0.12, 0.76, 0.12])[1]:
        canvas("talk_player", _message(talk, _prepared(talk), appearance), key="ready_player")


def _export_popover(talk: Talk, scenes: list[Shown], appearance: str) -> None:
    with st.popover("Export"):
        st.download_button(
            "One HTML file", data=lambda: talk_export.talk_html(talk, scenes, appearance), mime="text/html",
            file_name=export.file_name([talk.title], "html"), on_click="ignore", key="talk_html",
        )  # fmt: skip
        st.download_button(
            "PDF pages", data=lambda: talk_export.talk_pdf(talk, scenes, theme(appearance)), mime="application/pdf",
            file_name=export.file_name([talk.title], "pdf"), on_click="ignore", key="talk_pdf",
        )  # fmt: skip
        st.caption(explanations.TALK_EXPORT)


def _prepared(talk: Talk) -> list[Shown]:
    """Return what is shown of each scene."""
    count = len(talk.scenes)
    with guarded(), progress_bar("Preparing the scenes") as tell:
        return [_shown(scene, lambda share, n=n: tell((n + share) / count)) for n, scene in enumerate(talk.scenes)]


def _message(talk: Talk, scenes: list[Shown], appearance: str) -> bytes:
    return talk_message(talk, [one.parts for one in scenes], appearance=appearance)


def _shown(scene: Scene, progress) -> Shown:
    """Return what is shown of a scene, or a sentence in its place that says why it cannot be shown."""
    try:
        return shown(scene, progress)
    except HeadscopeError as error:
        return Shown((Part(text=f"This scene cannot be shown. {error}"),), lambda _theme: [])


def _scene_row(index: int, scene: Scene, count: int) -> None:
    with st.container(border=True):
        name = PICTURES[scene.page][scene.picture]
        shown_of = f"{scene.page.capitalize()}: {name}" if scene.page != "talk" else name
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.html(f'<div class="scene-name"><b>{index + 1}</b> {html.escape(shown_of)}</div>')
            key = f"{state.talk_version()}_{index}"
            st.button("↑", key=f"up_{key}", help="Earlier", on_click=_move, args=(index, -1), disabled=index == 0)
            st.button(
                "↓", key=f"down_{key}", help="Later", on_click=_move, args=(index, 1), disabled=index == count - 1
            )
            if scene.page != "talk" and st.button("Open", key=f"open_{key}", help="Open its page with this selection"):
                state.change(**vars(read_selection(dict(scene.selection))))
                st.switch_page(f"../pages/{scene.page}.py")
            st.button("Delete", key=f"delete_{key}", on_click=_delete, args=(index,))
        st.text_area(
            "Caption", height=68, max_chars=LONGEST_CAPTION, label_visibility="collapsed", placeholder="Caption",
            **state.typed_talk(f"caption_{index}", scene.caption, lambda talk, text: talk.captioned(index, text)),
        )  # fmt: skip
        if scene.page == "talk":
            st.text_area(
                "Text", height=68, label_visibility="collapsed", placeholder="Text under the caption",
                **state.typed_talk(f"text_{index}", scene.selection.get("text", ""), lambda talk, text: talk.worded(index, text)),
            )  # fmt: skip


def _open_popover() -> None:
    with st.popover("Open"):
        for name in READY:
            st.button(name, key=f"ready_{name}", on_click=_begin, args=(name,), width="stretch")
        file = st.file_uploader(
            "A talk that was saved",
            ["json"],
            key="talk_file",
            max_upload_size=limits().megabytes(LARGEST_FILE // 10**6),
        )
        if file is not None:
            with guarded():
                limits().check_upload(file.name, file.size)
                found = read_talk(file.getvalue())
                # Without the file's name: a label is read as Markdown.
                st.button(
                    f"Open this talk, {len(found.scenes)} scenes", key="talk_open", type="primary",
                    on_click=state.change_talk, args=(found,),
                )  # fmt: skip


def _titled(talk: Talk, title: str) -> Talk:
    return talk.titled(title)


def _begin(name: str) -> None:
    state.change_talk(ready_talk(name))


def _move(index: int, by: int) -> None:
    state.change_talk(state.talk().moved(index, by))


def _delete(index: int) -> None:
    state.change_talk(state.talk().without(index))


def _add_text() -> None:
    state.change_talk(state.talk().added(Scene("talk", "text", {"text": ""})))
