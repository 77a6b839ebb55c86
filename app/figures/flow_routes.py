"""Routes of information as a graph: tokens side by side, layers from the bottom up, lines as wide as a contribution."""

from collections.abc import Mapping, Sequence
from math import radians, sin

import numpy as np

from app.figures.svg import add, add_text, add_title, clean, clipped, columns, document, number, serialize, title_width
from app.figures.theme import Theme
from model.analysis.information_routes import InformationRoutes, RouteEdge
from model.errors import HeadscopeError

TOP, LEFT, RIGHT = 96.0, 84.0, 40.0
LONGEST_TOKEN = 18
LEGEND = (0.1, 0.5, 1.0)
_TOKEN_SIZE, _CHARACTER, _TURN = 15.0, 9.2, 55.0
_NARROWEST, _WIDEST, _LOWEST, _TALLEST = 25.0, 132.0, 38.0, 92.0


def flow_routes(
    routes: InformationRoutes, tokens: Sequence[str], *, theme: Theme, title: str, label: str = "contribution",
    provenance: Mapping,
) -> str:  # fmt: skip
    """Return the SVG of the routes to one state: a column for each token, a row for the input and each layer, the first below.

    A line is as wide as the contribution of the state below to the one above, and fainter the less of the chosen state goes
    through it; grey lines stay at their token, coloured ones move. `label` says what a contribution is. Raises HeadscopeError
    where there is not one token for each position.
    """
    if len(tokens) != routes.positions:
        raise HeadscopeError(f"There are {routes.positions} positions and {len(tokens)} tokens: give one for each.")
    shown = [clipped(str(token), LONGEST_TOKEN) for token in tokens]
    widest = max(columns(token) for token in shown) * _CHARACTER
    across = float(np.clip(1080 / len(tokens), _NARROWEST, _WIDEST))
    down = float(np.clip(520 / routes.level, _LOWEST, _TALLEST))
    turned = widest + 10 > across
    places = _Places(across, down, routes.level)
    # A turned token ends under its column and begins below and to the left of it.
    below = sin(radians(_TURN)) * widest + 22 if turned else 40.0
    bottom = places.y(0) + below
    legend = LEFT + 460 + 7.6 * columns(label)
    width = max(places.x(len(tokens) - 1) + max(RIGHT, 0 if turned else across / 2), legend, title_width(title))
    described = (
        f"Graph of {len(routes.edges)} contributions of at least {routes.threshold:.3f} to “{tokens[routes.position]}” "
        f"after layer {routes.level - 1}, through {routes.level} layers. {title}"
    )
    root = document(width, bottom + 66, theme, title, described, provenance)
    add_title(root, title, theme)
    _draw_rows(root, routes, places, len(tokens), theme)
    _draw_edges(root, routes, tokens, places, theme)
    _draw_nodes(root, routes, tokens, places, theme)
    _draw_tokens(root, routes, tokens, shown, places, turned, theme)
    _draw_legend(root, routes, bottom + 26, label, theme)
    return serialize(root)


class _Places:
    """Where columns and rows stand."""

    def __init__(self, across: float, down: float, levels: int):
        self.across, self.down, self.levels = across, down, levels

    def x(self, position: int) -> float:
        return LEFT + (position + 0.5) * self.across

    def y(self, level: int) -> float:
        return TOP + (self.levels - level) * self.down


def _line_width(contribution: float) -> float:
    return 1.3 + 8.7 * min(1.0, contribution)


def _draw_rows(root, routes: InformationRoutes, places: _Places, count: int, theme: Theme) -> None:
    for level in range(routes.level + 1):
        y, name = places.y(level), "input" if level == 0 else f"L{level - 1}"
        add(
            root, "line", x1=LEFT - 8, y1=y, x2=places.x(count - 1) + places.across / 2, y2=y, stroke=theme.masked,
            stroke_width=1, stroke_opacity=0.6,
        )  # fmt: skip
        add_text(root, LEFT - 18, y, name, size=15, fill=theme.quiet, text_anchor="end")


