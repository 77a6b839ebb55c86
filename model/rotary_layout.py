"""How each layer of a model turns its queries and keys by position, found in the model and proved on its own queries."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch

from model.errors import HeadscopeError
from model.loading import LoadedModel
from model.position_modules import RotaryFrequencies, rotary_frequencies
from model.recording import record
from model.trace import Trace

_PROBED = 32  # positions
_SINGLE = (0, 1, 6, 17)
# Largest difference from the predicted turn, relative to the largest number; in half precision what rounding leaves.
_TOLERANCE, _ROUNDINGS = 1e-3, 8.0
_BY_LENGTH = ("dynamic", "longrope")


@dataclass(frozen=True, eq=False)
class RotaryLayout:
    """The pairs of dimensions that one layer turns: frequencies [pair], radians a position, and dimensions [pair, 2].

    At position p the pair (x, y) is turned by p theta: x + iy -> (x + iy) e^(i p theta) (Su et al. 2021); theta is below 0 in
    families that turn the other way. `module` is the buffer that the frequencies are from; `longest` the number of positions up
    to which they hold (None: any).
    """

    module: str
    frequencies: np.ndarray
    dimensions: np.ndarray
    longest: int | None = None


def rotary_layouts(loaded: LoadedModel) -> dict[tuple[str, int], RotaryLayout]:
    """Return the rotary layout of every layer, by (stack, index); layers that turn nothing, or in no known way, are left out.

    Which dimensions pair up (halves or neighbours), where they begin and which frequencies a layer takes is not read from names
    but tried: in a text of one token repeated all positions hold the same state, so that queries differ by their turn alone.
    That is one run over 32 tokens; where attention sinks make states differ, single tokens are placed at four positions.
    Raises HeadscopeError where the model has no rotary frequencies.
    """
    found = rotary_frequencies(loaded.model)
    if not found:
        raise HeadscopeError(
            f"{loaded.name} ({loaded.model.config.model_type}) does not turn its queries and keys by position, so there are no "
            "frequency pairs to show. Choose a model with rotary positions, such as Llama, Qwen or ModernBERT."
        )
    longest = _longest(loaded.model.config)
    layouts: dict[tuple[str, int], RotaryLayout] = {}
    for probe in _probes(loaded):
        for place, (positions, *turned) in probe.items():
            layout = layouts.get(place) or _proved(found, positions, turned, longest)
            if layout is not None:
                layouts[place] = layout
        if len(layouts) == len(probe):
            break
    return layouts


def layout_of(layouts: Mapping[tuple[str, int], RotaryLayout], stack: str, layer: int) -> RotaryLayout:
    """Return the layout of one layer; raises HeadscopeError where it turns nothing, or in no way that could be proved."""
    if (stack, layer) not in layouts:
        raise HeadscopeError(
            f"{stack.capitalize()} layer {layer} does not turn its queries and keys by the model's rotary frequencies, so its "
            f"scores do not fall into frequency pairs. Layers that do: {_listed(layouts)}."
        )
    return layouts[stack, layer]


def _listed(layouts: Mapping[tuple[str, int], RotaryLayout]) -> str:
    return ", ".join(f"{stack} {index}" for stack, index in sorted(layouts)) or "none"


def _probes(loaded: LoadedModel) -> Iterator[dict[tuple[str, int], tuple[Any, ...]]]:
    """Yield {(stack, layer): (positions, queries, keys [head, position, d_head])} of states that differ by position alone."""
    config = loaded.model.config.get_text_config()
    count = min(_PROBED, getattr(config, "max_position_embeddings", None) or _PROBED)
    token = config.vocab_size // 2
    yield _gathered([record(loaded, _tensors(loaded, [token] * count))], np.arange(count))
    if "position_ids" in inspect.signature(loaded.model.forward).parameters:
        singles = [position for position in _SINGLE if position < count]
        placed = [
            record(loaded, {**_tensors(loaded, [token]), "position_ids": torch.tensor([[position]])})
            for position in singles
        ]
        yield _gathered(placed, np.array(singles))


def _tensors(loaded: LoadedModel, ids: list[int]) -> dict[str, torch.Tensor]:
    tensors = {"input_ids": torch.tensor([ids])}
    return {**tensors, "decoder_input_ids": torch.tensor([ids])} if loaded.is_encoder_decoder else tensors


def _gathered(traces: list[Trace], positions: np.ndarray) -> dict[tuple[str, int], tuple[Any, ...]]:
    found = {}
    for layers in zip(*(trace.layers for trace in traces), strict=True):
        if layers[0].source == "lazy" and layers[0].stack != "cross":
            parts = [torch.cat([getattr(layer, name) for layer in layers], dim=1) for name in ("query", "key")]
            found[layers[0].stack, layers[0].index] = (positions, *parts)
    return found


def _proved(
    found: tuple[RotaryFrequencies, ...], positions: np.ndarray, turned: list[torch.Tensor], longest: int | None
) -> RotaryLayout | None:
    """Return the layout whose turns the queries and keys show; None where none does, or where they do not turn."""
    limit = max(_TOLERANCE, _ROUNDINGS * torch.finfo(turned[0].dtype).eps)
    arrays = [part.double().cpu().numpy() for part in turned]
    if max(_off(array, np.repeat(array[:, :1], len(positions), axis=1)) for array in arrays) <= limit:
        return None
    tried: list[tuple[float, int, RotaryLayout]] = []
    # A few families (nanochat) turn the other way.
    for one, way in product(found, (1, -1)):
        for dimensions in _pairings(len(one.frequencies), arrays[0].shape[-1], one.interleaved):
            layout = RotaryLayout(one.module, way * one.frequencies.astype(np.float64), dimensions, longest)
            tried.append(
                (max(_off(array, _predicted(array, layout, positions)) for array in arrays), len(tried), layout)
            )
    best = min(tried, default=None)
    return best[2] if best is not None and best[0] <= limit else None


def _pairings(pairs: int, d_head: int, neighbours_first: bool) -> list[np.ndarray]:
    """Return the ways [pair, 2] in which pairs of dimensions may lie in a head: neighbours or halves, at its start or end."""
    if 2 * pairs > d_head:
        return []
    numbers = np.arange(2 * pairs)
    ways = [numbers.reshape(-1, 2), numbers.reshape(2, -1).T]
    starts = dict.fromkeys((0, d_head - 2 * pairs))
    return [start + way for start in starts for way in (ways if neighbours_first else ways[::-1])]


def _predicted(array: np.ndarray, layout: RotaryLayout, positions: np.ndarray) -> np.ndarray:
    """Return the vector at the first position, turned to every position."""
    expected = np.repeat(array[:, :1], len(positions), axis=1)
    first, second = layout.dimensions.T
    angles = np.multiply.outer(positions - positions[0], layout.frequencies)
    turned = (array[:, :1, first] + 1j * array[:, :1, second]) * np.exp(1j * angles)
    expected[..., first], expected[..., second] = turned.real, turned.imag
    return expected


def _off(array: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(array - expected).max() / max(np.abs(array).max(), 1e-30))


def _longest(config: Any) -> int | None:
    """Return up to which length the frequencies hold, where they change with the length of the text."""
    config = config.get_text_config()
    given = getattr(config, "rope_parameters", None) or {}
    kinds = [given, *(value for value in given.values() if isinstance(value, Mapping))]
    changing = [kind for kind in kinds if kind.get("rope_type") in _BY_LENGTH]
    limits = [kind.get("original_max_position_embeddings") or config.max_position_embeddings for kind in changing]
    return min(limits, default=None)
