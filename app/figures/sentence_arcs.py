"""A sentence in large type with arcs from a mention to its candidates, as thick as the attention they stand for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.figures.arc_paths import ArcPath, place_for, route_arcs
from app.figures.sentence_lines import LEFT, SIZE, Place, shown
from app.figures.svg import add, add_text, add_title, clean, columns, document, number, serialize, title_width
from app.figures.theme import Theme
from model.errors import HeadscopeError

MOST_WORDS = 64
ROLES = ("mention", "candidate")
_NUMBER_SIZE, _NUMBER_WIDTH, _NUMBER_HEIGHT, _CHECK = 30.0, 104.0, 40.0, 32.0


@dataclass(frozen=True)
class Arc:
    """An arc from one word to another by their indices; `weight` is drawn within [0, 1], `answer` marks the right target."""

    source: int
    target: int
    weight: float
    answer: bool = False


def sentence_arcs(
    words: Sequence[str], arcs: Sequence[Arc], *, roles: Mapping[int, str], theme: Theme, title: str,
    provenance: Mapping, subtitle: str = "",
) -> str:  # fmt: skip
    """Return the SVG of a sentence of up to 64 words with its arcs; width and strength grow with the weight, 1 the thickest.

    `roles` names the words of the "mention" and of each "candidate"; adjacent words of one role belong together. The arcs
    stand in a group of class "arcs", so that a talk can show the sentence first.
    """
    _check(words, arcs, roles)
    spans = _spans(roles, [arc.target for arc in arcs], len(words))
    pairs = [(spans[arc.source], spans[arc.target]) for arc in arcs]
    places = place_for(words, pairs)
    layout = route_arcs(places, pairs, 72.0 if subtitle else 46.0)
    width = max(
        max((place.right for place in places), default=0) + LEFT, title_width(title), 28 + 11 * columns(subtitle)
    )
    told = "; ".join(
        f"{_phrase(words, spans[arc.source])} to {_phrase(words, spans[arc.target])} {arc.weight:.3f}"
        f"{' (the right answer)' if arc.answer else ''}"
        for arc in arcs
    )
    description = f"A sentence with attention drawn as arcs. {' '.join(map(str, words))} {told}"
    root = document(width, layout.height, theme, title, description, provenance)
    add_title(root, title, theme)
    if subtitle:
        add_text(root, 14, 54, subtitle, size=18, fill=theme.quiet)
    answers = {spans[arc.target] for arc in arcs if arc.answer}
    for span in sorted({span for index, span in spans.items() if roles.get(index) == "candidate"} | answers):
        _underline(root, places[slice(*span)], layout.middles, span in answers, theme)
    _draw_words(root, places, layout.middles, roles, theme)
    _draw_arcs(root, arcs, layout.paths, theme)
    return serialize(root)


def _check(words: Sequence[str], arcs: Sequence[Arc], roles: Mapping[int, str]) -> None:
    if len(words) > MOST_WORDS:
        raise HeadscopeError(
            f"Arcs are drawn over at most {MOST_WORDS} words, and this text has {len(words)}: shorten it."
        )
    used = [*roles, *(end for arc in arcs for end in (arc.source, arc.target))]
    if any(not 0 <= index < len(words) for index in used):
        raise HeadscopeError(
            f"An arc or a role names a word outside of the sentence, which has words 0 to {len(words) - 1}."
        )
    if any(role not in ROLES for role in roles.values()):
        raise HeadscopeError(f"A role of a word is one of {', '.join(ROLES)}.")


def _spans(roles: Mapping[int, str], targets: Sequence[int], count: int) -> dict[int, tuple[int, int]]:
    """Return for every word the half-open run of adjacent words that share its role; two targets are never one run."""
    spans = {}
    for index in range(count):
        before = spans.get(index - 1)
        joined = before is not None and index in roles and roles[index] == roles.get(index - 1)
        if joined and not (any(before[0] <= target < index for target in targets) and index in targets):
            for member in range(before[0], index + 1):
                spans[member] = (before[0], index + 1)
        else:
            spans[index] = (index, index + 1)
    return spans


def _phrase(words: Sequence[str], span: tuple[int, int]) -> str:
    return " ".join(map(str, words[span[0] : span[1]]))


def _draw_words(
    root, places: Sequence[Place], middles: Sequence[float], roles: Mapping[int, str], theme: Theme
) -> None:
    for index, place in enumerate(places):
        strong = roles.get(index) == "mention"
        fill = theme.accent if strong else theme.text
        weight = 400 if index not in roles else 700
        label = add_text(
            root, place.left, middles[place.line], shown(place.word), size=SIZE, fill=fill, token=True,
            font_weight=weight,
        )  # fmt: skip
        if shown(place.word) != place.word:
            add(label, "title").text = clean(place.word)


def _underline(root, places: Sequence[Place], middles: Sequence[float], answer: bool, theme: Theme) -> None:
    """Append a thin line under a candidate; under the right answer a thick one."""
    for line in sorted({place.line for place in places}):
        members = [place for place in places if place.line == line]
        left, y = members[0].left, middles[line] + SIZE * 0.72
        width, height, fill = members[-1].right - left, 6 if answer else 2.5, theme.accent if answer else theme.quiet
        add(root, "rect", x=left, y=y, width=width, height=height, rx=1.2, fill=fill)


def _draw_arcs(root, arcs: Sequence[Arc], paths: Sequence[ArcPath], theme: Theme) -> None:
    group = add(root, "g", class_="arcs")
    # The strongest is painted last, and every number after every line.
    for arc, path in sorted(zip(arcs, paths, strict=True), key=lambda pair: pair[0].weight):
        weight = min(1.0, max(0.0, arc.weight))
        add(
            group, "path", d=path.shape, fill="none", stroke=theme.accent, stroke_width=1.5 + 20 * weight,
            stroke_opacity=0.4 + 0.6 * weight, stroke_linecap="butt", stroke_linejoin="round",
        )  # fmt: skip
    for arc, path in zip(arcs, paths, strict=True):
        _draw_number(group, arc, path.label, theme)


def _draw_number(group, arc: Arc, label: tuple[float, float], theme: Theme) -> None:
    """Append the weight on its arc, after a check mark where it goes to the right answer."""
    x, y = label
    width = _NUMBER_WIDTH + (_CHECK if arc.answer else 0)
    box = dict(x=x - width / 2, y=y - _NUMBER_HEIGHT / 2, width=width, height=_NUMBER_HEIGHT)
    add(group, "rect", **box, rx=10, fill=theme.background)
    if arc.answer:
        mark = add(
            group, "path", d=f"M{number(x - width / 2 + 9)} {number(y + 1)}l7 8l13 -18", fill="none",
            stroke=theme.accent, stroke_width=5, stroke_linecap="round", stroke_linejoin="round",
        )  # fmt: skip
        add(mark, "title").text = "the right answer"
    x += _CHECK / 2 if arc.answer else 0
    weight = 700 if arc.answer else 400
    text = f"{arc.weight:.3f}"
    add_text(
        group, x, y, text, size=_NUMBER_SIZE, fill=theme.text, token=True, text_anchor="middle", font_weight=weight
    )
