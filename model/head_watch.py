"""What looks at every weight of a run while the model runs, and keeps of each layer statistics and thumbnails alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from torch import Tensor

from model.analysis.head_statistics import StatisticSums
from model.analysis.mask_facts import MaskFacts, mask_facts, mask_key
from model.analysis.thumbnails import LayerTiles, tile_size
from model.analysis.tile_sums import TileSums
from model.blocked_attention import HeadBlock, attended, head_blocks
from model.layers import AttentionLayer, LazyLayer


@dataclass(frozen=True, eq=False)
class SeenLayer:
    """What was seen of one layer: the means of the statistics, and its tiles of `size`, where there are any.

    The tiles are None where the heads have masks of their own: what is masked in a tile is of one mask.
    """

    statistics: Float64[np.ndarray, "statistic head"]
    tiles: LayerTiles | None
    size: int


class HeadWatch:
    """Computes the attention of captured layers from blocks of their weights, and adds up what the blocks hold.

    `seen` holds the layers by their place in the run. Where `keeps_trace` is False, the layers themselves are dropped as
    soon as they are seen, and there are no tiles.
    """

    def __init__(self, *, keeps_trace: bool = True):
        self.keeps_trace = keeps_trace
        self.seen: dict[int, SeenLayer] = {}
        # What layers share is kept beside its facts, so that its address is not given to another one.
        self._facts: dict[tuple[Any, ...], tuple[list[Tensor], MaskFacts]] = {}

    def saw(self, layers: Sequence[AttentionLayer]) -> bool:
        """Say whether every layer of the run was seen."""
        return set(self.seen) == set(range(len(layers)))

    def attend(self, layers: list[AttentionLayer], beside: int, value: Tensor) -> Tensor:
        """Return the output [query, head, d_value] of the last of these layers, having looked at all of its weights.

        `beside` is how many layers there are in all where this one is, as far as is known; value [key-value head, key,
        d_value].
        """
        layer, place = layers[-1], len(layers) - 1
        if not isinstance(layer, LazyLayer):
            raise ValueError("only a layer that was captured lazily is computed from blocks")
        size = tile_size(beside * layer.heads) if self.keeps_trace else 1
        facts = self._known(layer, size)
        sums = StatisticSums(layer, facts, value.device)
        tiles = TileSums(*layer.shape, size) if self.keeps_trace and facts.alike else None
        output = value.new_empty(layer.shape[1], layer.heads, value.shape[2])
        for block, found in attended(layer, value, head_blocks(layer, facts)):
            output[block.rows, block.heads] = found.transpose(0, 1)
            block = block.without(facts.valid)
            sums.add(block)
            if tiles is not None:
                _add(tiles, block)
        own_tiles = None if tiles is None else LayerTiles(layer.index, tiles, facts.cells)
        self.seen[place] = SeenLayer(sums.means(), own_tiles, size)
        if not self.keeps_trace:
            layers[-1] = AttentionLayer(layer.stack, layer.index, layer.module)
        return output

    def _known(self, layer: LazyLayer, size: int) -> MaskFacts:
        key = (*mask_key(layer), size)
        if key not in self._facts:
            shared = [part for part in (layer.mask, layer.bias) if part is not None]
            self._facts[key] = shared, mask_facts(layer, size)
        return self._facts[key][1]


def _add(tiles: TileSums, block: HeadBlock) -> None:
    place = block.rows.start, block.keys.start, block.heads
    tiles.add(block.weights, *place)
    tiles.add_maxima(block.weights, block.row_maxima, *place)
