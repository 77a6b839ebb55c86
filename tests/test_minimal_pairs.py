"""Minimal pairs: two sentences that differ in a word or two, whose answers differ, and whose words stand there once."""

import re
from dataclasses import replace

import pytest

from model import HeadscopeError
from model.english_tags import guessed_tags
from model.mentions import proposal, propose_mentions
from model.minimal_pairs import MINIMAL_PAIRS, MinimalPair

WELL_KNOWN = {
    ("animal", "street"): ("tired", "wide"),
    ("trophy", "suitcase"): ("big", "small"),
    ("councilmen", "demonstrators"): ("feared", "advocated"),
}


def test_there_are_enough_and_each_is_another():
    assert len(MINIMAL_PAIRS) >= 12
    assert len({pair.name for pair in MINIMAL_PAIRS}) == len(MINIMAL_PAIRS)
    changed = {pair.candidates: pair.changed for pair in MINIMAL_PAIRS}
    assert WELL_KNOWN.items() <= changed.items()
    assert ("nurse", "lawyer") in changed


@pytest.mark.parametrize("pair", MINIMAL_PAIRS, ids=lambda pair: pair.name)
def test_the_two_sentences_differ_in_a_word_or_two(pair):
    first, second = pair.changed
    assert first != second
    assert max(len(first.split()), len(second.split())) <= 2
    # Putting one change for the other gives the other sentence.
    assert re.sub(rf"\b{first}\b", second, pair.first) == pair.second
    assert not {first, second} & {pair.mention, *pair.candidates}
    for text in (pair.first, pair.second):
        assert re.fullmatch(r"[A-Z][^{}\n]* [^{}\n]*\.", text)


@pytest.mark.parametrize("pair", MINIMAL_PAIRS, ids=lambda pair: pair.name)
def test_answers_differ_and_every_word_stands_there_once(pair):
    assert sorted(pair.answers) == [0, 1]
    assert len(pair.candidates) == 2
    for which, text in enumerate((pair.first, pair.second)):
        mention, candidates = pair.spans(which)
        assert text[slice(*mention)] == pair.mention
        assert tuple(text[slice(*span)] for span in candidates) == pair.candidates
        for word in (pair.mention, *pair.candidates):
            assert len(re.findall(rf"\b{word}\b", text)) == 1
        # The antecedents stand before the pronoun, so that a causal model can look back at them.
        assert all(span[1] <= mention[0] for span in candidates)


@pytest.mark.parametrize("pair", MINIMAL_PAIRS, ids=lambda pair: pair.name)
def test_the_words_are_those_that_would_be_proposed(pair):
    for which, text in enumerate((pair.first, pair.second)):
        mention, candidates = pair.spans(which)
        mentions = propose_mentions(text, guessed_tags)
        chosen, proposed = proposal(text, guessed_tags)
        assert mentions[chosen].span == mention
        assert set(candidates) <= {mentions[index].span for index in proposed}


def test_what_a_causal_model_can_see():
    before = {pair.changed for pair in MINIMAL_PAIRS if pair.changes_before_mention}
    assert before == {("feared", "frightened"), ("beat", "lost to"), ("followed", "led")}


def test_changes_of_hand_made_pairs():
    pair = MinimalPair(
        "a, b", "The a saw the b as it ran.", "The a saw the b as it sat down.", "it", ("a", "b"), (0, 1)
    )
    assert pair.changed == ("ran", "sat down")
    assert not pair.changes_before_mention
    assert pair.spans(1) == ((19, 21), ((4, 5), (14, 15)))
    longer = replace(pair, second="The a saw the big b as it ran.")
    assert longer.changed == ("", "big")
    assert longer.changes_before_mention
    assert replace(pair, second=pair.first).changed == ("", "")


@pytest.mark.parametrize(("word", "count"), [("the", 2), ("dog", 0)])
def test_a_word_that_does_not_stand_there_once(word, count):
    pair = replace(
        MINIMAL_PAIRS[0], first="The animal and the cat crossed the street as it rained.", candidates=("animal", word)
    )
    with pytest.raises(HeadscopeError, match=f"“{word}” stands {count} times"):
        pair.spans(0)
