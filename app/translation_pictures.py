"""What the Translation page shows of one model's translation: views, names and messages; no streamlit."""

from dataclasses import dataclass, replace

from app.components.messages import head_view_message
from app.selection import Selection
from model.analysis.alignment import alignment_view, first_rows
from model.analysis.views import AttentionView, attention_view
from model.generation import Generation
from model.loading import LoadedModel


@dataclass(frozen=True, eq=False)
class Translation:
    """What one model wrote, and the name of its architecture."""

    title: str
    loaded: LoadedModel
    generation: Generation

    @property
    def steps(self) -> int:
        """Return how many tokens were written."""
        return len(self.generation.steps)

    def written(self, selection: Selection) -> int:
        """Return how many of them are shown."""
        return min(selection.written or self.steps, self.steps)


def fitted(translation: Translation, selection: Selection) -> Selection:
    """Return the selection with what this model does not have (stack, layer, head) replaced by what it has."""
    trace = translation.generation.trace
    shown = selection.shown if selection.shown in trace.stacks else "cross"
    layers = {one.index: one for one in trace.of_stack(shown)}
    layer = selection.translation_layer if selection.translation_layer in layers else max(layers)
    heads = layers[layer].heads
    head = 0 if heads == 1 else selection.translation_head if selection.translation_head < heads else -1
    return replace(selection, shown=shown, translation_layer=layer, translation_head=head)


def alignment_of(translation: Translation, selection: Selection) -> AttentionView:
    """Return the alignment of the whole translation in the chosen layer and head."""
    head = None if selection.translation_head < 0 else selection.translation_head
    return alignment_view(translation.generation.trace, selection.translation_layer, head)


def shown_view(translation: Translation, selection: Selection) -> AttentionView:
    """Return what is shown: the alignment as far as it is written, or one side's attention to itself."""
    if selection.shown == "cross":
        return first_rows(alignment_of(translation, selection), translation.written(selection))
    combination = "layer mean" if selection.translation_head < 0 else "head"
    return attention_view(
        translation.generation.trace, selection.translation_layer, max(0, selection.translation_head),
        stack=selection.shown, combination=combination,
    )  # fmt: skip


def title_of(selection: Selection) -> str:
    """Return the name of what is shown: L3 H1, or L3 mean."""
    head = "mean" if selection.translation_head < 0 else f"H{selection.translation_head}"
    return f"L{selection.translation_layer} {head}"


def message_of(view: AttentionView, selection: Selection) -> bytes:
    """Return the message of the head component."""
    title = title_of(selection)
    cross = selection.shown == "cross"
    return head_view_message(
        view, title=f"{selection.shown} {title}", description=f"Attention of {title}, {len(view.query_tokens)} rows.",
        opened=(selection.translation_layer, max(0, selection.translation_head)),
        selected=f"q{len(view.query_tokens) - 1}" if cross and view.query_tokens else "", scale=selection.scale,
        common=selection.common, threshold=selection.threshold, same_sequence=not cross,
    )  # fmt: skip
