"""The words that are followed: known, proposed or chosen, in one sentence and in its minimal partner."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from app.coreference_pictures import chosen_heads, margin_label, rest_note
from app.coreference_reading import Reading, arcs, read_coreference, word_weights
from app.held_out import PairScores, pair_of
from app.marked_text import format_groups, marked_text, other_text, parse_groups, toggled
from app.selection import DEFAULT_TEXT, Selection
from model.errors import HeadscopeError
from model.layers import DenseLayer
from model.minimal_pairs import MINIMAL_PAIRS
from model.tokens import Token, words_from_spans
from model.trace import Trace
from tests.hand_views import PROVENANCE

WIDE = DEFAULT_TEXT.replace("tired", "wide")
DEFAULT = marked_text(Selection())


def of(text: str, **chosen):
    return marked_text(Selection(text=text, **chosen))


def test_a_minimal_pair_is_known_with_its_answer():
    assert [DEFAULT.name(group) for group in (DEFAULT.mention, *DEFAULT.candidates)] == ["it", "animal", "street"]
    assert (DEFAULT.answer, DEFAULT.known, DEFAULT.complete) == (0, True, True)
    wide = of(WIDE)
    assert (wide.answer, wide.known) == (1, True)


@pytest.mark.parametrize("pair", MINIMAL_PAIRS, ids=lambda pair: pair.name)
def test_every_minimal_pair_is_marked_alike_in_both_sentences(pair):
    first, second = of(pair.first), of(pair.second)
    other = other_text(first, pair.second)
    assert other == second
    assert first.known
    assert {first.answer, second.answer} == {0, 1}
    for marked in (first, second):
        right = pair.candidates[pair.answers[marked is second]]
        assert marked.name(marked.candidates[marked.answer]) == right


def test_another_sentence_gets_proposals_and_no_known_answer():
    marked = of("The old gardener thanked the new cook because she had helped.")
    assert [marked.name(group) for group in (marked.mention, *marked.candidates)] == ["she", "gardener", "cook"]
    assert (marked.known, marked.answer) == (False, 0)
    assert "answer" not in {name for names in marked.roles().values() for name in names}


def test_what_the_user_chose_comes_first():
    marked = of(DEFAULT_TEXT, mention="9", candidates="1,3,5", answer=2)
    assert [marked.words[place] for place in marked.mention] == [marked.words[9]]
    assert [marked.name(group) for group in marked.candidates] == ["animal", marked.words[3], "street"]
    assert (marked.answer, marked.known) == (2, True)


@pytest.mark.parametrize("chosen", [{"mention": "400"}, {"candidates": "900"}, {"answer": 7}])
def test_words_that_are_not_there_are_left_out(chosen):
    marked = of(DEFAULT_TEXT, **chosen)
    assert marked.mention == DEFAULT.mention
    assert set(marked.candidates) <= set(DEFAULT.candidates)


def test_a_mention_is_no_candidate():
    place = DEFAULT.candidates[0][0]
    assert of(DEFAULT_TEXT, mention=str(place)).candidates == (DEFAULT.candidates[1],)


def test_empty_and_odd_texts_have_words_or_none_and_are_not_complete():
    for text in ("", " ", "!", "word", "<b>", "​"):
        assert not of(text).complete
    with pytest.raises(HeadscopeError, match="300 words"):
        of("word " * 301)


def test_gaps_are_where_the_text_has_space():
    marked = of('He said: "no".')
    assert marked.words == ["He", "said", ":", '"', "no", '"', "."]
    assert marked.gaps == [False, True, False, True, False, False, False]


@pytest.mark.parametrize("text", ["", "1", "1,5-6", "0-2,4"])
def test_groups_are_written_as_they_are_read(text):
    assert format_groups(parse_groups(text, 10)) == text


def test_groups_outside_the_text_or_backwards_are_left_out():
    assert parse_groups("1,9-12,6-4", 10) == ((1,),)


def test_clicking_words_makes_and_takes_back_candidates_and_keeps_the_answer():
    more = toggled(DEFAULT, 3, "candidate")
    assert more["candidates"] == "1,3,5"
    assert more["answer"] == 0
    fewer = toggled(DEFAULT, DEFAULT.candidates[0][0], "candidate")
    assert fewer["candidates"] == "5"
    assert fewer["answer"] == -1
    moved = toggled(DEFAULT, DEFAULT.candidates[1][0], "mention")
    assert moved["mention"] == "5"
    assert moved["candidates"] == "1"
    assert of(DEFAULT_TEXT, **more).candidates == ((1,), (3,), (5,))


def test_a_second_sentence_without_the_words_is_refused():
    with pytest.raises(HeadscopeError, match="“street” is not in the second sentence"):
        other_text(DEFAULT, "The animal didn't cross the road because it was too wide.")


SCORES = np.array([[[0.6, 0.1], [0.1, 0.3]], [[0.2, 0.2], [0.5, 0.1]]], dtype=np.float32)


def reading(answer: int = 0) -> Reading:
    words = np.full((2, 2, len(DEFAULT.spans)), 0.01, dtype=np.float32)
    words[..., list(DEFAULT.mention)] = np.nan
    marked = replace(DEFAULT, answer=answer)
    margin = SCORES[..., answer] - SCORES[..., 1 - answer]
    return Reading(marked, (0, 4), SCORES, margin, words)


def test_arcs_are_the_mean_over_the_heads_and_mark_the_answer():
    found = arcs(reading(), [(0, 0), (1, 1)])
    assert [(arc.source, arc.target, arc.answer) for arc in found] == [
        (DEFAULT.mention[0], 1, True),
        (DEFAULT.mention[0], 5, False),
    ]
    assert [arc.weight for arc in found] == pytest.approx([0.55, 0.1])
    assert word_weights(reading(), [(0, 0)])[DEFAULT.mention[0]] is None


def test_heads_are_chosen_on_other_sentences_unless_asked_otherwise():
    pairs = ("animal, street", "animal, street", "b", "b")
    correct = np.zeros((4, 2, 2), dtype=np.float32)
    correct[:2, 0, 0] = 1  # right only on the pair that is shown
    correct[2:, 0, 1] = 1
    scores = PairScores(pairs, correct, np.zeros_like(correct))
    assert pair_of(DEFAULT_TEXT) == "animal, street"
    assert pair_of("another") == ""

    def chosen(choice, **more):
        return chosen_heads(Selection(choice=choice, **more), reading(), scores)

    assert chosen("held out").heads == [(0, 1)]
    assert chosen("best here").heads == [(0, 0)]
    assert chosen("one head", layer=4, head=1).heads == [(1, 1)]
    assert chosen("one head", layer=4, head=1).title == "L4 H1"
    assert chosen("one head", layer=99, head=99).heads == [(1, 1)]
    assert len(chosen("mean of best", best=3).heads) == 3
    assert chosen_heads(Selection(), reading(), None).title == "L0 H0, best on this sentence"


def test_among_equally_right_heads_the_larger_margin_is_chosen():
    correct = np.ones((2, 1, 3), dtype=np.float32)
    margin = np.array([[[0.1, 0.3, 0.2]]] * 2, dtype=np.float32)
    assert PairScores(("a", "a"), correct, margin).ranked("")[:2] == [(0, 1), (0, 2)]


def test_the_rest_of_the_attention_is_told():
    chosen = chosen_heads(Selection(choice="best here"), reading(), None)
    others = len(DEFAULT.spans) - 1 - 2
    assert f"{0.01 * others:.3f} to other words" in rest_note(reading(), chosen, Selection())
    assert rest_note(reading(), chosen, Selection(direction="to mention")) == ""
    assert margin_label(DEFAULT) == "animal minus street"
    assert margin_label(replace(DEFAULT, answer=1)) == "street minus animal"


def test_a_trace_gives_the_scores_of_its_own_weights():

    text = "dog saw cat it"
    marked = of(text, mention="3", candidates="0,2", answer=1)
    spans = [marked.spans[place] for place in range(4)]
    words = words_from_spans(text, spans, [False] * 4)
    tokens = tuple(
        Token(text[slice(*span)], text[slice(*span)], word=word, span=span)
        for span, word in zip(spans, words, strict=True)
    )
    weights = torch.tensor([[[0.25] * 4] * 3 + [[0.1, 0.2, 0.6, 0.1]]])
    trace = Trace((DenseLayer("encoder", 0, "a", weights),), {"encoder": tokens}, {}, replace(PROVENANCE, text=text))
    found = read_coreference(trace, marked, Selection(), "encoder")
    assert found.scores[0, 0].tolist() == pytest.approx([0.1, 0.6])
    assert found.margins[0, 0] == pytest.approx(0.5)
    assert found.word_scores[0, 0, :3].tolist() == pytest.approx([0.1, 0.2, 0.6])
    back = read_coreference(trace, marked, Selection(direction="to mention"), "encoder")
    assert back.scores[0, 0].tolist() == pytest.approx([0.25, 0.25])
