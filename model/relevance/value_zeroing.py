"""Value zeroing: what a layer makes of every token when another token's values are taken out of it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torch.nn.functional import normalize

from model.attention_interface import attention_implementation
from model.collector import parts_of
from model.encoding import Encoding, running
from model.errors import HeadscopeError, tell
from model.intervening import LayerPlan, Place, layer_plan
from model.lazy_capture import Progress, forward
from model.loading import LoadedModel
from model.module_hooks import surrounding
from model.part_changes import PartChanges, changing_parts
from model.relevance.copies import copied, in_pieces
from model.running_alone import running_alone

MOST_TOKENS = 512
_TOLERANCE = 1e-4
_ROUNDING = 1e-12


@dataclass(eq=False)
class _BlockCall:
    """One call of a block in the plain run, and how many keys each of its attention modules looked at."""

    block: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: Tensor | None = None
    keys: dict[int, int] = field(default_factory=dict)


def value_zeroing(
    loaded: LoadedModel, encoding: Encoding, *, stack: str | None = None, progress: Progress | None = None
) -> dict[Place, Float64[np.ndarray, "..."]]:
    """Return how much every token changes in each layer when one token's values are set to zero there (Mohebbi et al. 2023).

    change_l[q, k] = 1 - cos(x_l[q], x_l^{-k}[q]), x_l the output of block l, x_l^{-k} the same block on the same input with value
    k of all heads set to zero; from 0 to 2. `rows_to_one` makes the scores of the paper of it.

    The keys of a stack (all, where it is left out) are zeroed in copies that run side by side, and only in their own block. A
    token that nobody attends to changes nothing. `progress` is called with the done share and may raise to cancel. Raises
    HeadscopeError before computing for more than 512 tokens, and where a block run alone is not what it was in the model.
    """
    plan = layer_plan(loaded)
    _check_size(encoding)
    with running_alone(loaded), running(loaded), attention_implementation(loaded.model, plan.implementation):
        calls = _block_calls(loaded, encoding, plan)
        chosen = {place: found for place, found in calls.items() if stack in (None, place[0])}
        if not chosen:
            raise HeadscopeError(f"This model has no {stack} attention that lies in its blocks.")
        changes = {}
        for number, (place, (module, call)) in enumerate(sorted(chosen.items(), key=lambda entry: entry[0])):
            changes[place] = _layer_changes(loaded, module, call)
            if progress is not None:
                tell(progress, (number + 1) / len(chosen))
    return changes


def stacked(changes: Mapping[Place, Float[np.ndarray, "..."]], stack: str) -> Float64[np.ndarray, "layer query key"]:
    """Return the maps of one stack, its layers in order."""
    return np.stack([changes[place] for place in sorted(changes) if place[0] == stack])


def _block_calls(loaded: LoadedModel, encoding: Encoding, plan: LayerPlan) -> dict[Place, tuple[nn.Module, _BlockCall]]:
    """Return every attention module by (stack, layer), with the block call that it ran in."""
    found: dict[Place, tuple[nn.Module, _BlockCall]] = {}
    parts, counts = parts_of(loaded.model), Counter[str]()
    with _block_inputs([block for blocks in parts.lists.values() for block in blocks]) as running_calls:

        def looked(module: nn.Module, value: Tensor) -> Tensor:
            name = parts.names[id(module)]
            places = plan.calls.get(name, ())
            if counts[name] < len(places) and running_calls and running_calls[-1].output is None:
                running_calls[-1].keys[id(module)] = value.shape[2]
                found[places[counts[name]]] = (module, running_calls[-1])
            counts[name] += 1
            return value

        with changing_parts(PartChanges(value=looked)):
            forward(loaded, encoding.tensors, None)
    return found


@contextmanager
def _block_inputs(blocks: list[nn.Module]) -> Iterator[list[_BlockCall]]:
    """Keep what every block is called with and what it returns, in order."""
    calls: list[_BlockCall] = []

    def before(block: Any, args: Any, kwargs: Any) -> None:
        calls.append(_BlockCall(block, args, kwargs))

    def after(_block: Any, output: Any) -> None:
        calls[-1].output = _first(output)

    with surrounding(blocks, before, after):
        yield calls


def _layer_changes(loaded: LoadedModel, module: nn.Module, call: _BlockCall) -> np.ndarray:
    plain = _first(call.block(*call.args, **call.kwargs))
    given = plain if call.output is None else call.output
    scale = float(given.abs().max())
    if plain.shape[0] != 1 or not bool(((plain - given).abs() <= _TOLERANCE * scale).all()):
        raise HeadscopeError(
            f"A block of {loaded.name} run alone gives another output than in the model: values cannot be zeroed there."
        )
    directions, keys = normalize(plain[0].float(), dim=-1), call.keys[id(module)]
    columns = []
    for places in in_pieces(torch.arange(keys, device=plain.device), plain.shape[1], plain.device):

        def zeroed(other: nn.Module, value: Tensor, places: Any = places) -> Tensor:
            if other is not module:
                return value
            value = value.expand(len(places), *value.shape[1:]).clone()
            value[torch.arange(len(places)), :, places] = 0
            return value

        with changing_parts(PartChanges(value=zeroed)):
            output = _first(call.block(*copied(call.args, len(places)), **copied(call.kwargs, len(places))))
        # As half the squared distance of vectors of length one, which rounds less where little has changed.
        distances = (normalize(output.float(), dim=-1) - directions).double().square().sum(dim=-1) / 2
        columns.append(distances.T.cpu().numpy())
    changes = np.concatenate(columns, axis=1)
    # Below that is the rounding of float32 alone, which a row that is scaled to one would make much of.
    return np.where(changes < _ROUNDING, 0.0, changes)


def _first(output: Tensor | tuple[Any, ...]) -> Tensor:
    return output[0] if isinstance(output, tuple) else output


def _check_size(encoding: Encoding) -> None:
    count = max(
        encoding.tensors[name].shape[1] for name in ("input_ids", "decoder_input_ids") if name in encoding.tensors
    )
    if count > MOST_TOKENS:
        raise HeadscopeError(
            f"Values are zeroed in texts of at most {MOST_TOKENS} tokens, and this one has {count}: shorten it."
        )
