"""What the Compare page compares: two runs, what is shown of each, and both on common axes; no streamlit."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from app import heads_engine
from app.engine import Run
from app.head_frames import head_name
from app.selection import Selection
from model.analysis.comparison import AlignedPair, compare_views
from model.analysis.views import AttentionView, attention_view
from model.loading import LoadedModel
from model.trace import Trace

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Place:
    """What of a trace is shown: a head, or the mean of a layer (`head` None)."""

    stack: str
    layer: int
    head: int | None

    @property
    def name(self) -> str:
        """Its name: "L3 H1", "L3 mean"."""
        return f"L{self.layer} mean" if self.head is None else head_name(self.layer, self.head)


@dataclass(frozen=True, eq=False)
class Compared:
    """Two runs, what is shown of each, and their names; `same_text` where both read the same."""

    runs: tuple[Run, Run]
    places: tuple[Place, Place]
    titles: tuple[str, str]
    same_text: bool

    @property
    def traces(self) -> tuple[Trace, Trace]:
        """The traces of both."""
        return self.runs[0].trace, self.runs[1].trace

    @property
    def same_tokens(self) -> bool:
        """Whether both have the same tokens."""
        first, second = ([token.id for token in self.tokens(side)[1]] for side in (0, 1))
        return first == second and self.same_text

    def tokens(self, side: int):
        """Return the query and the key tokens of one of the two."""
        place = self.places[side]
        return tuple(self.traces[side].sequence(place.layer, axis, place.stack) for axis in ("query", "key"))

    def view(self, side: int, words: bool, hide_special: bool) -> AttentionView:
        """Return the weights of one of the two."""
        place = self.places[side]
        return attention_view(
            self.traces[side], place.layer, place.head or 0, stack=place.stack, words=words, hide_special=hide_special,
            combination="layer mean" if place.head is None else "head",
        )  # fmt: skip

    def pair(self, selection: Selection) -> AlignedPair:
        """Return both on common axes; two models are compared by words."""
        words = selection.words or (selection.compare == "models" and not self.same_tokens)
        views = [self.view(side, words, selection.hide_special) for side in (0, 1)]
        return compare_views(
            *views, first_tokens=self.tokens(0), second_tokens=self.tokens(1), same_text=self.same_text
        )


def runs_of(
    selection: Selection, loaded: LoadedModel, other: LoadedModel | None, progress: Progress
) -> tuple[Run, Run]:
    """Return both runs; `other` is the second model where there are two. Raises HeadscopeError."""
    first = heads_engine.plain_run(selection, loaded, lambda share: progress(share / 2))
    return first, _second(selection, loaded, other, first, lambda share: progress(0.5 + share / 2))


def compared(selection: Selection, runs: tuple[Run, Run], names: tuple[str, str]) -> Compared:
    """Return what the selection compares in two runs of the models called `names`."""
    first, second = (run.trace for run in runs)
    stack = selection.stack if selection.stack in first.stacks else first.stacks[0]
    same = selection.compare in ("sentences", "interventions")
    other = (selection.layer, selection.head) if same else (selection.other_layer, selection.other_head)
    places = nearest_place(first, stack, selection.layer, selection.head), nearest_place(second, stack, *other)
    if selection.compare == "layers":
        places = tuple(replace(place, head=None) for place in places)
    return Compared(runs, places, _titles(selection.compare, places, names), selection.compare != "sentences")


def _titles(kind: str, places: tuple[Place, Place], names: tuple[str, str]) -> tuple[str, str]:
    shown = tuple(place.name for place in places)
    added = {"sentences": ("first", "second"), "interventions": ("as it is", "changed")}
    if kind == "models":
        return tuple(f"{name.split('/')[-1]} {place}" for name, place in zip(names, shown, strict=True))
    return tuple(" ".join(both) for both in zip(shown, added[kind], strict=True)) if kind in added else shown


def _second(
    selection: Selection, loaded: LoadedModel, other: LoadedModel | None, first: Run, progress: Progress
) -> Run:
    if selection.compare == "sentences":
        return heads_engine.plain_run(replace(selection, text=selection.other, target=""), loaded, progress)
    if selection.compare == "models" and other is not None:
        return heads_engine.plain_run(with_model(selection), other, progress)
    if selection.compare == "interventions":
        return heads_engine.edited_run(selection, loaded, first.trace, progress)
    return first


def with_model(selection: Selection) -> Selection:
    """Return the selection with the other model in the place of the first."""
    return replace(selection, model=selection.other_model, revision="", target="")


def side_names(kind: str) -> tuple[str, str]:
    """Return what the layers of each side are called."""
    named = {"sentences": ("first sentence", "second sentence"), "models": ("first model", "second model")}
    named["interventions"] = ("as it is", "changed")
    return tuple(f"layer, {name}" for name in named[kind]) if kind in named else ("layer", "layer")


def nearest_place(trace: Trace, stack: str, layer: int, head: int) -> Place:
    """Return the head, or the nearest that the trace has."""
    stack = stack if stack in trace.stacks else trace.stacks[0]
    chosen = min(trace.of_stack(stack), key=lambda one: abs(one.index - layer))
    return Place(stack, chosen.index, min(head, chosen.heads - 1))
