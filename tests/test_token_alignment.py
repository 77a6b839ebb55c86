"""Two token sequences aligned: by common words, by characters, and special tokens by their role."""

import random

import pytest

from model import HeadscopeError, record
from model.analysis.token_alignment import AxisItems, TokenAlignment, align_axes, axis_items, common_words
from model.analysis.views import attention_view
from model.tokens import Token
from tests.hand_views import hand_view
from tests.tiny_tokenizers import tiny_bert_for


def items(text: str, special: str = "[]<", places=None) -> AxisItems:
    """Return an axis of the words of `text`; those that begin with a character of `special` are special tokens."""
    words = tuple(text.split())
    return AxisItems(words, tuple(word[0] in special for word in words), places or (None,) * len(words))


def singles(alignment: TokenAlignment) -> list[tuple[int, int]]:
    assert all(len(one) == len(other) == 1 for one, other in alignment.pairs)
    return [(one[0], other[0]) for one, other in alignment.pairs]


def test_two_sentences_that_differ_in_a_word_share_the_others():
    found = common_words(items("The nurse thanked the doctor ."), items("the mechanic thanked the kind doctor ."))
    assert singles(found) == [(0, 0), (2, 2), (3, 3), (4, 5), (5, 6)]
    assert (found.only_first, found.only_second) == ((1,), (1, 4))


@pytest.mark.parametrize(
    ("first", "second", "pairs"),
    [
        ("a b", "c d", []),
        ("a a a", "a", [(0, 0)]),
        ("a", "a a a", [(0, 0)]),
        # Of "a" and "b" one alone can stay: that which begins first in the first.
        ("a b", "b a", [(0, 1)]),
        ("STRASSE", "straße", [(0, 0)]),
        ("##ing ▁the ▁", "ing the ▁", [(0, 0), (1, 1), (2, 2)]),
    ],
)
def test_small_cases_by_hand(first, second, pairs):
    assert singles(common_words(items(first), items(second))) == pairs


def brute_force(first, second) -> int:
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for row, one in enumerate(first):
        for column, other in enumerate(second):
            best = max(table[row][column + 1], table[row + 1][column])
            table[row + 1][column + 1] = table[row][column] + 1 if one == other else best
    return table[-1][-1]


@pytest.mark.parametrize("seed", range(30))
def test_the_common_words_are_as_many_as_can_be_and_nothing_crosses(seed):
    chosen = random.Random(seed)
    first, second = (" ".join(chosen.choices("abcd", k=chosen.randint(1, 12))) for _ in range(2))
    found = common_words(items(first), items(second))
    pairs = singles(found)
    assert len(pairs) == brute_force(first.split(), second.split())
    assert pairs == sorted(pairs)
    assert len({one for one, _ in pairs}) == len({other for _, other in pairs}) == len(pairs)
    assert all(first.split()[one] == second.split()[other] for one, other in pairs)
    assert sorted([*found.only_first, *(one for one, _ in pairs)]) == list(range(len(first.split())))
    assert sorted([*found.only_second, *(other for _, other in pairs)]) == list(range(len(second.split())))


def test_special_tokens_are_aligned_by_their_role():
    found = common_words(items("[CLS] a b [SEP]"), items("<s> a c </s>"))
    assert singles(found) == [(0, 0), (1, 1), (3, 3)]
    # From the front on and from the back on: the language has no partner.
    found = common_words(items("[CLS] a </s>"), items("<s> <de> a [x] </s>"))
    assert singles(found) == [(0, 0), (1, 2), (2, 4)]
    assert found.only_second == (1, 3)
    # A model without special tokens.
    found = common_words(items("[CLS] a b [SEP]"), items("a b"))
    assert singles(found) == [(1, 0), (2, 1)]
    assert found.only_first == (0, 3)
    assert singles(common_words(items("[CLS] [SEP]"), items("<s> a </s>"))) == [(0, 0)]


