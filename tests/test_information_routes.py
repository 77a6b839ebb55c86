"""Routes to a state by hand, and the texts and numbers that are refused."""

import numpy as np
import pytest

from model.analysis.information_routes import information_routes
from model.analysis.rollout import attention_rollout, rows_to_one
from model.errors import HeadscopeError

MAPS = np.array(
    [[[1.0, 0.0, 0.0], [0.3, 0.7, 0.0], [0.05, 0.0, 0.95]], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.4, 0.6]]]
)


def test_routes_by_hand():
    routes = information_routes(MAPS, 2, threshold=0.1)
    found = {(edge.layer, edge.target, edge.source): edge.contribution for edge in routes.edges}
    assert found == {(1, 2, 1): 0.4, (1, 2, 2): 0.6, (0, 1, 0): 0.3, (0, 1, 1): 0.7, (0, 2, 2): 0.95}
    assert routes.shares == pytest.approx(
        {(2, 2): 1, (1, 1): 0.4, (1, 2): 0.6, (0, 0): 0.12, (0, 1): 0.28, (0, 2): 0.57}
    )
    assert {edge for edge in routes.edges if edge.stays} == {
        edge for edge in routes.edges if edge.source == edge.target
    }


def test_a_state_between_the_layers_is_traced_from_its_level():
    routes = information_routes(MAPS, 1, threshold=0.1, level=1)
    assert [(edge.layer, edge.source) for edge in routes.edges] == [(0, 0), (0, 1)]


def test_with_every_edge_the_shares_are_rollout():
    maps = rows_to_one(np.random.default_rng(0).random((4, 5, 5)))
    routes = information_routes(maps, 3, threshold=1e-12)
    rolled = attention_rollout(maps, residual=0)[-1, 3]
    assert [routes.shares[0, position] for position in range(5)] == pytest.approx(rolled)


@pytest.mark.parametrize(
    ("maps", "position", "options", "said"),
    [
        (MAPS, 3, {}, "tokens 0 to 2"),
        (MAPS, 0, {"threshold": 0.0}, "above 0"),
        (MAPS, 0, {"level": 3}, "level 1 to 2"),
        (2 * MAPS, 0, {}, "at most 1"),
        (np.zeros((1, 65, 65)), 0, {}, "65"),
        (MAPS[:, :2], 0, {}, "to itself"),
    ],
)
def test_what_cannot_be_traced_is_refused(maps, position, options, said):
    with pytest.raises(HeadscopeError, match=said):
        information_routes(maps, position, **options)
