"""The colours: perceptually uniform scales, also without red or green cones, and text that can be read on its ground."""

import numpy as np
import pytest

from app.figures.theme import scale_position, scale_top, theme

# Linear sRGB to OKLab (Ottosson 2020).
TO_CONES = np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
                     [0.0883024619, 0.2817188376, 0.6299787005]])  # fmt: skip
TO_OKLAB = np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
                     [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip
# Machado, Oliveira and Fernandes 2009, severity 1, on linear sRGB.
DEFICIENCIES = {
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                              [-0.011820, 0.042940, 0.968881]]),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                            [-0.003882, -0.048116, 1.051998]]),
}  # fmt: skip
THEMES = ("light", "dark")


def linear(rgb: np.ndarray) -> np.ndarray:
    share = np.asarray(rgb) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def oklab(light: np.ndarray) -> np.ndarray:
    return np.cbrt(light @ TO_CONES.T) @ TO_OKLAB.T


def rgb_of(hexadecimal: str) -> np.ndarray:
    return np.array([int(hexadecimal[start : start + 2], 16) for start in (1, 3, 5)])


def contrast(first: np.ndarray, second: np.ndarray) -> float:
    """The contrast ratio of WCAG 2.2."""
    darker, lighter = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (first, second))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_and_oklab_know_black_and_white():
    black, white = np.zeros(3), np.full(3, 255)
    assert contrast(black, white) == pytest.approx(21)
    assert oklab(linear(white)) == pytest.approx([1, 0, 0], abs=1e-3)
    assert oklab(linear(black)) == pytest.approx([0, 0, 0])


@pytest.mark.parametrize("name", THEMES)
def test_the_scale_is_uniform_in_lightness(name):
    scale = theme(name).sequential
    assert scale.dtype == np.uint8
    assert scale.shape == (256, 3)
    lightness = oklab(linear(scale))[:, 0]
    direction = 1 if name == "dark" else -1
    # Away from the background: dark on white, bright on black; over most of the range there is.
    assert direction * (lightness[-1] - lightness[0]) > 0.7
    assert (direction * np.diff(lightness) > 0).all()
    # Linear in the level up to the rounding to 8 bits.
    assert lightness == pytest.approx(np.linspace(lightness[0], lightness[-1], 256), abs=0.004)


@pytest.mark.parametrize("name", THEMES)
@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_the_scale_stays_ordered_without_red_or_green_cones(name, deficiency):
    seen = np.clip(linear(theme(name).sequential) @ DEFICIENCIES[deficiency].T, 0, 1)
    lightness = oklab(seen)[:, 0] * (1 if name == "dark" else -1)
    # Two levels may fall together by rounding to 8 bits, never four.
    assert (np.diff(lightness) > -1e-4).all()
    assert (lightness[4:] - lightness[:-4] > 0.005).all()


@pytest.mark.parametrize("name", THEMES)
@pytest.mark.parametrize("seen_by", [np.eye(3), *DEFICIENCIES.values()])
def test_masked_is_told_from_zero_from_the_ground_and_from_every_level(name, seen_by):
    chosen = theme(name)

    def seen(rgb) -> np.ndarray:
        return oklab(np.clip(linear(rgb) @ seen_by.T, 0, 1))

    masked = seen(rgb_of(chosen.masked))
    # Just noticeable is about 0.02.
    assert np.linalg.norm(masked - seen(chosen.sequential[0])) > 0.08
    assert np.linalg.norm(masked - seen(rgb_of(chosen.background))) > 0.08
    assert np.linalg.norm(seen(chosen.sequential) - masked, axis=1).min() > 0.03


@pytest.mark.parametrize("name", THEMES)
@pytest.mark.parametrize("role", ["text", "quiet", "accent", "special"])
def test_words_can_be_read_on_the_background(name, role):
    chosen = theme(name)
    assert contrast(rgb_of(getattr(chosen, role)), rgb_of(chosen.background)) >= 4.5


@pytest.mark.parametrize(
    ("scale", "weights", "expected"),
    [
        ("linear", [0, 0.25, 1, 2, -1, np.nan], [0, 0.25, 1, 1, 0, 0]),
        ("square root", [0, 0.25, 0.01, 1, 4, np.nan], [0, 0.5, 0.1, 1, 1, 0]),
        # 1 + log10(w) / 4 down to 1e-4.
        ("log", [0, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 9, np.nan], [0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 0]),
    ],
)
def test_where_weights_stand_on_the_scale(scale, weights, expected):
    given = np.array(weights)
    assert scale_position(given, scale) == pytest.approx(expected)
    assert given.tolist() == pytest.approx(weights, nan_ok=True)


@pytest.mark.parametrize(("scale", "expected"), [("linear", 0.25), ("square root", 0.5), ("log", 0.849485)])
def test_a_head_s_own_maximum_is_the_top_of_its_scale(scale, expected):
    # 0.1 of 0.4 is a quarter; 1 + log10(1/4) / 4 = 0.8495.
    assert scale_position(np.array([0.1, 0.4]), scale, 0.4) == pytest.approx([expected, 1], abs=1e-6)
    assert scale_position(np.array([0.0, 0.0]), scale, 0.0) == pytest.approx([0, 0])


def test_the_top_of_the_scale_is_the_largest_weight_that_can_be_seen():
    weights = np.array([[0.2, 0.7], [np.nan, 0.5]], dtype=np.float32)
    visible = np.array([[True, False], [True, True]])
    assert scale_top(weights, visible, common=True) == 1.0
    assert scale_top(weights, visible, common=False) == 0.5
    assert scale_top(weights, np.zeros((2, 2), dtype=bool), common=False) == 1.0
    assert scale_top(np.zeros((2, 2)), visible, common=False) == 1.0