def test_a_special_token_between_two_texts_needs_one_of_the_same_text():
    assert singles(common_words(items("a [SEP] b"), items("a [SEP] b"))) == [(0, 0), (1, 1), (2, 2)]
    assert singles(common_words(items("a [SEP] b"), items("a </s> b"))) == [(0, 0), (2, 2)]
    # A word that looks like it is none.
    assert singles(common_words(items("a [SEP] b"), items("a [SEP] b", special="<"))) == [(0, 0), (2, 2)]


def test_equal_axes_are_aligned_place_by_place():
    assert singles(align_axes(items("the the the"), items("the the the"))) == [(0, 0), (1, 1), (2, 2)]


def test_two_tokenizations_of_one_text_are_aligned_by_characters():
    # "un able to-do": one model divides "unable", the other "to-do"; the last word is cut at different places.
    first = items(
        "[CLS] unable to - do cats", places=(None, (0, 0, 6), (0, 7, 9), (0, 9, 10), (0, 10, 12), (0, 13, 17))
    )
    second = AxisItems(
        ("un", "##able", "to-do", "c", "ats"), (False,) * 5,
        ((0, 0, 2), (0, 2, 6), (0, 7, 12), (0, 13, 14), (0, 14, 17)),
    )  # fmt: skip
    found = align_axes(first, second, same_text=True)
    assert found.pairs == (((1,), (0, 1)), ((2, 3, 4), (2,)), ((5,), (3, 4)))
    assert (found.only_first, found.only_second) == ((0,), ())


def test_tokens_that_overlap_crosswise_are_one_group_and_texts_are_kept_apart():
    first = items("ab c d", places=((0, 0, 2), (0, 2, 3), (1, 0, 1)))
    second = items("a bc d", places=((0, 0, 1), (0, 1, 3), (1, 0, 1)))
    assert align_axes(first, second, same_text=True).pairs == (((0, 1), (0, 1)), ((2,), (2,)))


def test_a_token_of_no_characters_has_no_partner():
    first = items("a x b", places=((0, 0, 1), (0, 0, 0), (0, 2, 3)))
    second = items("a bb", places=((0, 0, 1), (0, 2, 3)))
    found = align_axes(first, second, same_text=True)
    assert found.pairs == (((0,), (0,)), ((2,), (1,)))
    assert found.only_first == (1,)


def test_where_characters_are_not_known_words_are_compared():
    first, second = items("a b", places=((0, 0, 1), None)), items("b a", places=((0, 0, 1), (0, 1, 2)))
    assert singles(align_axes(first, second, same_text=True)) == [(0, 1)]


@pytest.mark.parametrize("words", [False, True])
def test_three_tokenizers_on_one_text(words):
    text = "The animal didn't cross the rainy streets."
    axes = []
    for kind in ("word piece", "byte level", "metaspace"):
        trace = record(tiny_bert_for(kind), text)
        axes.append(axis_items(attention_view(trace, 0, 0, words=words), "key", trace.sequence(0, "key")))
    for second in axes[1:]:
        found = align_axes(axes[0], second, same_text=True)
        for pair in found.pairs:
            letters = [
                {place for item in group for place in range(*axis.places[item][1:]) if text[place] != " "}
                for axis, group in zip((axes[0], second), pair, strict=True) if not axis.special[group[0]]
            ]  # fmt: skip
            assert letters == [] or letters[0] == letters[1]
            assert not words or len(pair[0]) == len(pair[1]) == 1
        # What has no partner is special, or a space that one tokenizer counts as a token of its own.
        assert all(second.special[place] or second.texts[place] == "▁" for place in found.only_second)
        assert all(axes[0].special[place] for place in found.only_first)


def test_the_characters_of_a_word_are_those_of_its_tokens():
    tokens = [
        Token("[CLS]", "[CLS]", special=True), Token("un", "un", word=0, span=(0, 2), segment=1),
        Token("##able", "##able", word=0, span=(2, 6), segment=1),
    ]  # fmt: skip
    view = hand_view([[1, 0, 0]] * 3, tokens=("[CLS]", "un", "##able"), special={0})
    assert axis_items(view, "query", tokens).places == (None, (1, 0, 2), (1, 2, 6))
    assert axis_items(view, "query").places == (None, None, None)
    with pytest.raises(HeadscopeError, match="not those of the query axis"):
        axis_items(view, "query", tokens[:2])
