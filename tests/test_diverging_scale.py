"""The diverging scale: equal in lightness on both sides, told apart by hue also without red or green cones."""

import numpy as np
import pytest

from app.figures.theme import diverging_position, ink, theme
from tests.test_theme import DEFICIENCIES, THEMES, contrast, linear, oklab, rgb_of

SEEN_BY = {"all cones": np.eye(3), **DEFICIENCIES}


def seen(rgb, matrix=None) -> np.ndarray:
    """OKLab of uint8 colours, as seen through a matrix on linear sRGB."""
    return oklab(np.clip(linear(rgb) @ (np.eye(3) if matrix is None else matrix).T, 0, 1))


@pytest.mark.parametrize("name", THEMES)
def test_lightness_is_symmetric_and_linear_from_the_middle_to_each_end(name):
    scale = theme(name).diverging
    assert scale.dtype == np.uint8
    assert scale.shape == (256, 3)
    lightness = seen(scale)[:, 0]
    # So in grey +v and -v are the same by design: the hue says the sign, and a cell or its hover says the number.
    assert lightness == pytest.approx(lightness[::-1], abs=0.006)
    away = 1 if name == "dark" else -1
    assert (away * np.diff(lightness[128:]) > -1e-3).all()
    assert (away * np.diff(lightness[:128]) < 1e-3).all()
    assert away * (lightness[255] - lightness[128]) > 0.4
    assert lightness[128:] == pytest.approx(np.linspace(lightness[128], lightness[255], 128), abs=0.006)


@pytest.mark.parametrize("name", THEMES)
def test_the_middle_is_near_the_ground_and_without_a_hue(name):
    chosen = theme(name)
    ground = seen(rgb_of(chosen.background))
    for middle in chosen.diverging[127:129]:
        assert np.linalg.norm(seen(middle) - ground) < 0.05
        assert np.linalg.norm(seen(middle)[1:]) < 0.01


@pytest.mark.parametrize("name", THEMES)
def test_blue_is_negative_and_orange_positive(name):
    negative, positive = theme(name).diverging[0].astype(int), theme(name).diverging[255].astype(int)
    assert negative[2] > negative[0] + 80
    assert positive[0] > positive[2] + 80
    accent = seen(rgb_of(theme(name).accent))
    assert np.linalg.norm(seen(positive)[1:] - accent[1:]) < 0.05


@pytest.mark.parametrize("name", THEMES)
@pytest.mark.parametrize("eye", SEEN_BY)
def test_the_sign_is_told_by_every_eye(name, eye):
    colours = seen(theme(name).diverging, SEEN_BY[eye])
    # Just noticeable is about 0.02: the ends stand far apart, and a quarter of the way out the signs are still told apart.
    assert np.linalg.norm(colours[0] - colours[255]) > 0.2
    assert np.linalg.norm(colours[96] - colours[159]) > 0.05
    arms = colours[128:, 0] * (1 if name == "dark" else -1), colours[127::-1, 0] * (1 if name == "dark" else -1)
    for arm in arms:
        assert (arm[4:] - arm[:-4] > 0).all()


def test_where_values_stand():
    values = np.array([[-2.0, -1.0, -0.5], [0.0, 0.25, 9.0]])
    # 1/2 + v / (2 m), m = 1.
    assert diverging_position(values, 1.0).tolist() == [[0, 0, 0.25], [0.5, 0.625, 1]]
    assert diverging_position(np.array([0.1, -0.2]), 0.4) == pytest.approx([0.625, 0.25])
    assert diverging_position(np.zeros(3), 0.0).tolist() == [0.5, 0.5, 0.5]
    assert np.isnan(diverging_position(np.array([np.nan]), 1.0)).all()


@pytest.mark.parametrize("name", THEMES)
@pytest.mark.parametrize("scale", ["diverging", "sequential"])
def test_numbers_can_be_read_on_every_colour(name, scale):
    colours = getattr(theme(name), scale)
    assert min(contrast(rgb_of(ink(rgb)), rgb) for rgb in colours) >= 4.5
    assert ink(np.array([255, 255, 255])) == "#000000"
    assert ink(np.array([0, 0, 0])) == "#ffffff"
