"""The prompt of a generation: from a text or tensors to what a model can go on with, and on to the finished sequence."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from model.decoding import end_ids
from model.encoding import Encoding, encode_input
from model.errors import InputError
from model.loading import LoadedModel
from model.tokenization import tokens_from_ids
from model.tokens import Token

# One entry per position, or instead of ids: these would have to grow with every new token.
_FIXED = (
    "position_ids", "inputs_embeds", "past_key_values", "cache_position", "labels", "encoder_outputs",
    "decoder_attention_mask", "decoder_inputs_embeds", "decoder_position_ids",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Prompt:
    """What a model goes on with: tensors with a batch axis of one, the tokens of the input and the text they came from."""

    tensors: Mapping[str, torch.Tensor]
    tokens: tuple[Token, ...]
    text: str | None
    name: str

    @property
    def length(self) -> int:
        """Number of tokens before the first new one, in the sequence that grows."""
        return self.tensors[self.name].shape[1]

    def continued(self, loaded: LoadedModel, ids: torch.Tensor) -> Encoding:
        """Return the Encoding of the finished sequence `ids` [position]."""
        tensors = {**self.tensors, self.name: ids[None]}
        if loaded.is_encoder_decoder:
            return Encoding(tensors, self.tokens, tokens_from_ids(loaded.tokenizer, ids[None]), self.text)
        new = len(ids) - self.length
        for name, last in (("attention_mask", 1), ("token_type_ids", None)):
            if name in tensors:
                row = tensors[name]
                added = row[:, -1:] if last is None else torch.ones_like(row[:, -1:])
                tensors[name] = torch.cat([row, added.expand(-1, new)], dim=1)
        tensors |= _positions(loaded, tensors["attention_mask"])
        if _takes(loaded, "logits_to_keep"):
            tensors["logits_to_keep"] = torch.arange(self.length - 1, len(ids) - 1, device=ids.device)
        return Encoding(tensors, _continued_tokens(loaded, self.tokens, ids), None, self.text)


def encode_prompt(loaded: LoadedModel, prompt: Any, *, chat: bool = False, prefix: str = "") -> Prompt:
    """Return the Prompt of a text, messages or tensors; raises InputError where the model cannot go on with it."""
    if not loaded.model.can_generate():
        raise InputError(f"{loaded.name} cannot write text. Choose a model with a language-model head, such as GPT-2.")
    text, tensors, tokens = encode_input(loaded, prompt, chat=chat, prefix=prefix)
    refused = [name for name in _FIXED if name in tensors]
    if refused or "input_ids" not in tensors:
        raise InputError(
            f"A generation begins with input_ids: give those, and leave out {', '.join(refused) or 'others'}."
        )
    if text is not None:
        # A tokenizer may make more than the model takes; tensors of one's own are passed on as they are.
        tensors = {name: tensor for name, tensor in tensors.items() if _takes(loaded, name)}
    # Without a mask, generate would take the padding token for padding wherever it stands.
    tensors.setdefault("attention_mask", torch.ones_like(tensors["input_ids"]))
    if tensors["attention_mask"].shape != tensors["input_ids"].shape:
        raise InputError("Give an attention_mask [1, tokens] with one entry per token.")
    if loaded.is_encoder_decoder:
        return Prompt(tensors | _decoder_start(loaded, tensors), tokens, text, "decoder_input_ids")
    if isinstance(prompt, str) and not chat and len(tokens) > 1 and tokens[-1].id in end_ids(loaded):
        # The text goes on, so the end that the tokenizer has set is none.
        tensors, tokens = {name: tensor[:, :-1] for name, tensor in tensors.items()}, tokens[:-1]
    return Prompt(tensors, tokens, text, "input_ids")


def _decoder_start(loaded: LoadedModel, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the decoder's ids so far, with the token that a decoder starts with in front."""
    settings, config = loaded.model.generation_config, loaded.model.config
    sources = (settings.decoder_start_token_id, getattr(config, "decoder_start_token_id", None), settings.bos_token_id)
    first = next((number for number in sources if number is not None), None)
    if first is None:
        raise InputError(f"{loaded.name} does not say what its decoder starts with, so it cannot write by itself.")
    start = torch.tensor([[first]], device=loaded.device)
    given = tensors.get("decoder_input_ids", start)
    return {"decoder_input_ids": given if int(given[0, 0]) == first else torch.cat([start, given], dim=1)}


def _positions(loaded: LoadedModel, mask: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the positions that generate counts where there is padding: from the first token that may be attended to."""
    if bool(mask.all()) or not _takes(loaded, "position_ids"):
        return {}
    return {"position_ids": (mask.long().cumsum(dim=-1) - 1).masked_fill(mask == 0, 0)}


def _continued_tokens(loaded: LoadedModel, tokens: tuple[Token, ...], ids: torch.Tensor) -> tuple[Token, ...]:
    """Return the prompt's tokens as they are, and after them the new ones, whose words are counted on."""
    every = tokens_from_ids(loaded.tokenizer, ids[None])
    shift = _last_word(tokens) - _last_word(every[: len(tokens)])
    new = (replace(token, word=None if token.word is None else token.word + shift) for token in every[len(tokens) :])
    return (*tokens, *new)


def _last_word(tokens: tuple[Token, ...]) -> int:
    return max((token.word for token in tokens if token.word is not None), default=-1)


def _takes(loaded: LoadedModel, name: str) -> bool:
    return name in inspect.signature(loaded.model.forward).parameters
