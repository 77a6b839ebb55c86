"""The sentence, its minimal partner, and what of it is followed: widgets whose values go to the selection."""

import streamlit as st

from app import explanations, state
from app.choices import DIRECTIONS, HEAD_CHOICES, VIEWS
from app.marked_text import MarkedText, format_groups
from app.selection import NEW_INPUT
from model.minimal_pairs import MINIMAL_PAIRS


def view_switch() -> None:
    """Draw the choice between one sentence and the results on real sets."""
    names = {"one sentence": "One sentence", "real sets": "Real sets"}
    st.segmented_control("View", VIEWS, format_func=names.get, label_visibility="collapsed", **state.bound("view"))


def sentence_boxes() -> None:
    """Draw the sentence, the second one of a minimal pair where there is one, and the examples."""
    left, right = st.columns([1, 1] if state.selection().other else [1.5, 1], vertical_alignment="center")
    with left.container(horizontal=True, gap="small"):
        st.text_area(
            "Sentence", height=68, label_visibility="collapsed", placeholder="Type or paste a sentence",
            **state.bound("text", **NEW_INPUT),
        )  # fmt: skip
        if state.selection().other:
            st.text_area(
                "Second sentence", height=68, label_visibility="collapsed", placeholder="The same with another answer",
                **state.bound("other"),
            )  # fmt: skip
    with right, st.container(horizontal=True, gap="small"):
        with st.popover("Minimal pairs"):
            for pair in MINIMAL_PAIRS:
                st.button(
                    pair.name, key=f"pair_{pair.name}", on_click=_use, args=(pair.first, pair.second), width="stretch",
                    help=f"{pair.first} / {pair.second}",
                )  # fmt: skip
        if state.selection().other:
            st.button("One sentence", on_click=state.change, kwargs={"other": ""})
        else:
            st.button("Second sentence", on_click=_second, help=explanations.SECOND_HELP)
        with st.popover("How to read"):
            st.markdown(explanations.COREFERENCE_HOW_TO_READ)


def word_controls(marked: MarkedText) -> None:
    """Draw the choice of mention, candidates and right candidate: the same as clicking the words."""
    singles = [str(word) for word in range(len(marked.spans))]
    names = {place: f"{marked.words[int(place)]} ({place})" for place in singles}
    for group in (marked.mention, *marked.candidates):
        names |= {format_groups([group]): marked.name(group)} if len(group) > 1 else {}
    proposed = {"mention": format_groups([marked.mention] if marked.mention else []), "candidates": marked.candidates}
    _mention_box(names, proposed["mention"])
    _candidates_box(names, [format_groups([group]) for group in marked.candidates])
    options = [-1, *range(len(marked.candidates))]
    if state.selection().answer >= len(marked.candidates):
        state.change(answer=-1)
    known = (
        marked.name(marked.candidates[marked.answer]) if marked.known and state.selection().answer < 0 else "say which"
    )
    right = {-1: known} | {place: marked.name(group) for place, group in enumerate(marked.candidates)}
    st.selectbox(
        "Right", options, format_func=right.get, width=120, help=explanations.ANSWER_HELP, **state.bound("answer")
    )


def head_controls() -> None:
    """Draw the choice of heads; the rest stands behind "More"."""
    names = explanations.HEAD_CHOICE_NAMES
    st.selectbox(
        "Heads", HEAD_CHOICES, format_func=names.get, width=150, help=explanations.HEADS_HELP, **state.bound("choice")
    )
    if state.selection().choice == "mean of best":
        st.number_input("How many", min_value=1, max_value=50, width=100, **state.bound("best"))
    with st.popover("More"):
        names = explanations.DIRECTION_NAMES
        st.segmented_control(
            "Direction", DIRECTIONS, format_func=names.get, help=explanations.DIRECTION_HELP, **state.bound("direction")
        )
        st.toggle("Last word of a candidate only", help=explanations.HEAD_WORD_HELP, **state.bound("head_word"))
        st.toggle("Hide special", help=explanations.SPECIAL_HELP, **state.bound("hide_special"))


def _mention_box(names: dict[str, str], proposed: str) -> None:
    if state.selection().mention not in names:
        state.change(mention="")
    shown = {"": f"{names[proposed].split(' (')[0]}" if proposed else "choose"} | names
    st.selectbox(
        "Mention",
        list(shown),
        format_func=shown.get,
        width=110,
        help=explanations.MENTION_HELP,
        **state.bound("mention"),
    )


def _candidates_box(names: dict[str, str], current: list[str]) -> None:
    st.multiselect(
        "Candidates", list(names), format_func=lambda place: names[place].split(" (")[0], width=240,
        help=explanations.CANDIDATES_HELP, **state.bound_words("candidates", current),
    )  # fmt: skip


def _use(first: str, second: str) -> None:
    state.change(text=first, other=second, **NEW_INPUT)


def _second() -> None:
    state.change(other=state.selection().text)
