"""What the weights of our architectures are before training."""

import torch
from torch import nn
from transformers import initialization

# Of what a sub-layer adds to the stream. At 1 the encoder of a post-norm stack makes all positions alike within 200 steps, and
# the decoder never learns where to look; smaller is what DeepNet (Wang et al. 2022) does, by depth.
RESIDUAL_GAIN = 0.5
_GAIN = "gain"  # the attribute that a map keeps it in


def residual(linear: nn.Linear) -> nn.Linear:
    """Return the map, marked as one on the way into the residual stream."""
    setattr(linear, _GAIN, RESIDUAL_GAIN)
    return linear


@torch.no_grad()
def initialize(module: nn.Module, d_model: int) -> None:
    """Set the weights of one module: linear maps as Glorot & Bengio 2010, embeddings with variance 1 / d_model.

    Multiplied by sqrt(d_model) (Vaswani et al. 2017, section 3.4) embeddings begin with variance one. Recurrent matrices
    are orthogonal (Saxe et al. 2014; Bahdanau et al. 2014, appendix B.1); biases are zero.
    """
    if isinstance(module, nn.Linear):
        initialization.xavier_uniform_(module.weight, gain=getattr(module, _GAIN, 1.0))
        if module.bias is not None:
            initialization.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        initialization.normal_(module.weight, std=d_model**-0.5)
    elif isinstance(module, nn.LayerNorm):
        initialization.ones_(module.weight)
        initialization.zeros_(module.bias)
    elif isinstance(module, nn.RNNBase | nn.RNNCellBase):
        for name, weight in module.named_parameters():
            if "bias" in name:
                initialization.zeros_(weight)
            elif "weight_hh" in name:
                initialization.orthogonal_(weight)
            else:
                initialization.xavier_uniform_(weight)
