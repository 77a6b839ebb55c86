"""Prose in lines that fit: the width of a text set in the app's text font, and where to break it."""

from collections.abc import Callable, Sequence

from model.tokens import visible

# Advance widths of DejaVu Sans in font sizes, rounded up. It is the widest font the figures ask for: others leave room.
_WIDTHS = {
    **dict.fromkeys(" ',-./:;IJ\\ijl|‘’·", 0.37), **dict.fromkeys("!()[]ft", 0.43), **dict.fromkeys('"*?_`rsz–', 0.54),
    **dict.fromkeys("$0123456789EFLPSTYabcdeghknopquvxy{}“”", 0.66), **dict.fromkeys("ABCHKNRUVXZ", 0.76),
    **dict.fromkeys("#&+<=>DGOQ^w~−→×", 0.86), **dict.fromkeys("%@MWmÆæĦŉŴ—…", 1.02),
}  # fmt: skip
_ACCENTED, _OTHER = 0.86, 1.1
BOLD = 1.13  # how much wider the bold face is at most


def prose_width(text: str) -> float:
    """Return at most how wide `text` is in the text font, in font sizes."""
    return sum(_WIDTHS.get(character, _ACCENTED if 0xC0 <= ord(character) < 0x152 else _OTHER) for character in text)


def prose_lines(text: str, width: float) -> list[str]:
    """Return `text` broken at its spaces into lines of at most `width` font sizes; a longer word is cut into pieces."""
    lines = [""]
    for word in (piece for whole in text.split() for piece in _pieces(visible(whole), width)):
        longer = f"{lines[-1]} {word}".strip()
        if prose_width(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def prose_paragraphs(text: str, width: float) -> list[str]:
    """Return the lines of several paragraphs, with an empty line where a new one begins."""
    paragraphs = [prose_lines(part, width) for part in text.splitlines() if part.strip()]
    return [line for part in paragraphs for line in ("", *part)][1:]


def fitted(
    text: str, sizes: Sequence[float], width: float, height: float, spacing: float, *, bold: bool = False,
    broken: Callable[[str, float], list[str]] = prose_lines,
) -> tuple[float, list[str]]:  # fmt: skip
    """Return the first of the font sizes at which `text` fits a box, and its lines; at the last size the rest is cut off."""
    width = width / BOLD if bold else width
    for size in sizes:
        lines = broken(text, width / size)
        if len(lines) * size * spacing <= height:
            return size, lines
    kept = lines[: max(1, int(height / (size * spacing)))]
    while prose_width(f"{kept[-1]}…") > width / size:
        kept[-1] = kept[-1][:-1]
    return size, [*kept[:-1], f"{kept[-1]}…"]


def _pieces(word: str, width: float) -> list[str]:
    pieces = [""]
    for character in word:
        if pieces[-1] and prose_width(pieces[-1] + character) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces
