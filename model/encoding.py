"""From a text, or from tensors, to what the model takes and the tokens that stand for it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from model.errors import HeadscopeError, InputError, TextTooLong
from model.loading import LoadedModel
from model.tokens import Token, display_text, words_from_pieces, words_from_spans

GENERATED_TOKENS = 48


@dataclass(frozen=True)
class Encoding:
    """One input: tensors with a batch axis of one, its tokens, and the decoder's tokens in an encoder-decoder."""

    tensors: Mapping[str, torch.Tensor]
    tokens: tuple[Token, ...]
    target_tokens: tuple[Token, ...] | None = None
    text: str | None = None


def encode(loaded: LoadedModel, inputs, *, target: str | None = None, truncate: bool = False) -> Encoding:
    """Return the Encoding of a text or of a mapping of tensors; raises InputError where it cannot be run."""
    if isinstance(inputs, str):
        text, tensors, tokens = encode_text(loaded, inputs, truncate=truncate)
        _check_ids(loaded, tensors)
    elif isinstance(inputs, Mapping):
        text, tensors = None, _checked(loaded, inputs)
        tokens = _tokens_from_ids(loaded.tokenizer, tensors.get("input_ids"))
    else:
        raise InputError("Give a text, or a mapping of tensors such as {'input_ids': ids} with a batch of one.")
    target_tokens = None
    if loaded.is_encoder_decoder:
        if "decoder_input_ids" not in tensors:
            tensors = {**tensors, "decoder_input_ids": _decoder_ids(loaded, tensors, target, truncate)}
        target_tokens = _tokens_from_ids(loaded.tokenizer, tensors["decoder_input_ids"])
    return Encoding(tensors, tokens, target_tokens, text)


def encode_text(loaded: LoadedModel, text: str, *, truncate: bool = False, as_target: bool = False):
    """Return (text, tensors on the model's device, tokens) of one text; lone surrogates become U+FFFD.

    Raises InputError where there is nothing to encode and TextTooLong, unless `truncate` is set.
    """
    if loaded.tokenizer is None:
        raise InputError(
            f"{loaded.name} came without a tokenizer: give tensors such as {{'input_ids': ids}} instead of text."
        )
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if not text.strip():
        raise InputError("There is no text to look at yet. Type or paste a sentence.")
    found = _tokenize(loaded.tokenizer, text, as_target=as_target)
    ids = found["input_ids"]
    limit = loaded.position_limit
    if limit is not None and len(ids) > limit:
        cut = _cut_position(loaded.tokenizer, found, limit, text, as_target=as_target)
        if not truncate:
            raise TextTooLong(len(ids), limit, cut, text)
        return encode_text(loaded, text[:cut], truncate=False, as_target=as_target)
    if not ids:
        raise InputError("The tokenizer finds no token in this text. Type or paste a sentence.")
    names = [name for name in loaded.tokenizer.model_input_names if name in found]
    tensors = {
        name: torch.tensor([found[name]], device=loaded.device) for name in {"input_ids": 0, **dict.fromkeys(names)}
    }
    return text, tensors, _tokens_from_text(loaded.tokenizer, text, found)


def _tokenize(tokenizer, text: str, *, as_target: bool):
    field = {"text_target": text} if as_target else {"text": text}
    offsets = {"return_offsets_mapping": True} if tokenizer.is_fast else {}
    return tokenizer(**field, return_special_tokens_mask=True, verbose=False, **offsets)


def _cut_position(tokenizer, found, limit: int, text: str, *, as_target: bool) -> int:
    """Return how many characters of the text fit in `limit` tokens, special tokens included.

    Cuts between tokens, and earlier where the tokens of the shorter text are others and more (a character that is
    several tokens, a word that is split differently).
    """
    cut = _estimated_cut(found, limit, text)
    while cut > 0:
        shorter = _tokenize(tokenizer, text[:cut], as_target=as_target)
        if len(shorter["input_ids"]) <= limit:
            break
        cut = min(cut - 1, _estimated_cut(shorter, limit, text[:cut]))
    return cut


def _estimated_cut(found, limit: int, text: str) -> int:
    special = found["special_tokens_mask"]
    room = max(0, limit - sum(special))
    if "offset_mapping" not in found:
        return max(1, len(text) * room // max(1, len(special) - sum(special)))
    content = [span for span, is_special in zip(found["offset_mapping"], special, strict=True) if not is_special]
    return content[room - 1][1] if room else 0


def _tokens_from_text(tokenizer, text: str, found) -> tuple[Token, ...]:
    ids, special = found["input_ids"], [bool(flag) for flag in found["special_tokens_mask"]]
    if "offset_mapping" not in found:
        return _tokens_from_ids(tokenizer, torch.tensor([ids]))
    spans = [tuple(span) for span in found["offset_mapping"]]
    words = words_from_spans(text, spans, special)
    pieces = tokenizer.convert_ids_to_tokens(ids)
    shown = _shown(tokenizer, pieces, special)
    return tuple(
        Token(text=text_, piece=piece, id=id_, special=is_special, word=word, span=None if is_special else span)
        for text_, piece, id_, is_special, word, span in zip(shown, pieces, ids, special, words, spans, strict=True)
    )


def _tokens_from_ids(tokenizer, ids: torch.Tensor | None) -> tuple[Token, ...]:
    if ids is None:
        return ()
    numbers = ids[0].tolist()
    if tokenizer is None:
        return tuple(Token(text=str(number), piece=str(number), id=number) for number in numbers)
    pieces = [str(piece) for piece in tokenizer.convert_ids_to_tokens(numbers)]
    special_ids = set(tokenizer.all_special_ids)
    special = [number in special_ids for number in numbers]
    shown = _shown(tokenizer, pieces, special)
    words = words_from_pieces(shown, special)
    return tuple(
        Token(text=text, piece=piece, id=number, special=is_special, word=word)
        for text, piece, number, is_special, word in zip(shown, pieces, numbers, special, words, strict=True)
    )


def _shown(tokenizer, pieces: list[str], special: list[bool]) -> list[str]:
    byte_level = _is_byte_level(tokenizer)
    return [display_text(piece, byte_level and not flag) for piece, flag in zip(pieces, special, strict=True)]


def _is_byte_level(tokenizer) -> bool:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return backend is not None and "ByteLevel" in repr(backend.decoder)


def _decoder_ids(loaded: LoadedModel, tensors, target: str | None, truncate: bool) -> torch.Tensor:
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
        with running(loaded):
            written = loaded.model.generate(**tensors, max_new_tokens=room, do_sample=False, num_beams=1)
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


@contextmanager
def running(loaded: LoadedModel) -> Iterator[None]:
    """Turn what the model cannot take into a sentence; errors of ours and a cancelled run pass through."""
    try:
        yield
    except HeadscopeError:
        raise
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"The {loaded.device} device ran out of memory on this input. Use a shorter text, or choose another device."
        ) from error
    except (TypeError, IndexError, ValueError, RuntimeError) as error:
        raise InputError(f"{loaded.name} cannot run this input: {error}") from error
