"""The text that is looked at: a box, examples, and the tokens that the model makes of it."""

import streamlit as st

from app import explanations, panels, state
from app.choices import KEPT_PARTS, METHODS, MOST_NEW_TOKENS
from app.examples import EXAMPLES
from app.figures.token_strip import token_strip
from app.public_mode import limits
from app.selection import NEW_INPUT

# A text file that is larger than this is no text that somebody reads.
MOST_MEGABYTES = 20


def text_box():
    """Draw the text box and the examples; returns the row in which a second box may stand beside the first."""
    left, right = st.columns([4, 2.2], vertical_alignment="center")
    row = left.container(horizontal=True, gap="small")
    row.text_area(
        "Sentence", height=68, label_visibility="collapsed", placeholder="Type or paste a sentence",
        **state.bound("text", **NEW_INPUT),
    )  # fmt: skip
    with right, st.container(horizontal=True, gap="small"):
        with st.popover("Examples"):
            for name, text in EXAMPLES.items():
                st.button(name, key=f"example_{name}", on_click=_use, args=(text,), width="stretch", help=text)
        with st.popover("Input"):
            _text_file()
            _input_options()
        with st.popover("How to read"):
            st.markdown(explanations.HOW_TO_READ)
    if state.selection().pair:
        row.text_area(
            "Second sentence", height=68, label_visibility="collapsed", placeholder="The second sentence",
            **state.bound("second", **NEW_INPUT),
        )  # fmt: skip
    return row


def _input_options() -> None:
    st.toggle("Second sentence", help=explanations.PAIR_HELP, **state.bound("pair", **NEW_INPUT))
    st.toggle("Chat template", help=explanations.CHAT_HELP, **state.bound("chat", **NEW_INPUT))
    st.number_input(
        "Tokens to write", min_value=0, max_value=MOST_NEW_TOKENS, help=explanations.WRITE_HELP,
        **state.bound("new_tokens", **NEW_INPUT),
    )  # fmt: skip
    if state.selection().new_tokens:
        st.segmented_control("How", METHODS, **state.bound("method", **NEW_INPUT))
        if state.selection().method == "sampled":
            st.number_input("Seed", min_value=0, max_value=10**9, **state.bound("seed", **NEW_INPUT))


def _text_file() -> None:
    """Draw the upload of a text and put it into the box, once for each file."""
    file = st.file_uploader(
        "Text file", ["txt", "md", "pdf"], key="text_file", help=explanations.TEXT_FILE_HELP,
        max_upload_size=limits().megabytes(MOST_MEGABYTES),
    )  # fmt: skip
    if file is None or state.opened("text file") == file.file_id:
        return
    with panels.guarded():
        limits().check_upload(file.name, file.size)
        # Late: a PDF needs a library that nothing else on the page does.
        from model.text_files import read_text_file

        text = read_text_file(file.name, file.getvalue())
    state.keep_opened("text file", file.file_id)
    state.change(text=text, other="", **NEW_INPUT)
    st.rerun()


def window_controls(loaded) -> None:
    """Draw what of a text that is too long the model reads, where the user has chosen to cut it."""
    selection = state.selection()
    if not selection.cut or (selection.pair and selection.second.strip()):
        return
    from app import engine

    windows = engine.text_windows(selection, loaded)
    if windows.fits:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        moved = {"token": "", "zoom": ""}
        st.segmented_control(
            "Read",
            KEPT_PARTS,
            help=explanations.KEEP_HELP,
            label_visibility="collapsed",
            **state.bound("keep", **moved),
        )
        if selection.keep == "window":
            if selection.window_start > windows.last_start:
                state.change(window_start=windows.last_start)
            st.slider(
                "First token of the window", 0, windows.last_start, step=max(1, windows.room // 8), width=320,
                label_visibility="collapsed", **state.bound("window_start", **moved),
            )  # fmt: skip
        kept = windows.kept(selection.keep, state.selection().window_start)
        left = sum(end - start for start, end in kept.left_out)
        st.caption(
            f"{windows.count:,} tokens, the model takes {windows.limit:,}; {left:,} of {kept.whole:,} characters left out"
        )


def target_box(row) -> None:
    """Draw the box for the decoder's text in an encoder-decoder, beside the text box."""
    row.text_area(
        "Target", height=68, label_visibility="collapsed", placeholder=explanations.TARGET_HELP, **state.bound("target")
    )


def token_strips(trace, limit: int | None, tokenizer=None) -> None:
    """Show the tokens of each side of the trace, and a button that explains them."""
    sides = trace.tokens if len(trace.tokens) > 1 else {"": next(iter(trace.tokens.values()))}
    left, right = st.columns([15, 1], gap="small", vertical_alignment="center")
    for side, tokens in sides.items():
        left.html(token_strip(tokens, limit, side))
    if right.button("Tokens", type="tertiary", help=explanations.TOKENS_HELP):
        # Late, as everything that imports torch.
        from app.token_panel import token_dialog

        text, second = trace.provenance.text, trace.provenance.text_pair
        token_dialog(trace, tokenizer, text if second is None else (text, second))


def _use(text: str) -> None:
    state.change(text=text, other="", **NEW_INPUT)
