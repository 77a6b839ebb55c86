"""One word in several contexts: which words two texts share, and how their states part."""

import numpy as np
import pytest

from model import HeadscopeError, record
from model.analysis.state_contexts import context_cosines, self_similarity, word_alignment, word_occurrences
from model.analysis.state_similarity import anisotropy, joined_states
from model.analysis.token_alignment import TokenAlignment
from model.tokens import Token, word_text
from tests.tiny_tokenizers import tiny_bert_for


def tokens(*texts: str) -> tuple[Token, ...]:
    """Return tokens, those in brackets special, ## going on with the word before."""
    made, word = [], -1
    for text in texts:
        special = text.startswith("[")
        word += not special and not text.startswith("##")
        made.append(Token(text=text, piece=text, special=special, word=None if special else word))
    return tuple(made)


RIVER = tokens("[CLS]", "the", "bank", "##er", "sat", "on", "the", "Bank", "[SEP]")
MONEY = tokens("[CLS]", "money", "in", "the", "bank", "[SEP]")


def test_shared_words_as_positions_of_their_tokens():
    found = word_alignment(RIVER, MONEY)
    assert found.pairs == (((0,), (0,)), ((1,), (3,)), ((7,), (4,)), ((8,), (5,)))
    assert found.only_first == (2, 3, 4, 5, 6)
    assert found.only_second == (1, 2)
    split = word_alignment(RIVER, tokens("bank", "##er"))
    assert split.pairs == (((2, 3), (0, 1)),)


def test_a_word_is_found_wherever_it_stands():
    assert word_occurrences([RIVER, MONEY], "bank") == ((0, (7,)), (1, (4,)))
    assert word_occurrences([RIVER, MONEY], "▁Banker ") == ((0, (2, 3)),)
    assert word_occurrences([RIVER, MONEY], "[CLS]") == ()


def test_cosines_of_the_two_contexts_by_hand():
    first = [np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 1.0]])]
    second = [np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[0.0, 5.0], [2.0, 0.0]])]
    alignment = TokenAlignment((((0,), (1,)), ((0, 1), (0,))))
    found = context_cosines(first, second, alignment)
    half = np.sqrt(0.5)
    # The second item is the mean of two tokens: (1/2, 1/2), then (1, 1/2).
    assert found.cosine == pytest.approx(np.array([[1, half], [1, 1 / np.sqrt(5)]]))
    assert found.distance == pytest.approx(1 - found.cosine)
    # Pairs of (1,0) (0,1) (0,1) (1,0): two are 1, four 0; of (1,0) (1,1) (0,1) (1,0): one 1, three sqrt(1/2), two 0.
    assert found.baseline == pytest.approx(np.array([1 / 3, (1 + 3 * half) / 6]))
    assert found.adjusted[:, 0] == pytest.approx(1 - found.baseline)
    given = context_cosines(first, second, alignment, baseline=np.array([0.5, 0.25]))
    assert given.adjusted[:, 0] == pytest.approx([0.5, 0.75])


def test_self_similarity_is_the_mean_over_pairs_of_occurrences():
    texts = [[np.array([[1.0, 0.0], [0.0, 1.0]])], [np.array([[0.0, 3.0], [9.0, 9.0]])]]
    found = self_similarity(texts, [(0, (0,)), (0, (1,)), (1, (0,))])
    assert found == pytest.approx(np.array([1 / 3]))
    # A word of two tokens has their mean, (1/2, 1/2), and lies along (9, 9).
    assert self_similarity(texts, [(0, (0, 1)), (1, (1,))]) == pytest.approx(np.array([1.0]))


def test_one_word_in_a_run_is_the_same_word_until_a_layer_sees_its_context():
    loaded = tiny_bert_for("word piece")
    traces = [record(loaded, text) for text in ("The animal was tired.", "The street was because it rains.")]
    first, second = (trace.hidden_states() for trace in traces)
    sequences = [trace.tokens["encoder"] for trace in traces]
    alignment = word_alignment(*sequences)
    names = [word_text([sequences[0][place] for place in one]) for one, _ in alignment.pairs]
    assert names == ["[CLS]", "the", "was", ".", "[SEP]"]
    found = context_cosines(first, second, alignment)
    assert found.cosine[0, 1] == pytest.approx(1)  # the same word at the same position
    assert (found.cosine[1:, 1] < 1 - 1e-4).all()
    assert found.baseline == pytest.approx(anisotropy(joined_states([first, second])))
    same = context_cosines(first, first, word_alignment(sequences[0], sequences[0]))
    assert same.cosine == pytest.approx(np.ones(same.cosine.shape))


def test_what_cannot_be_compared_says_so():
    states = [np.ones((2, 3))]
    with pytest.raises(HeadscopeError, match="no word in common"):
        context_cosines(states, states, TokenAlignment(()))
    with pytest.raises(HeadscopeError, match="one model"):
        context_cosines(states, [np.ones((2, 4))], TokenAlignment((((0,), (0,)),)))
    with pytest.raises(HeadscopeError, match="at least twice"):
        self_similarity([states], [(0, (1,))])
    with pytest.raises(HeadscopeError, match="not of these texts"):
        self_similarity([states, states], [(0, (1,)), (0, (2,))])
