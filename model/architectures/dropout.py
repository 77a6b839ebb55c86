"""Dropout that draws one byte for each number: on a CPU most of dropout's time goes into its random numbers."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Dropout(nn.Dropout):
    """Srivastava et al. 2014: y = x * kept / share, each number kept with probability share = 1 - round(256 p) / 256."""

    def forward(self, states: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
        """Return the states with some at zero and the others larger, so that the mean stays; as they are outside training."""
        dropped = round(256 * self.p)
        if not self.training or not dropped:
            return states
        eights = torch.empty((states.numel() + 7) // 8, dtype=torch.int64, device=states.device)
        # From the lowest to the highest number of 64 bits, so that each of its bytes is uniform.
        drawn = eights.random_(-(2**63), None).view(torch.uint8)[: states.numel()].view(states.shape)
        return states * ((drawn >= dropped).to(states.dtype) * (256 / (256 - dropped)))
