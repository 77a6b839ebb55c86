"""What is known of tokens before any head looks at them."""

import pytest
import torch

from model.analysis.token_facts import is_punctuation, token_facts
from model.errors import HeadscopeError
from model.tokens import Token
from tests.made_weights import sequence


def shown(text: str, special: bool = False) -> Token:
    return Token(text=text, piece=text, special=special)


@pytest.mark.parametrize("text", [".", ",", "▁,", "##'", "...", "„", "«", "##", "(", "—", "。"])
def test_punctuation(text):
    assert is_punctuation(shown(text))


@pytest.mark.parametrize("text", ["a", "▁a", "▁", "##s", "3", "don't", "$", "+", "🙂", "<0xF0>", "⏎", "∅", "a.", ""])
def test_no_punctuation(text):
    assert not is_punctuation(shown(text))


def test_a_special_token_is_no_punctuation():
    assert not is_punctuation(shown(".", special=True))


def test_separators_are_special_tokens_but_the_first():
    facts = token_facts([sequence(1, 20, 2, 21, 2, special=(0, 2, 4)), sequence(20, 21, 22, 23, 2, special=(4,))])
    assert facts.separator.tolist() == [[False, False, True, False, True], [False, False, False, False, True]]
    assert facts.special.tolist() == [[True, False, True, False, True], [False, False, False, False, True]]


def test_the_rarest_tokens_of_a_text():
    texts = [sequence(1, 20, 21, 22, 2, special=(0, 4)), sequence(1, 23, 24, 23, 2, special=(0, 4))]
    facts = token_facts(texts, {20: 7, 21: 3, 22: 3, 24: 1})
    # An id that the corpus does not have is the rarest of all, at both its places.
    assert facts.rarest.tolist() == [[False, False, True, True, False], [False, True, False, True, False]]
    assert not token_facts(texts).rarest.any()
    unknown = token_facts([(shown("a"), shown("<s>", special=True))], {20: 7})
    assert unknown.ids.tolist() == [[-1, -1]]
    assert not unknown.rarest.any()


def test_facts_move_to_a_device():
    facts = token_facts([sequence(1, 2, 3)]).to("meta")
    assert {tensor.device.type for tensor in vars(facts).values()} == {"meta"}
    assert facts.ids.dtype == torch.int64


@pytest.mark.parametrize("texts", [[], [()], [sequence(1, 2), sequence(1, 2, 3)]])
def test_texts_of_several_lengths_are_refused(texts):
    with pytest.raises(HeadscopeError, match="same number of tokens"):
        token_facts(texts)
