"""What attention moves in a text, by every method, each made once and shared. Imports torch: import this late."""

from collections.abc import Callable

import numpy as np

from app import cache, engine
from app.selection import Selection
from model.analysis.flow import attention_flow
from model.analysis.norm_contributions import alti_contributions, alti_layers
from model.analysis.norms import head_attention_norms, mixed_norms, row_shares
from model.analysis.rollout import (
    allowed_maps,
    attention_rollout,
    combined_heads,
    receptive_field_corrected,
    rows_to_one,
)
from model.effects.batches import model_task
from model.encoding import encode
from model.errors import HeadscopeError
from model.loading import LoadedModel
from model.relevance.fidelity import TextFidelity, text_fidelity
from model.relevance.gradients import gradient_attention, weight_gradients
from model.relevance.outputs import output_at
from model.relevance.value_zeroing import stacked, value_zeroing
from model.rotary_layout import RotaryLayout, rotary_layouts
from model.tokens import Token
from model.value_projection import ValueMixings, record_mixings

Progress = Callable[[float], None]
# Methods that ask what one output of the model comes from.
OF_AN_OUTPUT = ("gradient x attention",)


def mixings_of(selection: Selection, loaded: LoadedModel, progress: Progress) -> ValueMixings:
    """Return the run of the text with what every layer adds up."""
    target = selection.target.strip() or None
    key = (*engine.model_key(selection), selection.text, target, "mixings")
    return cache.runs().get_or_make_sized(
        key,
        lambda: record_mixings(
            loaded, selection.text, target=target if loaded.is_encoder_decoder else None, progress=progress
        ),
        lambda found: 3 * found.trace.nbytes,
    )


def method_map(
    method: str, selection: Selection, loaded: LoadedModel, mixings: ValueMixings, place: tuple[str, int, int], progress: Progress
) -> np.ndarray:  # fmt: skip
    """Return the map [query, key] of a method in one layer, rows summing to one; `place` is (stack, layer, head).

    Raises HeadscopeError where the model, the stack or the length of the text does not allow it.
    """
    stack, layer, head = place
    if method == "norms":
        return row_shares(head_attention_norms(mixings.layer(layer, stack), head))
    forms = {"norms of the layer": "attention", "with the residual": "residual", "with the layer norm": "layer norm"}
    if method in forms:
        return row_shares(mixed_norms(mixings.layer(layer, stack), forms[method]))
    if method == "ALTI":
        return alti_contributions(mixings.layer(layer, stack))
    index = [one.index for one in mixings.trace.of_stack(stack)].index(layer)
    return layer_maps(method, selection, loaded, mixings, stack, progress)[index]


def layer_maps(
    method: str, selection: Selection, loaded: LoadedModel, mixings: ValueMixings, stack: str, progress: Progress
) -> np.ndarray:
    """Return the maps [layer, query, key] of a method that takes all layers together."""
    position = selection.position if method in OF_AN_OUTPUT else None
    key = (*engine.model_key(selection), selection.text, selection.target, method, stack, position)
    made = {
        "rollout": lambda: attention_rollout(combined_heads(mixings.trace, stack)),
        "rollout, receptive field": lambda: receptive_field_corrected(
            attention_rollout(combined_heads(mixings.trace, stack)), _causal(mixings, stack)
        ),
        "flow": lambda: _flow(combined_heads(mixings.trace, stack), progress),
        "value zeroing": lambda: _zeroed(selection, loaded, stack, progress),
        "gradient x attention": lambda: _gradient(selection, loaded, stack),
    }  # fmt: skip
    return cache.runs().get_or_make_sized(key, made[method], lambda maps: maps.nbytes)


def output_tokens(method: str, loaded: LoadedModel, mixings: ValueMixings) -> tuple[Token, ...] | None:
    """Return the tokens at which a method may be asked for the model's output; None where it asks for none of them."""
    if method not in OF_AN_OUTPUT or model_task(loaded) == "encoder":
        return None
    sides = mixings.trace.tokens
    return sides["decoder"] if "decoder" in sides else next(iter(sides.values()))


def route_contributions(mixings: ValueMixings, stack: str, progress: Progress) -> tuple[np.ndarray, str]:
    """Return contributions [layer, target, source] whose rows sum to one, and what they are: ALTI where the model allows it."""
    try:
        return alti_layers(mixings, stack, progress), "ALTI contributions (Ferrando et al. 2022)"
    except HeadscopeError:
        maps = combined_heads(mixings.trace, stack)
        own = np.eye(maps.shape[1])
        return (
            0.5 * maps + 0.5 * own,
            "half of the mean attention and half of the token itself, since this model allows no ALTI",
        )


def rotary_layout(selection: Selection, loaded: LoadedModel, stack: str) -> RotaryLayout | None:
    """Return how one layer of the model turns queries and keys, None where it does not."""

    def made() -> dict:
        try:
            return rotary_layouts(loaded)
        except HeadscopeError:
            return {}

    layouts = cache.runs().get_or_make_sized(
        (*engine.model_key(selection), "rotary layouts"), made, lambda _found: 100_000
    )
    return layouts.get((stack, selection.layer))


def fidelity_of(selection: Selection, loaded: LoadedModel, progress: Progress) -> TextFidelity:
    """Return how each method agrees with blanking tokens out."""
    key = (*engine.model_key(selection), selection.text, selection.target, "fidelity")
    return cache.runs().get_or_make_sized(
        key, lambda: text_fidelity(loaded, _encoding(selection, loaded), progress=progress), lambda _found: 1_000_000
    )


def _encoding(selection: Selection, loaded: LoadedModel):
    target = selection.target.strip() or None
    return encode(loaded, selection.text, target=target if loaded.is_encoder_decoder else None)


def _causal(mixings: ValueMixings, stack: str) -> np.ndarray:
    if stack != "decoder":
        raise HeadscopeError(
            "The correction for the receptive field is for decoders: here every token sees all of the input."
        )
    return allowed_maps(mixings.trace, stack)


def _flow(maps: np.ndarray, progress: Progress) -> np.ndarray:
    """Return the flow into every token of every layer; raises HeadscopeError for more tokens than it takes."""
    found = []
    for layer in range(len(maps)):
        told = lambda share, layer=layer: progress((layer + share) / len(maps))  # noqa: E731
        found.append(attention_flow(maps[: layer + 1], progress=told))
    return rows_to_one(np.stack(found))


def _zeroed(selection: Selection, loaded: LoadedModel, stack: str, progress: Progress) -> np.ndarray:
    changes = value_zeroing(loaded, _encoding(selection, loaded), stack=stack, progress=progress)
    return rows_to_one(stacked(changes, stack))


def _gradient(selection: Selection, loaded: LoadedModel, stack: str) -> np.ndarray:
    encoding = _encoding(selection, loaded)
    found = weight_gradients(loaded, encoding, output_at(loaded, encoding, selection.position))
    return rows_to_one(np.abs(gradient_attention(found, stack)))
