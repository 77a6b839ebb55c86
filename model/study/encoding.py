"""Many texts as what the model takes: the same tensors and ids as `encode` gives, without what only a page shows."""

from collections.abc import Sequence
from typing import Any

import torch

from model.encoding import Encoding, encode
from model.errors import HeadscopeError, InputError, TextTooLong
from model.loading import LoadedModel
from model.study.corpus import StudyText
from model.tokenization import call_tokenizer, shown_pieces
from model.tokens import Token

TOO_LONG, NOT_RUN = "too long for the model", "not run by the model"


class TextEncoder:
    """Encodes texts together; tokens of equal ids are one object, without word, and with a span only in annotated texts."""

    def __init__(self, loaded: LoadedModel):
        if loaded.tokenizer is None:
            raise HeadscopeError(f"{loaded.name} came without a tokenizer, so it cannot read a corpus of texts.")
        self._loaded = loaded
        self._known: dict[tuple[int, bool], Token] = {}
        names = loaded.tokenizer.model_input_names
        self._names = tuple({"input_ids": 0, **dict.fromkeys(names)})
        vocabulary = getattr(loaded.model.config.get_text_config(), "vocab_size", None)
        self._vocabulary = float("inf") if vocabulary is None else vocabulary
        # What its decoder reads, an encoder-decoder writes itself: text by text.
        self.together = bool(loaded.tokenizer.is_fast) and not loaded.is_encoder_decoder

    def ids(self, texts: Sequence[StudyText]) -> list[list[int] | str]:
        """Return the ids of every text, or why it is left out."""
        tokenizer = self._loaded.tokenizer
        found = tokenizer([one.text for one in texts], verbose=False)["input_ids"] if texts else []
        return [self._reason(ids) or ids for ids in found]

    def encode(self, texts: Sequence[StudyText]) -> list[Encoding | str]:
        """Return the Encoding of every text, or why it is left out."""
        if not self.together:
            return [self._alone(one) for one in texts]
        found = call_tokenizer(self._loaded.tokenizer, text=[one.text for one in texts]) if texts else {}
        return [self._one(one, found, place) for place, one in enumerate(texts)]

    def _reason(self, ids: Sequence[int]) -> str:
        limit = self._loaded.position_limit
        if limit is not None and len(ids) > limit:
            return TOO_LONG
        return "" if ids and max(ids) < self._vocabulary else NOT_RUN

    def _one(self, one: StudyText, found: Any, place: int) -> Encoding | str:
        ids = found["input_ids"][place]
        reason = self._reason(ids)
        if reason:
            return reason
        tensors = {
            name: torch.tensor([found[name][place]], device=self._loaded.device)
            for name in self._names
            if name in found
        }
        special = found["special_tokens_mask"][place]
        tokens = [self._token(number, bool(flag)) for number, flag in zip(ids, special, strict=True)]
        if one.sentence is not None:
            spans = found["offset_mapping"][place]
            tokens = [
                token if token.special else Token(token.text, token.piece, token.id, span=span)
                for token, span in zip(tokens, spans, strict=True)
            ]
        return Encoding(tensors, tuple(tokens), text=one.text)

    def _token(self, number: int, special: bool) -> Token:
        token = self._known.get((number, special))
        if token is None:
            tokenizer = self._loaded.tokenizer
            piece = tokenizer.convert_ids_to_tokens([number])
            token = Token(shown_pieces(tokenizer, piece, [special])[0], piece[0], number, special)
            self._known[number, special] = token
        return token

    def _alone(self, one: StudyText) -> Encoding | str:
        try:
            with self._loaded.lock:
                return encode(self._loaded, one.text)
        except TextTooLong:
            return TOO_LONG
        except InputError:
            return NOT_RUN
