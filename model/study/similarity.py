"""How alike the heads of a stack are over several texts, from blocks of weights as they come."""

from collections import defaultdict

import numpy as np
import torch
from torch import Tensor

from model.analysis.head_divergence import divergence_sums
from model.weight_stream import WeightBlock


class HeadDivergence:
    """Adds up the Jensen-Shannon divergence of every two heads of a stack, whatever their layers.

    The weights of one batch are held until all of its layers are there.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, dict[int, list[Tensor]]] = defaultdict(lambda: defaultdict(list))
        self._sums: dict[str, np.ndarray | float] = defaultdict(float)
        self._rows: dict[str, int] = defaultdict(int)

    def observe(self, block: WeightBlock) -> None:
        """Keep a block of rows until the batch is over."""
        weights = block.weights
        if block.allowed is not None:
            # A row that may attend to nothing is no distribution.
            rows = block.allowed[:, :, block.start : block.start + weights.shape[2]].any(dim=-1, keepdim=True)
            weights = weights * rows
        self._waiting[block.stack][block.index].append(weights.detach().cpu())

    def finish_batch(self) -> None:
        """Add up what was kept of a batch."""
        for stack, layers in self._waiting.items():
            whole = torch.cat([torch.cat(layers[layer], dim=2) for layer in sorted(layers)], dim=1)
            for weights in whole.numpy():
                sums, rows = divergence_sums(weights)
                self._sums[stack] = self._sums[stack] + sums
                self._rows[stack] += rows
        self.forget()

    def forget(self) -> None:
        """Drop what was kept of a batch that did not run to its end."""
        self._waiting.clear()

    def means(self) -> dict[str, np.ndarray]:
        """Return by stack the mean divergence float32 [head, head] in bits, the heads of all layers in order."""
        return {
            stack: np.asarray(sums / max(1, self._rows[stack])).astype(np.float32) for stack, sums in self._sums.items()
        }