def _draw_edges(root, routes: InformationRoutes, tokens: Sequence[str], places: _Places, theme: Theme) -> None:
    group = add(root, "g", class_="routes", fill="none", stroke_linecap="butt")

    def point(x: float, y: float) -> str:
        return f"{number(x)} {number(y)}"

    def through(edge: RouteEdge) -> float:
        return routes.shares[edge.layer + 1, edge.target] * edge.contribution

    # What stays is painted first, and of what moves the strongest last.
    for edge in sorted(routes.edges, key=lambda edge: (not edge.stays, through(edge))):
        x, y, upper_x, upper_y = (
            places.x(edge.source), places.y(edge.layer), places.x(edge.target), places.y(edge.layer + 1)
        )  # fmt: skip
        middle = (y + upper_y) / 2
        path = add(
            group, "path", stroke=theme.quiet if edge.stays else theme.accent, stroke_width=_line_width(edge.contribution),
            stroke_opacity=0.38 + 0.6 * min(1.0, through(edge)) ** 0.4,
            d=f"M{point(x, y)}C{point(x, middle)} {point(upper_x, middle)} {point(upper_x, upper_y)}",
            class_="stays" if edge.stays else "moves",
        )  # fmt: skip
        add(path, "title").text = clean(
            f"L{edge.layer}: {edge.contribution:.3f} of “{tokens[edge.target]}” ({edge.target}) comes from "
            f"“{tokens[edge.source]}” ({edge.source}); {through(edge):.3f} of the chosen state goes this way"
        )


def _draw_nodes(root, routes: InformationRoutes, tokens: Sequence[str], places: _Places, theme: Theme) -> None:
    group = add(root, "g", class_="states")
    largest = min(9.0, places.across * 0.36)
    for (level, position), share in routes.shares.items():
        chosen = (level, position) == (routes.level, routes.position)
        node = add(
            group, "circle", cx=places.x(position), cy=places.y(level), r=2.2 + (largest - 2.2) * min(1.0, share) ** 0.5,
            fill=theme.accent if chosen else theme.text, stroke=theme.background, stroke_width=1.5,
        )  # fmt: skip
        where = "input" if level == 0 else f"after L{level - 1}"
        add(node, "title").text = clean(
            f"“{tokens[position]}” ({position}), {where}: {share:.3f} of the chosen state comes through here"
        )
    x, y = places.x(routes.position), places.y(routes.level)
    add(group, "circle", cx=x, cy=y, r=largest + 4, fill="none", stroke=theme.accent, stroke_width=2.5)
    anchor = "start" if routes.position < routes.positions / 2 else "end"
    name = clipped(str(tokens[routes.position]), LONGEST_TOKEN)
    shift = -largest if anchor == "start" else largest
    add_text(
        group,
        x + shift,
        y - largest - 20,
        name,
        size=18,
        fill=theme.accent,
        token=True,
        text_anchor=anchor,
        font_weight=700,
    )


def _draw_tokens(
    root,
    routes: InformationRoutes,
    tokens: Sequence[str],
    shown: Sequence[str],
    places: _Places,
    turned: bool,
    theme: Theme,
) -> None:
    """Append the tokens under their columns; those that no route reaches are quiet."""
    for position, text in enumerate(shown):
        x, y = places.x(position), places.y(0) + 20
        chosen, reached = position == routes.position, (0, position) in routes.shares
        turn = {"transform": f"rotate({-_TURN:g} {number(x)} {number(y)})", "text_anchor": "end"}
        element = add_text(
            root, x, y, text, size=_TOKEN_SIZE, fill=theme.accent if chosen else theme.text if reached else theme.quiet,
            token=True, font_weight=700 if chosen else 400, **(turn if turned else {"text_anchor": "middle"}),
        )  # fmt: skip
        share = routes.shares.get((0, position), 0.0)
        add(element, "title").text = clean(
            f"{tokens[position]} ({position}): {share:.3f} of the chosen state begins here"
        )


def _draw_legend(root, routes: InformationRoutes, y: float, label: str, theme: Theme) -> None:
    """Append line widths with their numbers, both colours, and what is left out."""
    x = LEFT - 60
    for contribution in LEGEND:
        add(root, "line", x1=x, y1=y, x2=x + 26, y2=y, stroke=theme.accent, stroke_width=_line_width(contribution))
        text = f"{contribution:g}"
        add_text(root, x + 34, y, text, size=15, fill=theme.quiet, token=True)
        x += 34 + 9.6 * len(text) + 14
    add_text(root, x - 2, y, f"{label}, from another token", size=15, fill=theme.quiet)
    x += 7.9 * columns(f"{label}, from another token") + 18
    add(root, "line", x1=x, y1=y, x2=x + 26, y2=y, stroke=theme.quiet, stroke_width=_line_width(0.5))
    add_text(root, x + 34, y, f"from itself; below {routes.threshold:g} left out", size=15, fill=theme.quiet)
