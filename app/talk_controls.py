"""“Add to talk” on any page: what is selected there becomes a scene."""

import streamlit as st

from app import state
from app.panels import notice
from app.selection import write_selection
from app.talks import LONGEST_CAPTION, PICTURES, Scene, TalkError


def add_to_talk(page: str, pictures: tuple[str, ...]) -> None:
    """Draw the popover that adds what this page shows to the talk, with a caption."""
    names = PICTURES[page]
    with st.popover("Add to talk"):
        picture = st.segmented_control(
            "Picture", pictures, format_func=names.get, key="scene_picture", default=pictures[0]
        )
        caption = st.text_area(
            "Caption",
            key="scene_caption",
            max_chars=LONGEST_CAPTION,
            height=80,
            placeholder="What the audience should see",
        )
        picture = picture if picture in pictures else pictures[0]
        st.button("Add", key="scene_add", type="primary", on_click=_add, args=(page, picture, caption))
        count = len(state.talk().scenes)
        st.caption(f"The talk has {count} scene{'' if count == 1 else 's'}.")


def _add(page: str, picture: str, caption: str) -> None:
    scene = Scene(page, picture, write_selection(state.selection()), caption.strip())
    try:
        state.change_talk(state.talk().added(scene))
        st.toast(f"Scene {len(state.talk().scenes)} added.")
    except TalkError as error:
        notice(str(error))
