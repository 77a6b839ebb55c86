"""What the Attention page shows of a selection: the view, its names, its messages; no streamlit."""

from dataclasses import replace

from app.components.messages import head_view_message
from app.selection import Selection
from model.analysis.blocks import segment_block
from model.analysis.views import AttentionView, attention_view
from model.trace import SEQUENCES, Trace

SEGMENTS = {"A": 0, "B": 1}


def fitted(selection: Selection, trace: Trace) -> Selection:
    """Return the selection with what this trace does not have (stack, layer, head, token, block) moved to the nearest it has."""
    stack = selection.stack if selection.stack in trace.stacks else trace.stacks[0]
    layer = min((one.index for one in trace.of_stack(stack)), key=lambda index: abs(index - selection.layer))
    shape = trace.layer(layer, stack).shape
    token = selection.token
    if token and int(token[1:]) >= shape[1 if token[0] == "q" else 2]:
        token = ""
    return replace(
        selection,
        stack=stack if len(trace.stacks) > 1 else "",
        layer=layer,
        head=min(selection.head, shape[0] - 1),
        token=token,
        block=selection.block if has_two_texts(trace) else "all",
    )


def has_two_texts(trace: Trace) -> bool:
    """Say whether the trace is of a pair of texts, A and B."""
    return any(token.segment == 1 for tokens in trace.tokens.values() for token in tokens)


def selected_view(trace: Trace, selection: Selection, stack: str) -> AttentionView:
    """Return the weights that the selection asks for."""
    view = attention_view(
        trace, selection.layer, selection.head, stack=stack, combination=selection.combination,
        words=selection.words, hide_special=selection.hide_special,
    )  # fmt: skip
    return block_of(view, selection, trace, stack)


def block_of(view: AttentionView, selection: Selection, trace: Trace, stack: str) -> AttentionView:
    """Return the part of a view from one text of a pair to the other, or all of it."""
    if selection.block == "all":
        return view
    rows, columns = (SEGMENTS[letter] for letter in selection.block.split(" to "))
    query, key = (trace.sequence(selection.layer, side, stack) for side in ("query", "key"))
    return segment_block(view, query, key, rows=rows, columns=columns)


def head_message(view: AttentionView, selection: Selection, trace: Trace, stack: str) -> bytes:
    """Return the message of the head component for a selection."""
    title = head_title(selection)
    size = f"{len(view.query_tokens)} queries by {len(view.key_tokens)} keys"
    return head_view_message(
        view,
        title=title,
        description=f"Attention of {title}, {size}.",
        opened=(selection.layer, selection.head),
        selected=view.place_of(selection.token),
        scale=selection.scale,
        common=selection.common,
        threshold=selection.threshold,
        same_sequence=same_sequence(stack),
    )


def same_sequence(stack: str) -> bool:
    """Say whether queries and keys of a stack are the same tokens."""
    return len(set(SEQUENCES[stack])) == 1


def head_title(selection: Selection) -> str:
    """Return the name of what is open: L3 H1, or what several heads were combined to."""
    layer = f"L{selection.layer}"
    return {
        "head": f"{layer} H{selection.head}",
        "layer mean": f"{layer} mean",
        "layer maximum": f"{layer} maximum",
        "mean of all": "mean of all heads",
        "maximum of all": "maximum of all heads",
    }[selection.combination]
