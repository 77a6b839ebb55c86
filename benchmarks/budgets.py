"""The table of budgets: what was asked, what was measured, whether that is met, and what peers need for the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# A figure, or in words why there is none.
Figure = float | str

MET, NOT_MET, NOT_MEASURED = "met", "**not met**", "not measured"
RATIO, MEGABYTES, SECONDS, MILLISECONDS, COUNT = "×", "MB", "s", "ms", ""


@dataclass(frozen=True)
class Line:
    """One line of a table: `most` is the largest figure that was asked for (None: nothing was), `peers` are others' figures."""

    what: str
    unit: str
    measured: Figure
    most: float | None = None
    peers: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """One table of the document: its heading, a paragraph on what is measured, its lines, and the peers' names in order."""

    title: str
    note: str
    lines: Sequence[Line]
    peers: Sequence[str] = ()


def verdict(line: Line) -> str:
    """Say whether a line's figure, as it is written, is at most what was asked; "" where nothing was."""
    if line.most is None:
        return ""
    if isinstance(line.measured, str):
        return NOT_MEASURED
    return MET if float(_number(line.measured, line.unit)) <= line.most else NOT_MET


def written(figure: Figure, unit: str) -> str:
    """Return a figure with its unit, or the reason why there is none as it is."""
    if isinstance(figure, str):
        return figure
    number = _number(figure, unit)
    whole, _, decimals = number.partition(".")
    return f"{int(whole):,}{'.' if decimals else ''}{decimals}{' ' if unit else ''}{unit}"


def table(section: Section) -> str:
    """Return a section as Markdown."""
    head = ["what", "asked, at most", "Headscope", "met", *section.peers]
    rows = [
        [
            line.what,
            "" if line.most is None else f"{line.most:g}{' ' if line.unit else ''}{line.unit}",
            written(line.measured, line.unit),
            verdict(line),
            *(written(line.peers.get(peer, ""), line.unit) for peer in section.peers),
        ]
        for line in section.lines
    ]
    lines = [f"| {' | '.join(row)} |" for row in ([*head], ["---"] * len(head), *rows)]
    return "\n".join([f"## {section.title}", "", section.note, "", *lines, ""])


def summary(sections: Sequence[Section]) -> str:
    """Return in one sentence how many of what was asked is met, is not, and was not measured."""
    found = [verdict(line) for section in sections for line in section.lines if line.most is not None]
    missed = [
        f"{section.title}: {line.what}" for section in sections for line in section.lines if verdict(line) == NOT_MET
    ]
    counted = f"Of {len(found)} budgets: {found.count(MET)} met, {len(missed)} not met, {found.count(NOT_MEASURED)} not measured."
    return counted if not missed else f"{counted} Not met: {'; '.join(missed)}."


def _number(figure: float, unit: str) -> str:
    """Return a figure with about three digits that count."""
    if unit in (MILLISECONDS, COUNT):
        return f"{figure:.0f}"
    decimals = 3 if figure < 2 else 2 if figure < 10 else 1 if figure < 100 else 0
    return f"{figure:.{decimals}f}"
