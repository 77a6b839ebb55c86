"""How position gets in: the four kinds of position that our architectures know, as functions of the positions alone."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

POSITIONS = ("sinusoidal", "learned", "rotary", "alibi", "none")


def sinusoids(
    positions: Int[Tensor, "*batch position"], d_model: int, base: float = 10000.0
) -> Float[Tensor, "*batch position d_model"]:
    """Return the sinusoidal position encodings, float32 (Vaswani et al. 2017, section 3.5; d_model is even).

    PE(pos, 2i) = sin(pos / base^(2i / d_model)),  PE(pos, 2i + 1) = cos(pos / base^(2i / d_model))
    """
    angles = _angles(positions, d_model, base)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)


def rotation(
    positions: Int[Tensor, "*batch position"], d_head: int, base: float = 10000.0
) -> tuple[Float[Tensor, "*batch position pair"], Float[Tensor, "*batch position pair"]]:
    """Return cosine and sine of the angles pos / base^(2i / d_head), one per pair i of dimensions (Su et al. 2021, eq. 15)."""
    angles = _angles(positions, d_head, base)
    return angles.cos(), angles.sin()


def rotated(
    states: Float[Tensor, "batch head position d_head"],
    cosine: Float[Tensor, "#batch position pair"],
    sine: Float[Tensor, "#batch position pair"],
) -> Float[Tensor, "batch head position d_head"]:
    """Turn each pair of dimensions (2i, 2i + 1) by its angle, so that q.k depends on the distance alone (Su et al. 2021, eq. 34).

    (x, y) -> (x cos - y sin, x sin + y cos)
    """
    x, y = states.float().unflatten(-1, (-1, 2)).unbind(-1)
    cosine, sine = cosine[:, None], sine[:, None]
    turned = torch.stack((x * cosine - y * sine, x * sine + y * cosine), dim=-1)
    return turned.flatten(-2).to(states.dtype)


def alibi_slopes(heads: int) -> Float[Tensor, " head"]:
    """Return the slope of every head (Press et al. 2021, section 3): 2^(-8/n), 2^(-16/n), ..., 2^-8 for n heads.

    Where n is no power of two, the slopes of the next lower one and every other slope of the next higher one, as they do.
    """
    power = 1 << (heads.bit_length() - 1)
    slopes = [2.0 ** (-8.0 * (head + 1) / power) for head in range(power)]
    between = [2.0 ** (-4.0 * (head + 1) / power) for head in range(0, 2 * power, 2)]
    return torch.tensor(slopes + between[: heads - power])


def alibi_bias(
    queries: Int[Tensor, "#batch query"], keys: Int[Tensor, "#batch key"], heads: int
) -> Float[Tensor, "batch head query key"]:
    """Return what is added to the scores: -slope * |query - key|, float32 (Press et al. 2021, section 3).

    The paper's is causal; with the absolute distance the same bias serves an encoder, which then cannot tell a text from the
    same text backwards.
    """
    distance = (queries[:, :, None] - keys[:, None, :]).abs().float()
    return -alibi_slopes(heads).to(distance.device)[None, :, None, None] * distance[:, None]


def _angles(positions: Tensor, width: int, base: float) -> Tensor:
    pairs = torch.arange(0, width, 2, device=positions.device, dtype=torch.float32)
    return positions[..., None].float() * base ** (-pairs / width)
