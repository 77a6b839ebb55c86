"""One text, or two, as the tensors a model takes and the tokens people read."""

from typing import Any

import torch

from model.errors import InputError, PairTooLong, TextTooLong
from model.loading import LoadedModel
from model.text_pairs import are_separated, pair_cut_positions, tokenize_pair, tokens_from_pair
from model.tokenization import cut_position, tokenize, tokens_from_text
from model.tokens import Token


def encode_text(
    loaded: LoadedModel, text: str, *, truncate: bool = False, as_target: bool = False, as_chat: bool = False
) -> tuple[str, dict[str, torch.Tensor], tuple[Token, ...]]:
    """Return (text, tensors on the model's device, tokens) of one text; lone surrogates become U+FFFD.

    With `as_chat` the text already holds the special tokens of a chat template, and none are added. Raises InputError
    where there is nothing to encode and TextTooLong, unless `truncate` is set.
    """
    text = readable_text(loaded, text)
    kind = {"as_target": as_target, "as_chat": as_chat}
    found = tokenize(loaded.tokenizer, text, **kind)
    ids = found["input_ids"]
    limit = loaded.position_limit
    if limit is not None and len(ids) > limit:
        cut = cut_position(loaded.tokenizer, found, limit, text, **kind)
        if not truncate:
            raise TextTooLong(len(ids), limit, cut, text)
        return encode_text(loaded, text[:cut], truncate=False, **kind)
    if not ids:
        raise InputError("The tokenizer finds no token in this text. Type or paste a sentence.")
    return text, _tensors(loaded, found), tokens_from_text(loaded.tokenizer, text, found)


def encode_pair(
    loaded: LoadedModel, texts: tuple[str, str], *, truncate: bool = False
) -> tuple[tuple[str, str], dict[str, torch.Tensor], tuple[Token, ...]]:
    """Return (texts, tensors on the model's device, tokens) of two texts that the model reads together.

    Every token that is not special says which text it is from (`segment`), and its span counts in that text. Raises
    InputError where the tokenizer knows no pairs and PairTooLong, unless `truncate` is set, which cuts the longer text.
    """
    texts = readable_text(loaded, texts[0]), readable_text(loaded, texts[1])
    found = tokenize_pair(loaded.tokenizer, texts)
    limit = loaded.position_limit
    if not are_separated(loaded.tokenizer, texts, found):
        raise InputError(
            f"The tokenizer of {loaded.name} puts nothing between two texts, so they would run into each other. Write them "
            "as one text, or choose an encoder such as MiniLM."
        )
    if limit is not None and len(found["input_ids"]) > limit:
        cuts = pair_cut_positions(loaded.tokenizer, texts, found, limit)
        if not truncate:
            raise PairTooLong(len(found["input_ids"]), limit, cuts, texts)
        return encode_pair(loaded, (texts[0][: cuts[0]], texts[1][: cuts[1]]))
    return texts, _tensors(loaded, found), tokens_from_pair(loaded.tokenizer, texts, found)


def readable_text(loaded: LoadedModel, text: str) -> str:
    """Return the text with lone surrogates as U+FFFD; raises InputError where there is no tokenizer or nothing to read."""
    if loaded.tokenizer is None:
        raise InputError(
            f"{loaded.name} came without a tokenizer: give tensors such as {{'input_ids': ids}} instead of text."
        )
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if not text.strip():
        raise InputError("There is no text to look at yet. Type or paste a sentence.")
    return text


def _tensors(loaded: LoadedModel, found: Any) -> dict[str, torch.Tensor]:
    names = [name for name in loaded.tokenizer.model_input_names if name in found]
    return {
        name: torch.tensor([found[name]], device=loaded.device) for name in {"input_ids": 0, **dict.fromkeys(names)}
    }
