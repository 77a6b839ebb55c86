"""Sinusoidal positions by hand numbers and identities."""

import numpy as np
import pytest

from model.analysis.sinusoidal import (
    encoding_products,
    encodings,
    frequency_pair,
    offset_errors,
    offset_matrix,
    wavelengths,
)
from model.errors import HeadscopeError


def test_the_first_encoding_is_zero_and_one():
    assert encodings(3, 6)[0].tolist() == [0, 1, 0, 1, 0, 1]
    assert encodings(2, 4)[1] == pytest.approx([np.sin(1), np.cos(1), np.sin(0.01), np.cos(0.01)])


def test_wavelengths_run_from_two_pi():
    assert wavelengths(4) == pytest.approx([2 * np.pi, 200 * np.pi])


def test_products_depend_on_the_distance_alone():
    products = encoding_products(20, 16)
    assert np.diag(products) == pytest.approx(np.full(20, 8), abs=1e-5)
    for distance in (1, 5):
        along = np.diag(products, distance)
        assert along == pytest.approx(
            np.full(20 - distance, sum(np.cos(distance * 10000 ** (-i / 8)) for i in range(8))), abs=1e-5
        )


def test_the_matrix_of_an_offset_by_hand():
    assert offset_matrix(1, 2) == pytest.approx(np.array([[np.cos(1), np.sin(1)], [-np.sin(1), np.cos(1)]]))
    assert offset_matrix(0, 8).tolist() == np.eye(8).tolist()


def test_offsets_compose_and_are_rotations():
    one, two, three = (offset_matrix(offset, 12) for offset in (3, -5, -2))
    assert one @ two == pytest.approx(three, abs=1e-6)
    assert one @ one.T == pytest.approx(np.eye(12), abs=1e-6)
    assert np.linalg.det(one) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("offset", [1, 7, 40, -3])
def test_the_matrix_moves_every_position(offset):
    errors = offset_errors(offset, 64, 128)
    assert errors.shape == (64, 128)
    assert 0 < np.sqrt((errors**2).mean()) < 1e-6
    assert np.abs(errors).max() < 1e-5


def test_a_pair_turns_by_its_share_of_the_wavelength():
    pair = frequency_pair(1, 50, 10, 4)
    assert pair.wavelength == pytest.approx(200 * np.pi)
    assert pair.turn == pytest.approx(0.5)
    assert pair.sine == pytest.approx(np.sin(np.arange(10) / 100), abs=1e-6)
    assert pair.cosine == pytest.approx(np.cos(np.arange(10) / 100), abs=1e-6)


def test_sizes_that_do_not_go():
    with pytest.raises(HeadscopeError, match="even d_model"):
        encodings(4, 5)
    with pytest.raises(HeadscopeError, match="pairs 0 to 3"):
        frequency_pair(4, 1, 10, 8)
