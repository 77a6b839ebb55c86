"""Attention before the Transformer: how a decoder's state is compared with every annotation of the source."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from model.architectures.configuration import RecurrentSearchConfig


class AdditiveAttention(nn.Module):
    """Bahdanau et al. 2014, section 3.1 and appendix A.1.2: e_ij = v_a^T tanh(W_a s_{i-1} + U_a h_j)."""

    def __init__(self, config: RecurrentSearchConfig):
        super().__init__()
        self.of_state = nn.Linear(config.d_hidden, config.d_alignment, bias=False)  # W_a
        self.of_annotation = nn.Linear(2 * config.d_direction, config.d_alignment, bias=False)  # U_a
        self.score = nn.Linear(config.d_alignment, 1, bias=False)  # v_a

    def keys(self, annotations: Float[Tensor, "batch source annotation"]) -> Float[Tensor, "batch source d_alignment"]:
        """Return U_a h_j, which does not change from step to step."""
        return self.of_annotation(annotations)

    def forward(
        self, states: Float[Tensor, "batch target d_hidden"], keys: Float[Tensor, "batch source d_alignment"],
        mask: Tensor | None,
    ) -> Float[Tensor, "batch target source"]:  # fmt: skip
        """Return the alignment weights alpha_ij (eq. 6) of these states; `mask` [batch, source] is 0 for padding."""
        compared = torch.tanh(self.of_state(states)[:, :, None] + keys[:, None])
        return alignment_weights(self.score(compared).squeeze(-1), mask)


class MultiplicativeAttention(nn.Module):
    """Luong et al. 2015, section 3.1: score(h_t, h_s) = h_t^T h_s ("dot") or h_t^T W_a h_s ("general")."""

    def __init__(self, config: RecurrentSearchConfig):
        super().__init__()
        general = config.attention == "general"
        self.of_annotation = (
            nn.Linear(2 * config.d_direction, config.d_hidden, bias=False) if general else nn.Identity()
        )

    def keys(self, annotations: Float[Tensor, "batch source annotation"]) -> Float[Tensor, "batch source d_hidden"]:
        """Return W_a h_s, or h_s itself."""
        return self.of_annotation(annotations)

    def forward(
        self, states: Float[Tensor, "batch target d_hidden"], keys: Float[Tensor, "batch source d_hidden"],
        mask: Tensor | None,
    ) -> Float[Tensor, "batch target source"]:  # fmt: skip
        """Return the alignment weights a_t(s) (eq. 7) of these states; `mask` [batch, source] is 0 for padding."""
        return alignment_weights(torch.matmul(states, keys.transpose(1, 2)), mask)


def alignment_weights(
    scores: Float[Tensor, "batch target source"], mask: Tensor | None
) -> Float[Tensor, "batch target source"]:
    """Return alpha_ij = exp(e_ij) / sum_k exp(e_ik) over the source positions that are no padding, float32."""
    scores = scores.float()
    if mask is not None:
        scores = scores.masked_fill(~mask.bool()[:, None], torch.finfo(torch.float32).min)
    return torch.softmax(scores, dim=-1)
