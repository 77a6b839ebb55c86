"""From a text, or from tensors, to what the model takes and the tokens that stand for it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from model.chat import chat_text, is_conversation
from model.errors import HeadscopeError, InputError, is_out_of_memory
from model.loading import LoadedModel
from model.text_input import encode_pair, encode_text
from model.tokenization import tokens_from_ids
from model.tokens import Token

GENERATED_TOKENS = 48


@dataclass(frozen=True)
class Encoding:
    """One input: tensors with a batch axis of one, its tokens, and the decoder's tokens in an encoder-decoder."""

    tensors: Mapping[str, torch.Tensor]
    tokens: tuple[Token, ...]
    target_tokens: tuple[Token, ...] | None = None
    text: str | None = None
    text_pair: str | None = None


def encode(
    loaded: LoadedModel,
    inputs: Any,
    *,
    target: str | None = None,
    truncate: bool = False,
    chat: bool = False,
    prefix: str = "",
) -> Encoding:
    """Return the Encoding of a text, two texts, messages or tensors; raises InputError where it cannot be run."""
    text: str | None
    text_pair: str | None = None
    if _is_pair(inputs):
        if chat:
            raise InputError("Two texts are no conversation: give messages, or one text with chat=True.")
        (text, text_pair), tensors, tokens = encode_pair(
            loaded, (_prefixed(inputs[0], prefix), inputs[1]), truncate=truncate
        )
        _check_ids(loaded, tensors)
    else:
        text, tensors, tokens = encode_input(loaded, inputs, truncate=truncate, chat=chat, prefix=prefix)
    target_tokens = None
    if loaded.is_encoder_decoder:
        if "decoder_input_ids" not in tensors:
            tensors = {**tensors, "decoder_input_ids": _decoder_ids(loaded, tensors, target, truncate)}
        target_tokens = tokens_from_ids(loaded.tokenizer, tensors["decoder_input_ids"])
    return Encoding(tensors, tokens, target_tokens, text, text_pair)


def encode_input(
    loaded: LoadedModel, inputs: Any, *, truncate: bool = False, chat: bool = False, prefix: str = ""
) -> tuple[str | None, dict[str, torch.Tensor], tuple[Token, ...]]:
    """Return (text or None, checked tensors, tokens) of a text, of messages or of tensors, without the decoder's side.

    With `chat` a text is one message of the user; `prefix` is put before a text. Raises InputError where it cannot be run.
    """
    if isinstance(inputs, str):
        text = _prefixed(inputs, prefix)
        text = chat_text(loaded, [{"role": "user", "content": text}]) if chat else text
        text, tensors, tokens = encode_text(loaded, text, truncate=truncate, as_chat=chat)
        _check_ids(loaded, tensors)
        return text, tensors, tokens
    if prefix:
        raise InputError("A prefix goes before a text: write it into the messages, or into the ids, yourself.")
    if is_conversation(inputs):
        text, tensors, tokens = encode_text(loaded, chat_text(loaded, inputs), truncate=truncate, as_chat=True)
        _check_ids(loaded, tensors)
        return text, tensors, tokens
    if chat:
        raise InputError("Only a text or messages are a conversation: give [{'role': 'user', 'content': 'text'}].")
    if isinstance(inputs, Mapping):
        tensors = _checked(loaded, inputs)
        return None, tensors, tokens_from_ids(loaded.tokenizer, tensors.get("input_ids"))
    raise InputError(
        "Give a text, or a mapping of tensors such as {'input_ids': ids} with a batch of one; two texts as (first, second)."
    )


def _is_pair(inputs: object) -> bool:
    return isinstance(inputs, tuple) and len(inputs) == 2 and all(isinstance(text, str) for text in inputs)


def _prefixed(text: str, prefix: str) -> str:
    # A prefix alone is no text to look at.
    return prefix + text if text.strip() else text


