"""The map, the groups and the neighbours of heads, on tables of divergences made by hand."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model.analysis.head_groups import head_clusters, head_distances, head_map, head_silhouette, nearest_heads
from model.errors import HeadscopeError

ROOT = Path(__file__).parent.parent
# Corners and a side of a rectangle of 0.4 by 0.3.
PLACES = np.array([[0, 0], [0.4, 0], [0.4, 0.3], [0, 0.3], [0.2, 0]])


def between(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, None] - points[None], axis=-1)


def planted(sizes: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Return divergences 0.01 or so within groups and 0.5 or so between them, heads shuffled, and the group of each."""
    generator = np.random.default_rng(seed)
    groups = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    noise = generator.uniform(0, 0.01, (len(groups), len(groups)))
    table = np.where(groups[:, None] == groups, 0.01, 0.5) + noise + noise.T
    np.fill_diagonal(table, 0)
    first = list(dict.fromkeys(groups.tolist()))
    return table, [first.index(group) for group in groups.tolist()]


def test_a_plane_of_heads_is_found_again():
    points = head_map(between(PLACES) ** 2)
    np.testing.assert_allclose(between(points), between(PLACES), atol=1e-4)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-9)


def test_a_map_lies_along_its_widest_side_and_is_the_same_every_time():
    table, _ = planted((5, 4, 3))
    points = head_map(table)
    assert points.var(axis=0)[0] > points.var(axis=0)[1]
    assert abs(np.mean(points[:, 0] * points[:, 1])) < 1e-12
    assert (points[np.abs(points).argmax(axis=0), [0, 1]] > 0).all()
    assert np.array_equal(points, head_map(table))


def test_groups_are_apart_on_the_map():
    table, groups = planted((6, 6))
    points, groups = head_map(table), np.array(groups)
    centres = np.array([points[groups == group].mean(axis=0) for group in (0, 1)])
    assert np.linalg.norm(centres[0] - centres[1]) > 0.5
    assert max(np.linalg.norm(points[groups == group] - centres[group], axis=1).max() for group in (0, 1)) < 0.2


@pytest.mark.parametrize("sizes", [(4, 4), (7, 2), (3, 4, 5), (5, 5, 5, 5)])
def test_planted_groups_are_found_and_counted(sizes):
    table, groups = planted(sizes)
    assert head_clusters(table).tolist() == groups
    assert head_clusters(table, len(sizes)).tolist() == groups
    assert head_silhouette(table, head_clusters(table)) > 0.7
    assert head_clusters(table)[0] == 0


def test_a_given_number_of_groups_is_made():
    table, groups = planted((4, 4))
    for count in (1, 2, 3, 8):
        assert len(set(head_clusters(table, count).tolist())) == count
    assert len(set(head_clusters(table, 20).tolist())) == len(groups)
    three = head_clusters(table, 3)
    assert all(len({groups[head] for head in np.flatnonzero(three == number)}) == 1 for number in range(3))


def test_groups_are_joined_by_variance():
    # On a line: joining the pairs 0, 1 and 10, 11 adds 1/2 each; 4 is joined to 0, 1 (2/3 * 3.5^2), not to 10, 11 (2/3 * 6.5^2).
    places = np.array([[0.0], [1.0], [4.0], [10.0], [11.0]]) / 20
    table = between(places) ** 2
    assert head_clusters(table, 3).tolist() == [0, 0, 1, 2, 2]
    assert head_clusters(table, 2).tolist() == [0, 0, 0, 1, 1]
    # A head far from all does not stand alone where many would be kept together that differ among themselves.
    wide = np.concatenate([np.repeat([[0.0], [5.0]], 6, axis=0), [[11.0]]]) / 20
    assert head_clusters(between(wide) ** 2, 2).tolist() == [0] * 6 + [1] * 7


def test_the_silhouette_by_hand():
    # Heads 0 and 1 at distance 0.1, head 2 at 0.5 from both: (0.5 - 0.1) / 0.5 twice, and 0 for the head that is alone.
    distances = np.array([[0, 0.1, 0.5], [0.1, 0, 0.5], [0.5, 0.5, 0]])
    assert head_silhouette(distances**2, np.array([0, 0, 1])) == pytest.approx((0.8 + 0.8 + 0) / 3)
    assert np.isnan(head_silhouette(distances**2, np.array([0, 0, 0])))
    assert np.isnan(head_silhouette(distances**2, np.array([0, 1, 2])))


def test_heads_like_one():
    table = np.array([[0, 0.3, 0.1, 0.2], [0.3, 0, 0.4, 0.3], [0.1, 0.4, 0, 0.5], [0.2, 0.3, 0.5, 0]])
    assert nearest_heads(table, 0) == [(2, 0.1), (3, 0.2), (1, 0.3)]
    assert nearest_heads(table, 0, 2) == [(2, 0.1), (3, 0.2)]
    # Ties in the order of the heads; a head that is the same comes first and is not taken for the head itself.
    assert [head for head, _ in nearest_heads(table, 1)] == [0, 3, 2]
    same = np.zeros((3, 3))
    assert nearest_heads(same, 1) == [(0, 0.0), (2, 0.0)]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("heads", [1, 2, 3, 12])
def test_heads_that_are_all_the_same_stand_in_one_place(heads):
    table = np.zeros((heads, heads))
    assert np.array_equal(head_map(table), np.zeros((heads, 2)))
    assert head_clusters(table).tolist() == [0] * heads


@pytest.mark.filterwarnings("error")
def test_two_heads_that_differ_stand_apart():
    table = np.array([[0, 0.25], [0.25, 0]])
    points = head_map(table)
    np.testing.assert_allclose(between(points), np.sqrt(table), atol=1e-9)
    assert head_clusters(table).tolist() == [0, 1]


def test_single_precision_is_enough():
    table, groups = planted((4, 5))
    assert head_clusters(table.astype(np.float32)).tolist() == groups
    np.testing.assert_allclose(head_map(table.astype(np.float32)), head_map(table), atol=1e-3)
    assert head_distances(table.astype(np.float32)).dtype == np.float64


@pytest.mark.parametrize(
    "table",
    [
        np.zeros((0, 0)),
        np.array([[0.0, np.nan], [np.nan, 0.0]]),
        np.array([[0.0, -0.1], [-0.1, 0.0]]),
        np.array([[0.1, 0.1], [0.1, 0.1]]),
        np.array([[0.0, 0.1], [0.2, 0.0]]),
    ],
)
def test_what_is_no_table_of_divergences(table):
    for made_of in (head_distances, head_map, head_clusters):
        with pytest.raises(HeadscopeError, match="divergence"):
            made_of(table)


def test_no_group_at_all():
    with pytest.raises(HeadscopeError, match="at least one group"):
        head_clusters(np.zeros((3, 3)), 0)


def test_naming_the_nearest_heads_does_not_wait_for_scikit_learn():
    code = "import sys, model.analysis.head_groups; print('sklearn' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
