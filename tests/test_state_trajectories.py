"""Trajectories of tokens through the layers: planted planes, shares of variance, several texts in one fit."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from model import HeadscopeError, record, wrap
from model.analysis import state_trajectories as measured
from model.analysis.state_trajectories import state_trajectories
from tests.tiny_models import tiny, tiny_inputs


def states(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def distances(points: np.ndarray) -> np.ndarray:
    flat = points.reshape(-1, points.shape[-1])
    return np.linalg.norm(flat[:, None] - flat[None], axis=2)


@pytest.mark.parametrize("width", [6, 900])
def test_a_planted_plane_is_found(width):
    plane = np.linalg.qr(states(width, 2, seed=1))[0]
    places = states(4, 12, 2, seed=2) * [5, 1]
    layers = list(places @ plane.T + states(width, seed=3))
    (points,), explained = vars(state_trajectories([layers])).values()
    assert points.shape == (4, 12, 3)
    assert distances(points) == pytest.approx(distances(places), abs=1e-4)
    assert np.abs(points[..., 2]).max() < 1e-4
    variances = np.linalg.svd(places.reshape(-1, 2) - places.reshape(-1, 2).mean(axis=0), compute_uv=False) ** 2
    assert explained == pytest.approx([*variances / variances.sum(), 0], abs=1e-5)


def test_points_by_hand():
    layers = [np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[1.0, 5.0], [1.0, -2.0]])]
    found = state_trajectories([layers], components=1)
    # They lie on a line; the mean of 0, 1, 5 and -2 is 1, and 4 is the largest coordinate.
    assert found.points[0][..., 0] == pytest.approx(np.array([[-1, 0], [4, -3]]), abs=1e-6)
    assert found.explained == pytest.approx([1])


def test_a_layer_that_only_moved_is_the_same_once_centred():
    table = states(6, 5)
    layers = [table, table + 50]
    (apart,), (centred,) = (state_trajectories([layers], centred=flag).points for flag in (False, True))
    assert np.linalg.norm(apart[1] - apart[0], axis=1) == pytest.approx(50 * np.sqrt(5) * np.ones(6), rel=1e-3)
    assert centred[1] == pytest.approx(centred[0], abs=1e-4)


def test_states_of_one_direction_are_one_point_at_unit_length():
    table = states(6, 5)
    layers = [table, 7 * table]
    (points,) = state_trajectories([layers], unit=True).points
    assert points[1] == pytest.approx(points[0], abs=1e-5)
    zero = [np.zeros((1, 2)), np.array([[3.0, 4.0]])]
    assert np.ptp(state_trajectories([zero], unit=True).points[0][..., 0]) == pytest.approx(1)


def test_two_texts_share_one_fit():
    first, second = [states(5, 4, seed=seed) for seed in (0, 1)], [states(3, 4, seed=seed) for seed in (2, 3)]
    found = state_trajectories([first, second], components=4)
    assert [points.shape for points in found.points] == [(2, 5, 4), (2, 3, 4)]
    both = np.concatenate(found.points, axis=1)
    assert distances(both) == pytest.approx(distances(np.concatenate([first, second], axis=1)), abs=1e-5)
    assert found.explained.sum() == pytest.approx(1)


def test_tokens_left_out_have_points_but_no_say():
    layers = [states(6, 4, seed=seed) for seed in (0, 1)]
    for table in layers:
        table[:, 3] = 0
        table[0, 3] = 1000
    everything = state_trajectories([layers])
    assert everything.explained[0] > 0.99
    kept = state_trajectories([layers], left_out=[[True, *[False] * 5]], centred=True)
    alone = state_trajectories([[table[1:] for table in layers]], centred=True)
    assert np.abs(kept.points[0][:, 1:]) == pytest.approx(np.abs(alone.points[0]), abs=1e-5)
    assert kept.explained == pytest.approx(alone.explained, abs=1e-6)
    assert np.isfinite(kept.points[0]).all()
    with pytest.raises(HeadscopeError, match="every token"):
        state_trajectories([layers], left_out=[[True]])
    with pytest.raises(HeadscopeError, match="leave fewer out"):
        state_trajectories([layers], left_out=[[True] * 6])


def test_the_largest_coordinate_is_positive_and_runs_repeat():
    trace = record(wrap(tiny("llama")), tiny_inputs("llama"))
    found, again = (state_trajectories([trace.hidden_states()]) for _ in range(2))
    flat = found.points[0].reshape(-1, 3)
    assert (flat.max(axis=0) >= -flat.min(axis=0)).all()
    assert (again.points[0] == found.points[0]).all()
    assert (np.diff(found.explained) <= 0).all()


def test_states_that_are_all_alike_stay_in_one_point():
    found = state_trajectories([[np.ones((3, 4)), np.ones((3, 4)) * (1 + 1e-7)]])
    assert not found.points[0].any()
    assert not found.explained.any()


def test_fewer_dimensions_than_components_leave_zeros():
    found = state_trajectories([[np.array([[1.0, 2.0]]), np.array([[3.0, 2.0]])]])
    assert found.points[0][:, 0] == pytest.approx(np.array([[1, 0, 0], [-1, 0, 0]]))


def test_umap_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(HeadscopeError, match="pip install umap-learn, or choose PCA"):
        state_trajectories([[states(9, 4)]], method="UMAP")


def test_umap_is_fitted_without_what_is_left_out(monkeypatch):
    class Doubling:
        """In the place of UMAP: it remembers what it was fitted on, and doubles the first coordinates."""

        def __init__(self, n_components, n_neighbors, **_options):
            self.components, self.neighbours = n_components, n_neighbors

        def fit(self, rows):
            seen.append((len(rows), self.neighbours))
            self.embedding_ = 2 * rows[:, : self.components]
            return self

        def transform(self, rows):
            return 2 * rows[:, : self.components]

    seen = []
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Doubling))
    layers = [states(5, 4, seed=seed) for seed in (0, 1)]
    found = state_trajectories([layers], method="UMAP", left_out=[[True, *[False] * 4]])
    assert seen == [(8, 7)]
    assert found.explained is None
    assert found.points[0] == pytest.approx(2 * np.stack(layers)[..., :3], abs=1e-6)
    with pytest.raises(HeadscopeError, match="at least 6 states and has 2"):
        state_trajectories([[states(2, 4)]], method="UMAP")


def test_umap_itself_where_it_is_installed():
    pytest.importorskip("umap", reason="umap-learn is optional and not installed")
    clusters = [np.concatenate([states(8, 6) + 20, states(8, 6, seed=1) - 20])] * 2
    (points,) = state_trajectories([clusters], method="UMAP").points
    near = distances(points[:, :8]).max(), distances(points[:, 8:]).max()
    centres = points[:, :8].mean(axis=(0, 1)), points[:, 8:].mean(axis=(0, 1))
    assert np.linalg.norm(centres[0] - centres[1]) > max(near)


def test_limits_are_said_before_anything_is_fitted(monkeypatch):
    layers = [states(5, 4)] * 2
    with pytest.raises(HeadscopeError, match="at least one dimension"):
        state_trajectories([layers], method="MDS")
    with pytest.raises(HeadscopeError, match="one model"):
        state_trajectories([layers, layers[:1]])
    with pytest.raises(HeadscopeError, match="two states"):
        state_trajectories([[np.ones((1, 4))]])
    monkeypatch.setattr(measured, "MOST_UMAP_STATES", 9)
    with pytest.raises(HeadscopeError, match="limited to 9 states and these are 10"):
        state_trajectories([layers], method="UMAP")
    monkeypatch.setattr(measured, "MOST_NUMBERS", 39)
    with pytest.raises(HeadscopeError, match="40 numbers and 39"):
        state_trajectories([layers])
