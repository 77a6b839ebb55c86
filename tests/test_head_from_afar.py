"""A head from afar: pooled and with its strongest pairs as each is alone, from rows that are made once."""

from dataclasses import replace

import numpy as np
import pytest

from model import HeadscopeError
from model.analysis.head_from_afar import head_from_afar
from model.analysis.pooled_views import pooled_view
from model.analysis.strongest_pairs import strongest_pairs
from tests.hand_views import hand_rows, random_view

TOKENS, BLOCK = 600, 25


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("pooling", ["maximum", "mean"])
def test_both_are_what_they_are_alone_and_rows_are_made_once(causal, pooling):
    rows, made = hand_rows(random_view(TOKENS, TOKENS, causal), rows=BLOCK), []

    def read(start: int, stop: int):
        made.append((start, stop))
        return rows.read(start, stop)

    found = head_from_afar(replace(rows, read=read), size=120, pooling=pooling)
    alone = pooled_view(rows, size=120, pooling=pooling)
    np.testing.assert_array_equal(found.view.weights, alone.weights)
    np.testing.assert_array_equal(found.view.mask, alone.mask)
    assert found.pairs == tuple(strongest_pairs(rows))
    assert len(found.pairs) == 20
    blocks = TOKENS // BLOCK
    assert made[:blocks] == [(start, start + BLOCK) for start in range(0, TOKENS, BLOCK)]
    # Blocks in which a pair stands are made once more, to find out where.
    assert len(made) < 2 * blocks
    assert all(any(start <= pair.query < stop for pair in found.pairs) for start, stop in made[blocks:])


def test_it_says_its_size():
    found = head_from_afar(hand_rows(random_view(9, 9)), size=3)
    assert found.nbytes > found.view.nbytes > 0


def test_what_is_not_there_is_refused():
    with pytest.raises(HeadscopeError, match="pooling"):
        head_from_afar(hand_rows(random_view(9, 9)), size=3, pooling="median")
