"""From checked layers and tokens that somebody brings along to a Trace whose provenance says how it came."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import transformers

import model as library
from model.errors import ImportedDataError
from model.imported_weights import Numbered, all_causal, imported_layers
from model.layers import SEQUENCES, DenseLayer
from model.tokenization import tokens_from_ids, tokens_from_strings
from model.tokens import Token, position_tokens
from model.trace import Provenance, Trace


def imported_trace(
    numbered: Numbered,
    tokens: Iterable[str | Token],
    key_tokens: Iterable[str | Token] | None,
    stack: str | None,
    provenance: tuple[str, str],
    *,
    sinks: bool = False,
    allowed: torch.Tensor | None = None,
) -> Trace:
    """Return the Trace of one stack; `provenance` is the name of the model and what the weights were read from.

    Raises ImportedDataError where weights and tokens are no attention of this stack.
    """
    queries = _tokens(tokens)
    keys = queries if key_tokens is None else _tokens(key_tokens)
    same = [token.piece for token in keys] == [token.piece for token in queries]
    stack = checked_stack(stack or (stack_of(numbered) if same else "cross"))
    if stack == "cross" and key_tokens is None:
        raise ImportedDataError(
            "Cross-attention is from one sequence to another: give key_tokens, the encoder's tokens."
        )
    if stack != "cross" and not same:
        raise ImportedDataError(
            f"{stack.capitalize()} attention has the same tokens in rows and columns, and key_tokens differ from tokens. "
            'Leave key_tokens out, or say stack="cross".'
        )
    layers = imported_layers(stack, numbered, sinks=sinks, allowed=allowed)
    sides = dict(zip(SEQUENCES[stack], (queries, keys), strict=True))
    for axis, given, count in zip(("queries", "keys"), (queries, keys), layers[0].shape[1:], strict=True):
        if len(given) != count:
            raise ImportedDataError(f"There are {len(given)} tokens for {count} {axis}. Give one token for each.")
    return Trace(layers, sides, {}, imported_provenance(*provenance, layers))


def imported_provenance(name: str, origin: str, layers: Sequence[DenseLayer]) -> Provenance:
    """Return what is known of weights that Headscope did not compute itself: their name, and what they were read from."""
    return Provenance(
        model=name,
        revision="imported",
        model_type="imported",
        dtype=str(layers[0].dense.dtype).removeprefix("torch."),
        device="cpu",
        capture=f"imported: weights as {origin} held them, not computed by Headscope",
        versions={
            "headscope": library.__version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    )


def stack_of(numbered: Numbered) -> str:
    """Return "decoder" where no query of any layer looks ahead, else "encoder"."""
    return "decoder" if all_causal(weights for _, _, weights in numbered) else "encoder"


def checked_stack(stack: str) -> str:
    """Return `stack`; raises ImportedDataError where there is no such stack."""
    if stack not in SEQUENCES:
        raise ImportedDataError(f"There is no stack “{stack}”. Choose {', '.join(SEQUENCES)}.")
    return stack


def tokens_of_ids(tokenizer: Any, ids: Any, side: str, count: int) -> tuple[Token, ...]:
    """Return the tokens of ids [tokens] or [1, tokens], named by position without ids and by number without tokenizer.

    Raises ImportedDataError where the ids are not as many as the tokens of the maps, or no whole numbers.
    """
    if ids is None:
        return position_tokens(count)
    name = "input_ids" if side == "encoder" else "decoder_input_ids (input_ids, where there is only a decoder)"
    try:
        tensor = torch.as_tensor(ids)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ImportedDataError(
            f"The ids are no array of whole numbers. Give {name} as the model took them."
        ) from error
    tensor = tensor[None] if tensor.ndim == 1 else tensor
    if tensor.ndim != 2 or tensor.shape[0] != 1 or tensor.is_floating_point() or tensor.is_complex():
        raise ImportedDataError(
            f"The ids have the shape {tuple(tensor.shape)}. Give {name} as whole numbers [1, tokens]."
        )
    if tensor.shape[1] != count:
        raise ImportedDataError(
            f"There are {tensor.shape[1]} ids for {count} tokens of the {side}. Give {name} of this run."
        )
    return tokens_from_ids(tokenizer, tensor)


def _tokens(given: Iterable[str | Token]) -> tuple[Token, ...]:
    tokens = [given] if isinstance(given, str | bytes) else list(given)
    if isinstance(given, str | bytes) or not all(isinstance(token, str | Token) for token in tokens):
        raise ImportedDataError("The tokens are no list of strings. Give one string for each token.")
    known = [token for token in tokens if isinstance(token, Token)]
    if known and len(known) == len(tokens):
        return tuple(known)
    return tokens_from_strings([token if isinstance(token, str) else token.piece for token in tokens])
