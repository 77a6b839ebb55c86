"""What of the Compare page is shown: widgets whose values go to the selection."""

import streamlit as st

from app import explanations, heads_controls, heads_explanations, sidebar, state
from app.choices import COMPARE_VIEWS, COMPARISONS
from app.compared import with_model
from app.public_mode import limits
from app.selection import NEW_INPUT
from model.catalog import BUNDLED
from model.loading import LoadedModel
from model.trace import Trace


def view_switch() -> None:
    """Draw the choice of what is compared."""
    names = heads_explanations.COMPARISON_NAMES
    st.segmented_control(
        "Compare", COMPARISONS, format_func=names.get, label_visibility="collapsed", **state.bound("compare")
    )


def input_row() -> None:
    """Draw the sentence, and beside it what else is compared: a second sentence, a model or interventions."""
    kind = state.selection().compare
    st.text_area(
        "Sentence", height=68, width=360, placeholder="Type or paste a sentence", **state.bound("text", **NEW_INPUT)
    )
    if kind == "sentences":
        if not state.selection().other.strip():
            state.change(other=heads_explanations.OTHER_SENTENCE)
        st.text_area("Second sentence", height=68, width=360, **state.bound("other"))
    if kind == "models":
        _other_model()
    if kind == "interventions":
        st.text_input(
            "Changed heads",
            width=200,
            placeholder="L3H1:off",
            help=heads_explanations.EDITS_TEXT,
            **state.bound("edits"),
        )


def _other_model() -> None:
    """Draw the choice of the second model: a bundled one, a folder or a hub id."""
    names = list(limits().models or BUNDLED)
    current = state.selection().other_model
    names = names if current in names else [*names, current]
    st.selectbox(
        "Second model", names, format_func=lambda name: BUNDLED[name].title if name in BUNDLED else name, width=260,
        accept_new_options=not limits().public, help=heads_explanations.OTHER_MODEL_HELP, **state.bound("other_model"),
    )  # fmt: skip


def other_loaded() -> LoadedModel | None:
    """Return the second model where two are compared, loading it; raises HeadscopeError."""
    if state.selection().compare != "models":
        return None
    return sidebar.loaded_model(with_model(state.selection()))


def head_controls(traces: tuple[Trace, Trace]) -> None:
    """Draw the choice of stack and of both heads or layers."""
    first, second = traces
    heads_controls.stack_control(first.stacks)
    stack = state.selection().stack or first.stacks[0]
    both = state.selection().compare in ("heads", "layers", "models")
    _choice("A" if both else "Head", first, stack, "layer", "head")
    if both:
        _choice("B", second, stack if stack in second.stacks else second.stacks[0], "other_layer", "other_head")


def _choice(label: str, trace: Trace, stack: str, layer: str, head: str) -> None:
    """Draw the choice of a head, or of a layer where layers are compared."""
    selection = state.selection()
    if selection.compare != "layers":
        heads_controls.head_control(heads_controls.heads_of(trace, stack), label, layer, head)
        return
    indices = [one.index for one in trace.of_stack(stack)]
    if getattr(selection, layer) not in indices:
        state.change(**{layer: min(indices, key=lambda index: abs(index - getattr(selection, layer)))})
    st.selectbox(label, indices, format_func=lambda index: f"L{index} mean", width=110, **state.bound(layer))


def shown_controls() -> None:
    """Draw the choice between maps and layers, and what stands behind "More"."""
    names = heads_explanations.COMPARE_VIEW_NAMES
    st.segmented_control("Shown", COMPARE_VIEWS, format_func=names.get, **state.bound("compare_view"))
    with st.popover("More"):
        st.toggle("Words", help=explanations.WORDS_HELP, **state.bound("words"))
        st.toggle("Hide special", help=explanations.SPECIAL_HELP, **state.bound("hide_special"))
        st.toggle("Common scale", help=explanations.COMMON_HELP, **state.bound("common"))
    with st.popover("How to read"):
        st.markdown(heads_explanations.COMPARE_HOW_TO_READ)
