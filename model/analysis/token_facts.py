"""What is known of the tokens of several texts before any head looks at them: special ones, punctuation, the rarest."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from model.errors import HeadscopeError
from model.tokens import SPACE_MARK, Token

UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class TokenFacts:
    """The tokens of several texts of one length, each field [text, position].

    `ids` are those of the vocabulary (-1 where unknown); `special` tokens stand for no text; a `separator` is a special
    token that is not the first of the sequence; `punctuation` is made of Unicode's category P alone; `rarest` are the
    tokens, special ones left out, that a corpus has least often (all that share the lowest number; none without a corpus).
    """

    ids: Int64[Tensor, "text position"]
    special: Bool[Tensor, "text position"]
    separator: Bool[Tensor, "text position"]
    punctuation: Bool[Tensor, "text position"]
    rarest: Bool[Tensor, "text position"]

    def to(self, device: torch.device | str) -> "TokenFacts":
        """Return the same facts on a device."""
        return TokenFacts(*(getattr(self, field.name).to(device) for field in fields(self)))


def token_facts(sequences: Sequence[Sequence[Token]], frequencies: Mapping[int, int] | None = None) -> TokenFacts:
    """Return the facts of texts with equally many tokens; `frequencies` says how often a corpus has each id.

    An id that the corpus does not have counts 0 times. Raises HeadscopeError where the texts differ in length or have no token.
    """
    if len({len(tokens) for tokens in sequences}) != 1 or not sequences[0]:
        raise HeadscopeError("Give texts that all have the same number of tokens, at least one.")
    special = torch.tensor([[token.special for token in tokens] for tokens in sequences])
    separator = special.clone()
    separator[:, 0] = False
    return TokenFacts(
        ids=torch.tensor([[UNKNOWN if token.id is None else token.id for token in tokens] for tokens in sequences]),
        special=special,
        separator=separator,
        punctuation=torch.tensor([[is_punctuation(token) for token in tokens] for tokens in sequences]),
        rarest=torch.tensor([_rarest(tokens, frequencies) for tokens in sequences]),
    )


def is_punctuation(token: Token) -> bool:
    """Say whether a token is punctuation: no special one, and every visible character of Unicode's category P."""
    return not token.special and _all_punctuation(token.text)


@lru_cache(maxsize=2**16)
def _all_punctuation(shown: str) -> bool:
    content = (shown.removeprefix("##") or shown).replace(SPACE_MARK, "")
    return bool(content) and all(unicodedata.category(character)[0] == "P" for character in content)


def _rarest(tokens: Sequence[Token], frequencies: Mapping[int, int] | None) -> list[bool]:
    if frequencies is None:
        return [False] * len(tokens)
    found = [None if token.special or token.id is None else frequencies.get(token.id, 0) for token in tokens]
    lowest = min((count for count in found if count is not None), default=None)
    return [count is not None and count == lowest for count in found]