def _decoder_ids(
    loaded: LoadedModel, tensors: Mapping[str, torch.Tensor], target: str | None, truncate: bool
) -> torch.Tensor:
    """Return decoder input ids: the target shifted right, or what the model writes by itself."""
    if target is not None and target.strip():
        first = loaded.model.config.decoder_start_token_id
        if first is None:
            raise InputError(
                f"{loaded.name} does not say what its decoder starts with: give decoder_input_ids as tensors."
            )
        _, encoded, _ = encode_text(loaded, target, truncate=truncate, as_target=True)
        start = torch.tensor([[first]], device=loaded.device)
        return torch.cat([start, encoded["input_ids"][:, :-1]], dim=1)
    if not loaded.model.can_generate():
        raise InputError(f"{loaded.name} cannot write text by itself: give the decoder's text as target.")
    room = min(GENERATED_TOKENS, (loaded.position_limit or GENERATED_TOKENS + 1) - 1)
    try:
        model: Any = loaded.model
        with running(loaded):
            written = model.generate(**tensors, max_new_tokens=room, do_sample=False, num_beams=1)
    except InputError as error:
        raise InputError(f"{error} Give the decoder's text as target to go without what the model writes.") from error
    return written[:, :-1] if written.shape[1] > 2 else written


def _checked(loaded: LoadedModel, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    if not inputs:
        raise InputError("The mapping of tensors is empty: give at least {'input_ids': ids}.")
    try:
        tensors = {name: torch.as_tensor(value).to(loaded.device) for name, value in inputs.items()}
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"Give tensors, or lists of numbers with one length: {error}") from error
    wrong = [name for name, tensor in tensors.items() if tensor.ndim == 0 or tensor.shape[0] != 1]
    if wrong:
        raise InputError(f"Give a batch of one: {', '.join(wrong)} must have 1 as first dimension.")
    _check_ids(loaded, tensors)
    return tensors


def _check_ids(loaded: LoadedModel, tensors: Mapping[str, torch.Tensor]) -> None:
    """Refuse ids that the model has no position or no entry for: on a GPU these would end the whole process."""
    vocabulary = getattr(loaded.model.config.get_text_config(), "vocab_size", None)
    for name in ("input_ids", "decoder_input_ids"):
        ids, limit = tensors.get(name), loaded.position_limit
        if ids is None:
            continue
        if ids.ndim != 2 or ids.shape[1] == 0 or ids.is_floating_point():
            raise InputError(f"Give {name} as whole numbers [1, tokens], with at least one token.")
        if limit is not None and ids.shape[1] > limit:
            raise InputError(f"The input has {ids.shape[1]} tokens and the model takes {limit}. Give fewer.")
        if vocabulary is not None and not 0 <= int(ids.min()) <= int(ids.max()) < vocabulary:
            raise InputError(
                f"{name} reach from {int(ids.min())} to {int(ids.max())} and the model's vocabulary from 0 to "
                f"{vocabulary - 1}. Use the model's own tokenizer."
            )
    types, segments = getattr(loaded.model.config, "type_vocab_size", None), tensors.get("token_type_ids")
    if (
        types
        and segments is not None
        and segments.numel()
        and not 0 <= int(segments.min()) <= int(segments.max()) < types
    ):
        raise InputError(
            f"token_type_ids reach from {int(segments.min())} to {int(segments.max())} and the model's from 0 to "
            f"{types - 1}. Use the model's own tokenizer."
        )


@contextmanager
def running(loaded: LoadedModel) -> Iterator[None]:
    """Turn what the model cannot take into a sentence; errors of ours and a cancelled run pass through."""
    try:
        yield
    except HeadscopeError:
        raise
    except (TypeError, IndexError, ValueError, RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise InputError(
                f"The {loaded.device} device ran out of memory on this input. Use a shorter text, or choose another device."
            ) from error
        if "not implemented for" in str(error):
            raise InputError(
                f"{loaded.name} cannot run in {str(loaded.dtype).removeprefix('torch.')} on {loaded.device}: an operation is "
                f"missing there ({error}). Load it in float32 or bfloat16."
            ) from error
        raise InputError(f"{loaded.name} cannot run this input: {error}") from error
