"""The look: colour scales, accent and greys, computed once for light and dark."""

from dataclasses import dataclass
from functools import cache

import numpy as np

LEVELS = 256
TOKEN_FONT = "'Source Code Pro','JetBrains Mono','DejaVu Sans Mono',Menlo,Consolas,monospace"
TEXT_FONT = "'Source Sans','Source Sans 3','DejaVu Sans',Helvetica,Arial,sans-serif"
SCALES = ("linear", "square root", "log")
LOG_FLOOR = 1e-4


@dataclass(frozen=True)
class Theme:
    """Colours of one appearance, the scales as uint8 [level, rgb].

    `sequential` runs from weight 0 to the top of the scale; `diverging` from -m over 0, between its two middle levels, to +m.
    """

    name: str
    background: str
    text: str
    quiet: str
    accent: str
    masked: str
    special: str
    sequential: np.ndarray
    diverging: np.ndarray


def _oklch_to_rgb(lightness: float, chroma: float, hue: float) -> np.ndarray:
    """Return linear-light sRGB of an OKLCH colour (Ottosson 2020); hue in degrees."""
    a, b = chroma * np.cos(np.radians(hue)), chroma * np.sin(np.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return np.array(
        [
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        ]
    )


def _colour(lightness: float, chroma: float, hue: float) -> np.ndarray:
    """Return uint8 sRGB, with as much of the chroma as the gamut holds."""
    linear = _oklch_to_rgb(lightness, chroma, hue)
    while chroma > 0 and not ((linear >= -1e-4) & (linear <= 1.0001)).all():
        chroma -= 0.002
        linear = _oklch_to_rgb(lightness, max(chroma, 0.0), hue)
    linear = linear.clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(255 * encoded).astype(np.uint8)


def _sequential(start: tuple[float, float, float], middle_chroma: float, end: tuple[float, float, float]) -> np.ndarray:
    """Return uint8 [level, rgb] whose lightness in OKLab is linear in the level, hence perceptually uniform."""
    steps = np.linspace(0, 1, LEVELS)
    lightness = start[0] + (end[0] - start[0]) * steps
    hue = start[2] + (end[2] - start[2]) * steps
    # A parabola through the three chromas: pale at the ends, saturated between.
    ends = start[1] + (end[1] - start[1]) * steps
    chroma = ends + 4 * steps * (1 - steps) * (middle_chroma - (start[1] + end[1]) / 2)
    return np.stack([_colour(*values) for values in zip(lightness, chroma, hue, strict=True)])


def _diverging(middle: float, end: float, negative: tuple[float, float], positive: tuple[float, float]) -> np.ndarray:
    """Return uint8 [level, rgb]: lightness in OKLab is linear in the distance from the middle, the hue says the sign.

    `middle` and `end` are lightnesses; `negative` and `positive` are chroma at the end, and hue.
    """
    signed = np.linspace(-1, 1, LEVELS)
    arms = [negative if value < 0 else positive for value in signed]
    return np.stack(
        [
            _colour(middle + (end - middle) * abs(value), chroma * abs(value), hue)
            for value, (chroma, hue) in zip(signed, arms, strict=True)
        ]
    )


@cache
def theme(name: str) -> Theme:
    """Return the theme called "light" or "dark"."""
    if name == "dark":
        return Theme(
            name="dark", background="#0e1319", text="#e8ecf1", quiet="#8f9aa7", accent="#ff9d45", masked="#3a3836",
            special="#8f9aa7", sequential=_sequential((0.215, 0.02, 262.0), 0.14, (0.97, 0.03, 195.0)),
            diverging=_diverging(0.215, 0.78, (0.125, 245.0), (0.155, 60.0)),
        )  # fmt: skip
    return Theme(
        name="light", background="#ffffff", text="#1b2430", quiet="#5d6875", accent="#b33a0a", masked="#dedad4",
        special="#5d6875", sequential=_sequential((0.985, 0.006, 215.0), 0.135, (0.24, 0.09, 270.0)),
        diverging=_diverging(0.985, 0.5, (0.19, 258.0), (0.165, 40.0)),
    )  # fmt: skip


def scale_position(weights: np.ndarray, scale: str, maximum: float = 1.0) -> np.ndarray:
    """Return where weights stand on the colour scale, in [0, 1], same shape.

    linear w / m; square root sqrt(w / m); log 1 + ln(max(w / m, 1e-4)) / ln(1e4); m is the top of the scale.
    """
    share = np.clip(np.nan_to_num(weights) / max(maximum, 1e-12), 0.0, 1.0)
    if scale == "square root":
        return np.sqrt(share)
    if scale == "log":
        return 1 - np.log(np.maximum(share, LOG_FLOOR)) / np.log(LOG_FLOOR)
    return share


def diverging_position(values: np.ndarray, limit: float) -> np.ndarray:
    """Return where values stand on the diverging scale, in [0, 1], same shape: 1/2 + clip(v / m, -1, 1) / 2.

    m is `limit`, the value at either end. NaN stays NaN: the caller says how a missing value is drawn.
    """
    return 0.5 + np.clip(np.asarray(values, dtype=np.float64) / max(limit, 1e-12), -1.0, 1.0) / 2


def scale_top(weights: np.ndarray, mask: np.ndarray, common: bool) -> float:
    """Return the top of the scale: 1 for every head alike (`common`), or the largest weight that is not masked."""
    shown = weights[mask & np.isfinite(weights)]
    return 1.0 if common else float(shown.max(initial=0)) or 1.0


def level_colours(levels: np.ndarray, theme: Theme, scale: str = "sequential") -> np.ndarray:
    """Return uint8 pixels [row, column, rgb] of levels on one of the theme's scales; -1 is the masked grey."""
    masked = np.array([int(theme.masked[start : start + 2], 16) for start in (1, 3, 5)], dtype=np.uint8)
    return np.concatenate([getattr(theme, scale), masked[None]])[levels]


def hexadecimal(rgb: np.ndarray) -> str:
    """Return "#rrggbb" of uint8 [rgb]."""
    return "#" + "".join(f"{int(part):02x}" for part in rgb)


def ink(rgb: np.ndarray) -> str:
    """Return black or white, whichever has the greater contrast with `rgb` (WCAG 2.2: at least 4.58 to 1)."""
    share = np.asarray(rgb) / 255
    light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    luminance = float(light @ [0.2126, 0.7152, 0.0722])
    return "#000000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#ffffff"
