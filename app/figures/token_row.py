"""The tokens of a text in large type, each in its box with its position under it."""

from collections.abc import Mapping, Sequence

from app.figures.svg import add, add_text, add_title, clean, clipped, columns, document, serialize
from app.figures.theme import Theme

WIDTH, LEFT, TOP = 1600.0, 40.0, 84.0
LONGEST_TOKEN = 24
_SIZE, _CHARACTER, _BOX, _LINE = 36.0, 0.61, 66.0, 122.0
_PADDING, _GAP = 14.0, 10.0


def tokens_row(tokens: Sequence[str], special: Sequence[bool], *, theme: Theme, title: str, provenance: Mapping) -> str:
    """Return the SVG of tokens in reading order, wrapped into lines; special ones are outlined instead of filled."""
    places = _places(tokens)
    lines = 1 + max((line for _, line, _ in places), default=0)
    alone = "1 token" if len(tokens) == 1 else f"{len(tokens)} tokens"
    root = document(WIDTH, TOP + lines * _LINE, theme, title, f"{alone} with their positions. {title}", provenance)
    add_title(root, title, theme)
    for position, (token, outlined, (x, line, width)) in enumerate(zip(tokens, special, places, strict=True)):
        y = TOP + line * _LINE
        if outlined:
            look = dict(fill="none", stroke=theme.special, stroke_width=2, stroke_dasharray="7 5")
        else:
            look = dict(fill=theme.text, fill_opacity=0.08)
        add(root, "rect", x=x, y=y, width=width, height=_BOX, rx=10, **look)
        fill = theme.special if outlined else theme.text
        label = add_text(
            root, x + width / 2, y + _BOX / 2, clipped(token, LONGEST_TOKEN), size=_SIZE, fill=fill, token=True,
            text_anchor="middle",
        )  # fmt: skip
        if columns(token) > LONGEST_TOKEN:
            add(label, "title").text = clean(token)
        under = (x + width / 2, y + _BOX + 20, str(position))
        add_text(root, *under, size=20, fill=theme.quiet, token=True, text_anchor="middle")
    return serialize(root)


def _places(tokens: Sequence[str]) -> list[tuple[float, int, float]]:
    """Return x, line and width of every token's box."""
    x, line, places = LEFT, 0, []
    for token in tokens:
        width = columns(clipped(token, LONGEST_TOKEN)) * _SIZE * _CHARACTER + 2 * _PADDING
        if x > LEFT and x + width > WIDTH - LEFT:
            x, line = LEFT, line + 1
        places.append((x, line, width))
        x += width + _GAP
    return places
