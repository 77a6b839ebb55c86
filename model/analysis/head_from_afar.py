"""All of a long head at one glance, its weights made once: pooled, with its strongest pairs."""

from dataclasses import dataclass

from model.analysis.pooled_views import PooledView, pooled_view
from model.analysis.strongest_pairs import Pair, PairSearch
from model.analysis.view_rows import ViewRows

_PAIR_BYTES = 200


@dataclass(frozen=True, eq=False)
class HeadFromAfar:
    """A head pooled to few cells, and its strongest pairs, the largest first."""

    view: PooledView
    pairs: tuple[Pair, ...]

    @property
    def nbytes(self) -> int:
        """Memory of both, in bytes."""
        return self.view.nbytes + _PAIR_BYTES * len(self.pairs)


def head_from_afar(rows: ViewRows, *, size: int, pooling: str = "maximum") -> HeadFromAfar:
    """Return what `pooled_view` and `strongest_pairs` return of all rows, which are made once for both.

    Raises HeadscopeError for a pooling that is not there and a size below 1.
    """
    search = PairSearch(rows)
    view = pooled_view(rows, size=size, pooling=pooling, look=search.look)
    return HeadFromAfar(view, tuple(search.found()))
