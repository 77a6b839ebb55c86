"""How much each token's vector makes of a state: contributions by distance (ALTI)."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float32

from model.analysis.norm_forms import MixedVectors, fullest_form, mixed_vectors
from model.errors import HeadscopeError
from model.value_projection import ValueMixing, ValueMixings

# Numbers of the vectors [query, key, d_model] that are gone through for one layer: seconds on two processor cores.
LARGEST = 1 << 30
_ROWS = 64


def alti_contributions(mixing: ValueMixing, form: str | None = None) -> Float32[np.ndarray, "target source"]:
    """Return how much each source token contributes to each target token in one layer.

    c[i, j] = max(0, ||y_i||_1 - ||y_i - T_i(x_j)||_1) / sum over sources,   y_i = sum_j T_i(x_j)

    ALTI, Ferrando et al. 2022 (section 3.2): T of the form "layer norm" where the model normalises after the sum, else of
    "residual" (see `mixed_vectors`); biases come from no token and are left out of y. Rows sum to one. In cross-attention the
    target's own residual is one more source, which is not in the result: rows sum to one less its share. A row is zero
    where no vector goes with y. Raises HeadscopeError where there is no such form or more than 2^30 numbers to go through.
    """
    form = fullest_form(mixing) if form is None else form
    _check_size(mixing)
    vectors = mixed_vectors(mixing, form)
    nearness = torch.cat([_nearness(vectors, rows) for rows in _row_blocks(vectors)])
    total = nearness.sum(dim=1)
    if vectors.is_cross and vectors.kept is not None:
        total = total + _gain(vectors.whole, vectors.kept)
    return (nearness / torch.where(total > 0, total, 1)[:, None]).cpu().numpy()


def alti_layers(
    mixings: ValueMixings, stack: str | None = None, progress: Callable[[float], None] | None = None
) -> Float32[np.ndarray, "layer target source"]:
    """Return `alti_contributions` of every layer of a stack; `progress` is called with the done share and may raise to cancel.

    Raises HeadscopeError where a layer cannot be taken apart, or has only the form “attention”, before anything is computed.
    """
    layers = [mixings.layer(layer.index, layer.stack) for layer in mixings.trace.of_stack(stack)]
    for mixing in layers:
        _check_size(mixing)
        if fullest_form(mixing) == "attention":
            mixed_vectors(mixing, "residual")
    found = []
    for number, mixing in enumerate(layers):
        found.append(alti_contributions(mixing))
        if progress is not None:
            progress((number + 1) / len(layers))
    return np.stack(found)


def _check_size(mixing: ValueMixing) -> None:
    (_, queries, keys), width = mixing.layer.shape, mixing.output.shape[1]
    if queries * keys * width > LARGEST:
        most = int((LARGEST / width) ** 0.5)
        raise HeadscopeError(
            f"Contributions of {queries} by {keys} tokens with {width} dimensions take too long. Use a text of at most {most} "
            "tokens with this model."
        )


def _row_blocks(vectors: MixedVectors) -> list[list[int]]:
    queries = vectors.whole.shape[0]
    return [list(range(start, min(start + _ROWS, queries))) for start in range(0, queries, _ROWS)]


def _nearness(vectors: MixedVectors, rows: list[int]) -> Float32[torch.Tensor, "row key"]:
    """Return max(0, ||y||_1 - ||y - T||_1) of some queries with every key."""
    whole, weights = vectors.whole[rows], vectors.mixing.layer.weights(rows=rows)
    deviation, parts = vectors.deviation[rows, None], []
    for keys in vectors.key_blocks(len(rows)):
        moved = torch.matmul(weights[:, :, keys].permute(2, 1, 0), vectors.moved(keys).transpose(0, 1)) / deviation
        if vectors.kept is not None and not vectors.is_cross:
            for place, row in enumerate(rows):
                if keys.start <= row < keys.stop:
                    moved[row - keys.start, place] += vectors.kept[row]
        parts.append(_gain(whole, moved).T)
    return torch.cat(parts, dim=1)


def _gain(whole: torch.Tensor, parts: torch.Tensor) -> torch.Tensor:
    return (whole.abs().sum(dim=-1) - (whole - parts).abs().sum(dim=-1)).clamp(min=0)
