"""A beam search as a lattice: a column for each written token, a row for each hypothesis, lines from each to what follows."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.figures.score_grid import written as written_number
from app.figures.svg import add, add_text, add_title, clean, clipped, columns, document, number, serialize, title_width
from app.figures.theme import Theme, hexadecimal
from model.beams import BeamHypothesis, BeamSearch

LEFT, TOP, ROW, GAP = 62.0, 78.0, 50.0, 46.0
SIZE, SCORE_SIZE, LETTER = 18.0, 13.0, 0.61
LONGEST_TOKEN = 16
_HALF, _INSET, _FOOT = 21.0, 7.0, 44.0
_KINDS = ("dropped", "kept", "best")
_TOLD = ("becomes the best", "goes on", "is dropped", "ends here")
_SCORE_TOLD = "number: mean log-probability so far"


@dataclass(frozen=True)
class Cell:
    """Where a hypothesis stands: its step and row, the box around its token, and whether it is dropped, kept or best."""

    step: int
    row: int
    left: float
    right: float
    edge: float
    kind: str

    @property
    def middle(self) -> float:
        """Return the middle of its row; `edge` is where its column ends."""
        return TOP + (self.row + 0.5) * ROW


def beam_lattice(
    search: BeamSearch, *, theme: Theme, title: str, written: int | None = None, provenance: Mapping
) -> str:
    """Return the SVG of the first `written` steps of a beam search, or of all; in every column the best is on top.

    The hypotheses that become the best candidate have the accent colour, thick lines and a box; those from which the beam
    does not go on, and which did not end, are pale; a bar closes those that ended. As many rows have room as the whole
    search needs, so that the height stays when a step is added.
    """
    steps = search.steps if written is None else search.steps[: max(0, written)]
    rows = max(map(len, search.steps), default=0)
    cells = _cells(search, len(steps))
    end = cells[-1][0].edge if cells else LEFT
    width = max(end + 30, title_width(title), _legend_width())
    height = TOP + rows * ROW + _FOOT
    best = " ".join(steps[cell.step][cell.row].text for column in cells for cell in column if cell.kind == "best")
    told = f"Beam search, {len(steps)} of {len(search.steps)} steps, up to {rows} hypotheses in each. Best: {best}. {title}"
    root = document(width, height, theme, title, told, provenance)
    add_title(root, title, theme)
    _links(root, steps, cells, theme)
    for step, column in enumerate(cells):
        add_text(root, column[0].left + _INSET, TOP - 14, str(step + 1), size=14, fill=theme.quiet, token=True)
        for cell in column:
            before = steps[step - 1][steps[step][cell.row].parent].text if step else ""
            _hypothesis(root, steps[step][cell.row], cell, before, theme)
    _legend(root, height - 20, theme)
    return serialize(root)


def _cells(search: BeamSearch, count: int) -> list[list[Cell]]:
    """Return the cells of the first `count` steps."""
    kept, best = _kept(search, count), search.candidates[0].path if search.candidates else ()
    left, found = LEFT, []
    for step, hypotheses in enumerate(search.steps[:count]):
        widths = [_width(hypothesis) for hypothesis in hypotheses]
        edge = left + max(widths)
        found.append([])
        for row, width in enumerate(widths):
            kind = "best" if best[step : step + 1] == (row,) else "kept" if row in kept[step] else "dropped"
            found[-1].append(Cell(step, row, left, left + width, edge, kind))
        left = edge + GAP
    return found


def _kept(search: BeamSearch, count: int) -> list[set[int]]:
    """Return for each step the hypotheses that lead to one that ended, or into the beam where more steps are to come."""
    kept: list[set[int]] = []
    following: set[int] = set()
    for step in reversed(range(count)):
        hypotheses = search.steps[step]
        last = step == count - 1 and count < len(search.steps)
        kept.insert(0, {row for row, found in enumerate(hypotheses) if last or found.ended or row in following})
        following = {hypotheses[row].parent for row in kept[0]}
    return kept


def _width(hypothesis: BeamHypothesis) -> float:
    token = columns(clipped(hypothesis.text, LONGEST_TOKEN)) * SIZE
    score = len(written_number(hypothesis.score)) * SCORE_SIZE
    return LETTER * max(token, score) + 2 * _INSET


def _look(kind: str, theme: Theme) -> tuple[str, float, float]:
    """Return the colour, width and opacity of a line."""
    plain = hexadecimal(theme.sequential[158])
    return {"best": (theme.accent, 4.5, 1.0), "kept": (plain, 2.0, 1.0), "dropped": (theme.quiet, 1.0, 0.45)}[kind]


def _links(root, steps, cells: list[list[Cell]], theme: Theme) -> None:
    """Append a line to every hypothesis from its parent, the best on top; the first come from a dot, the start."""
    group = add(root, "g", fill="none")
    places = [cell for kind in _KINDS for column in cells for cell in column if cell.kind == kind]
    for cell in places:
        parent = steps[cell.step][cell.row].parent
        before = None if parent is None else cells[cell.step - 1][parent]
        start, edge, first = (before.right, before.edge, before.middle) if before else (22.0, 22.0, TOP + ROW / 2)
        bend, end, second = (edge + cell.left) / 2, cell.left, cell.middle
        stroke, width, opacity = _look(cell.kind, theme)
        add(
            group, "path", stroke=stroke, stroke_width=width, stroke_opacity=opacity,
            d=f"M{number(start)} {number(first)}H{number(edge)}C{number(bend)} {number(first)} {number(bend)} "
            f"{number(second)} {number(end)} {number(second)}",
        )  # fmt: skip
    add(root, "circle", cx=22, cy=TOP + ROW / 2, r=5, fill=theme.text)


def _hypothesis(root, hypothesis: BeamHypothesis, cell: Cell, before: str, theme: Theme) -> None:
    """Append the token, its score under it, the box of the best and the bar of one that ended."""
    group = add(root, "g")
    add(group, "title").text = clean(_told(hypothesis, before))
    best, pale = cell.kind == "best", cell.kind == "dropped"
    box = dict(x=cell.left, y=cell.middle - _HALF, width=cell.right - cell.left, height=2 * _HALF, rx=6)
    stroke = dict(stroke=theme.accent, stroke_width=2.5) if best else {}
    add(group, "rect", **box, fill=theme.background, **stroke)
    fill, weight = (theme.accent, 700) if best else (theme.quiet if pale else theme.text, 400)
    shown = clipped(hypothesis.text, LONGEST_TOKEN)
    left = cell.left + _INSET
    add_text(group, left, cell.middle - 9, shown, size=SIZE, fill=fill, token=True, font_weight=weight)
    score = written_number(hypothesis.score)
    add_text(group, left, cell.middle + 12, score, size=SCORE_SIZE, fill=theme.quiet, token=True)
    if hypothesis.ended:
        _bar(group, cell.right, cell.middle, theme.accent if best else theme.text)


def _bar(parent, x: float, middle: float, fill: str) -> None:
    add(parent, "rect", x=x, y=middle - _HALF, width=6, height=2 * _HALF, fill=fill)


def _told(hypothesis: BeamHypothesis, before: str) -> str:
    after = f" after {before}" if before else ""
    ended = ", ends here" if hypothesis.ended else ""
    numbers = f"mean log-probability {written_number(hypothesis.score)}, sum {written_number(hypothesis.total)}"
    return f"{hypothesis.text}{after}: {numbers}{ended}"


def _legend_width() -> float:
    return LEFT + sum(52 + 0.55 * 14 * len(told) for told in (*_TOLD, _SCORE_TOLD))


def _legend(root, y: float, theme: Theme) -> None:
    """Append what the lines, the bar and the numbers stand for."""
    x = 17.0
    for told, kind in zip(_TOLD, (*reversed(_KINDS), None), strict=True):
        if kind is None:
            add(root, "rect", x=x + 10, y=y - 9, width=6, height=18, fill=theme.text)
        else:
            stroke, width, opacity = _look(kind, theme)
            add(
                root,
                "path",
                d=f"M{number(x)} {number(y)}h26",
                stroke=stroke,
                stroke_width=width,
                stroke_opacity=opacity,
            )
        add_text(root, x + 36, y, told, size=14, fill=theme.quiet)
        x += 52 + 0.55 * 14 * len(told)
    add_text(root, x, y, _SCORE_TOLD, size=14, fill=theme.quiet)
