"""Coreference: attention between spans against hand-computed numbers and whole maps, and what is chosen from it."""

import numpy as np
import pytest
import torch

from model import HeadscopeError, Token, Trace, load_model, record, wrap
from model.analysis.aggregation import keep_tokens
from model.analysis.coreference import (
    candidate_attention,
    correctness,
    held_out_head,
    margins,
    mean_of_heads,
    pair_change,
    ranked_heads,
    shares,
    span_positions,
    word_pair_chance,
)
from model.analysis.span_attention import last_word, span_masses
from model.attention_weights import masked_scores
from model.layers import DenseLayer
from model.minimal_pairs import MINIMAL_PAIRS
from tests.hand_views import PROVENANCE
from tests.test_text_pairs import SlowTokenizer, pair_tokenizer
from tests.tiny_models import tiny, tiny_inputs
from tests.tiny_tokenizers import tiny_bert_for, trained

NAN = float("nan")
TEXT = "red cats saw mice"
#           [CLS]            red           cats: ca + ##ts          saw            mice           [SEP]
PLACES = (("[CLS]", None, None), ("red", 0, (0, 3)), ("ca", 1, (4, 6)), ("##ts", 1, (6, 8)), ("saw", 2, (9, 12)),
          ("mice", 3, (13, 17)), ("[SEP]", None, None))  # fmt: skip
TOKENS = tuple(Token(text, text, special=word is None, word=word, span=span) for text, word, span in PLACES)
RED, CATS, RED_CATS, SAW, MICE = (0, 3), (4, 8), (0, 8), (9, 12), (13, 17)

# [CLS] red ca ##ts saw mice [SEP], in eighths.
HEADS = torch.tensor(
    [
        [[8, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 2], [2, 1, 0, 0, 1, 4, 0], [0, 1, 0, 0, 3, 2, 2],
         [2, 1, 1, 2, 0, 1, 1], [0, 0, 3, 1, 2, 2, 0], [8, 0, 0, 0, 0, 0, 0]],
        [[8, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 2], [0, 2, 0, 0, 6, 0, 0], [0, 0, 0, 0, 8, 0, 0],
         [4, 0, 0, 0, 0, 0, 4], [0, 8, 0, 0, 0, 0, 0], [8, 0, 0, 0, 0, 0, 0]],
    ],
    dtype=torch.float32,
) / 8  # fmt: skip


def hand_trace(*layers: torch.Tensor, tokens=TOKENS, text=TEXT, stack="encoder") -> Trace:
    dense = tuple(DenseLayer(stack, 2 * index, "attention", heads) for index, heads in enumerate(layers))
    side = "decoder" if stack == "decoder" else "encoder"
    provenance = type(PROVENANCE)(**{**vars(PROVENANCE), "text": text})
    return Trace(dense, {side: tokens, "decoder": tokens}, {}, provenance)


@pytest.fixture
def trace():
    return hand_trace(HEADS)


def test_attention_is_summed_to_a_split_word_and_averaged_from_it(trace):
    found = candidate_attention(trace, SAW, [RED, CATS, MICE])
    assert found.layers == (0,)
    assert found.scores.dtype == np.float32
    # From saw: 1/8 to red, 1/8 + 2/8 to cats, 1/8 to mice; the second head looks at special tokens alone.
    assert np.array_equal(found.scores * 8, [[[1, 3, 1], [0, 0, 0]]])
    # From cats: the mean of its two rows.
    assert np.array_equal(candidate_attention(trace, CATS, [RED, SAW, MICE]).scores * 8, [[[1, 2, 3], [1, 7, 0]]])


def test_attention_to_the_mention(trace):
    found = candidate_attention(trace, CATS, [RED, SAW, MICE], direction="to mention")
    assert np.array_equal(found.scores * 8, [[[2, 3, 4], [2, 0, 0]]])
    # From the candidate cats, the mean of its rows to saw.
    assert np.array_equal(candidate_attention(trace, SAW, [CATS], direction="to mention").scores * 8, [[[2], [7]]])


def test_a_phrase_and_its_last_word(trace):
    assert np.array_equal(candidate_attention(trace, SAW, [RED_CATS, MICE]).scores * 8, [[[4, 1], [0, 0]]])
    found = candidate_attention(trace, SAW, [RED_CATS, MICE], head_word=True)
    assert np.array_equal(found.scores, candidate_attention(trace, SAW, [CATS, MICE]).scores)
    backwards = candidate_attention(trace, MICE, [RED_CATS], direction="to mention")
    assert backwards.scores[0, 0, 0] == pytest.approx((1 + 4 + 2) / 8 / 3)
    assert last_word(TOKENS, (0, 6)) == (0, 6)


def test_the_last_word_is_no_punctuation():
    tokens = (Token("Jr", "Jr", word=0, span=(0, 2)), Token(".", ".", word=1, span=(2, 3)))
    assert last_word(tokens, (0, 1)) == (0,)
    assert last_word(tokens, (1,)) == (1,)


def test_hidden_special_tokens(trace):
    found = candidate_attention(trace, CATS, [RED, SAW, MICE], hide_special=True)
    # Row ca keeps 6/8, row ##ts 6/8; in the second head both keep all.
    expected = np.array([[(1 / 6 + 1 / 6) / 2, (1 / 6 + 3 / 6) / 2, (4 / 6 + 2 / 6) / 2], [1 / 8, 7 / 8, 0]])
    np.testing.assert_allclose(found.scores[0], expected, atol=1e-7)
    # What goes to special tokens alone leaves nothing.
    assert not candidate_attention(trace, SAW, [RED, MICE], hide_special=True).scores[0, 1].any()
    weights = keep_tokens(HEADS.numpy(), range(7), range(1, 6))
    backwards = candidate_attention(trace, CATS, [MICE], hide_special=True, direction="to mention")
    np.testing.assert_allclose(backwards.scores[0, :, 0], weights[:, 5, 1:3].sum(axis=1), atol=1e-7)


def test_layers_with_fewer_heads_hold_nan():
    found = candidate_attention(hand_trace(HEADS, HEADS[1:]), CATS, [RED, MICE])
    assert found.layers == (0, 2)
    assert np.array_equal(found.scores * 8, [[[1, 3], [1, 0]], [[1, 0], [NAN, NAN]]], equal_nan=True)


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "mistral", "gemma2", "gpt_oss", "modernbert", "bloom"])
@pytest.mark.parametrize("padding", ["none", "left"])
def test_rows_of_every_kind_of_layer(name, padding):
    trace = record(wrap(tiny(name)), tiny_inputs(name, padding))
    rows = [9, 3, 10]
    for layer in trace.layers:
        part = layer.weights(rows=rows)
        assert part.shape == (layer.heads, 3, layer.shape[2])
        np.testing.assert_allclose(part, layer.weights()[:, rows], atol=1e-5)
        np.testing.assert_allclose(layer.weights(rows=slice(3, 7)), layer.weights()[:, 3:7], atol=1e-5)
        for head in range(layer.heads):
            np.testing.assert_allclose(layer.weights(head, rows), part[head], atol=1e-5)
            assert torch.equal(layer.allowed(head, rows), layer.allowed(head)[rows])
            assert torch.equal(layer.allowed(head, slice(3, 7)), layer.allowed(head)[3:7])


@pytest.mark.parametrize("stack", ["encoder", "decoder"])
def test_rows_with_position_bias(stack):
    trace = record(wrap(tiny("t5")), tiny_inputs("t5"))
    for layer in trace.of_stack(stack):
        np.testing.assert_allclose(layer.weights(rows=[5, 2]), layer.weights()[:, [5, 2]], atol=1e-5)


def test_only_the_rows_that_are_needed_are_computed(monkeypatch):
    loaded = wrap(tiny("bert"), trained("word piece"))
    trace = record(loaded, "The animal didn't cross the street")
    computed = []

    def scores(query, *rest, **options):
        computed.append(query.shape)
        return masked_scores(query, *rest, **options)

    monkeypatch.setattr("model.layers.masked_scores", scores)
    candidate_attention(trace, (4, 10), [(11, 17)])
    count = len(span_positions(trace.tokens["encoder"], (4, 10)))
    assert [shape[1] for shape in computed] == [count] * 3


@pytest.mark.parametrize("kind", ["word piece", "byte level", "metaspace"])
@pytest.mark.parametrize("hide_special", [False, True])
def test_against_whole_maps(kind, hide_special):
    text = "The animal didn't cross the street because it was too tired."
    trace = record(tiny_bert_for(kind), text)
    tokens = trace.tokens["encoder"]
    kept = [place for place, token in enumerate(tokens) if not (hide_special and token.special)]
    spans = {
        word: (text.index(f" {word}") + 1, text.index(f" {word}") + 1 + len(word))
        for word in ("animal", "it", "street")
    }
    groups = {
        word: [place for place in kept if not tokens[place].special and tokens[place].word == index]
        for word, index in (("animal", 1), ("street", 5), ("it", 7))
    }
    candidates = [spans["animal"], spans["street"]]
    found = candidate_attention(trace, spans["it"], candidates, hide_special=hide_special)
    back = candidate_attention(trace, spans["it"], candidates, hide_special=hide_special, direction="to mention")
    for row in range(len(found.layers)):
        weights = keep_tokens(trace.layer_attention(row), range(len(tokens)), kept)
        place_of = {place: index for index, place in enumerate(kept)}
        for column, word in enumerate(("animal", "street")):
            to, here = ([place_of[place] for place in groups[name]] for name in (word, "it"))
            expected = weights[:, groups["it"]][:, :, to].sum(axis=2).mean(axis=1)
            np.testing.assert_allclose(found.scores[row, :, column], expected, atol=1e-5)
            expected = weights[:, groups[word]][:, :, here].sum(axis=2).mean(axis=1)
            np.testing.assert_allclose(back.scores[row, :, column], expected, atol=1e-5)


def test_a_causal_model_looks_back_only():
    loaded = wrap(tiny("gpt2"), trained("word piece"))
    text = "The cats cross the streets"
    trace = record(loaded, text)
    cats, streets = (4, 8), (19, 26)
    assert candidate_attention(trace, streets, [cats]).scores.min() > 0
    assert not candidate_attention(trace, cats, [streets]).scores.any()
    assert candidate_attention(trace, cats, [streets], direction="to mention").scores.min() > 0


@pytest.mark.parametrize(
    ("sentence", "follows"),
    [("The animal crossed the street as it was {}.", False), ("The animal {} the street as it rained.", True)],
)
def test_a_causal_model_follows_no_change_after_the_mention(sentence, follows):
    loaded = wrap(tiny("gpt2"), trained("word piece"))
    scores = []
    for word in ("tired", "cross"):
        text = sentence.format(word)
        mention, *candidates = (
            (text.index(f" {name}") + 1, text.index(f" {name}") + 1 + len(name)) for name in ("it", "animal", "street")
        )
        scores.append(candidate_attention(record(loaded, text), mention, candidates).scores)
    assert (np.abs(pair_change(*scores)).max() > 1e-3) == follows
    assert follows or np.abs(pair_change(*scores)).max() < 1e-6


@pytest.mark.parametrize(
    ("span", "positions"),
    [
        ((4, 8), (2, 3)),
        ((4, 5), (2,)),
        ((5, 7), (2, 3)),
        ((0, 17), (1, 2, 3, 4, 5)),
        ((3, 9), (2, 3)),
        ((7, 10), (3, 4)),
    ],
)
def test_positions_of_a_span(span, positions):
    assert span_positions(TOKENS, span) == positions


@pytest.mark.parametrize("with_space", [False, True])
def test_a_leading_space_counts_to_no_token(with_space):
    # "the  cat": as a byte-level tokenizer or SentencePiece gives spans, with the space or without.
    spans = [(0, 3), (3, 4), (4, 8)] if with_space else [(0, 3), (3, 4), (5, 8)]
    tokens = tuple(Token(text, text, span=span) for text, span in zip(("the", "▁", "▁cat"), spans, strict=True))
    assert span_positions(tokens, (0, 5)) == (0,)
    assert span_positions(tokens, (0, 6)) == (0, 2)
    assert span_positions(tokens, (5, 8)) == (2,)
    with pytest.raises(HeadscopeError, match="No token stands at characters 3 to 5"):
        span_positions(tokens, (3, 5))


@pytest.mark.parametrize("kind", ["word piece", "byte level", "metaspace"])
def test_every_word_has_its_own_tokens(kind):
    text = "  The animal didn't cross  the streets; it rains. "
    tokens = record(tiny_bert_for(kind), text).tokens["encoder"]
    seen = []
    for word in ("The", "animal", "didn't", "cross", "the", "streets", ";", "it", "rains", "."):
        start = text.index(word)
        positions = span_positions(tokens, (start, start + len(word)))
        assert (
            "".join(tokens[place].text.removeprefix("##").lstrip("▁⏎") for place in positions).lower() == word.lower()
        )
        # Spaces around make no difference.
        wider = (start - text[start - 1].isspace(), start + len(word) + text[start + len(word)].isspace())
        assert span_positions(tokens, wider) == positions
        seen += positions
    assert len(set(seen)) == len(seen)
    assert {place for place, token in enumerate(tokens) if token.word is not None} == set(seen)


def test_tokens_without_spans_are_found_by_their_letters():
    text = "The  animal didn't cross the street because it rains; It rains."
    fast = tiny_bert_for("word piece")
    slow = wrap(fast.model, SlowTokenizer(fast.tokenizer))
    for span in ((5, 11), (12, 18), (44, 46), (54, 56), (62, 63)):
        found = [candidate_attention(record(one, text), span, [(0, 3)]).scores for one in (fast, slow)]
        assert np.array_equal(*found)
    tokens = record(slow, text).tokens["encoder"]
    assert {token.span for token in tokens} == {None}
    for given in (None, "Another text that is at least as long as the first one was, or longer."):
        with pytest.raises(HeadscopeError, match="not known where these tokens stand"):
            span_positions(tokens, (5, 11), text=given)


def test_two_texts():
    loaded = wrap(tiny("bert"), pair_tokenizer())
    trace = record(loaded, ("The animal rains", "it rains"))
    tokens = trace.tokens["encoder"]
    places = [{tokens[place].segment for place in span_positions(tokens, (4, 8), segment)} for segment in (0, 1)]
    assert places == [{0}, {1}]
    assert candidate_attention(trace, (0, 2), [(3, 8)], segment=1).scores.shape == (3, 4, 1)
    with pytest.raises(HeadscopeError, match="two texts here: say which"):
        candidate_attention(trace, (0, 3), [(4, 8)])
    with pytest.raises(HeadscopeError, match="no part of the text of 8"):
        candidate_attention(trace, (0, 3), [(4, 10)], segment=1)


@pytest.mark.parametrize(
    ("mention", "candidates", "sentence"),
    [
        ((4, 4), [RED], "no part of the text of 17"),
        ((9, 4), [RED], "no part of the text of 17"),
        ((-3, 4), [RED], "no part of the text of 17"),
        (SAW, [(13, 18)], "Characters 13 to 18 are no part of the text of 17"),
        (SAW, [(99, 100)], "no part of the text of 17"),
        ((8, 9), [RED], "No token stands at characters 8 to 9 (“ ”)"),
        (CATS, [RED, (6, 12)], "do not overlap"),
        (SAW, [RED, RED_CATS], "do not overlap"),
        (SAW, [RED, RED], "do not overlap"),
        (SAW, [], "do not overlap with the mention or with each other, at least one"),
    ],
)
def test_spans_that_say_nothing_are_refused(trace, mention, candidates, sentence):
    with pytest.raises(HeadscopeError) as caught:
        candidate_attention(trace, mention, candidates)
    assert sentence in str(caught.value)


def test_stacks_and_directions_that_are_not_there(trace):
    with pytest.raises(HeadscopeError, match="Choose from mention or to mention"):
        candidate_attention(trace, SAW, [RED], direction="both")
    with pytest.raises(HeadscopeError, match="Cross-attention goes from one text to another"):
        candidate_attention(hand_trace(HEADS, stack="cross"), SAW, [RED])
    with pytest.raises(HeadscopeError, match="no decoder attention"):
        candidate_attention(trace, SAW, [RED], stack="decoder")


def test_a_trace_without_text_has_no_words():
    trace = record(wrap(tiny("bert")), tiny_inputs("bert"))
    with pytest.raises(HeadscopeError, match=r"not known where these tokens stand in the text. Record a text"):
        candidate_attention(trace, (0, 1), [(2, 3)])


SCORES = np.array([[[0.5, 0.25, 0.125], [0.25, 0.25, 0.0]], [[0.0, 0.0, 0.0], [NAN, NAN, NAN]]], dtype=np.float32)


def test_margins_and_shares():
    assert np.array_equal(margins(SCORES, 0), [[0.25, 0], [0, NAN]], equal_nan=True)
    assert np.array_equal(margins(SCORES, 2), [[-0.375, -0.25], [0, NAN]], equal_nan=True)
    found = shares(SCORES)
    np.testing.assert_allclose(found[0], [[4 / 7, 2 / 7, 1 / 7], [0.5, 0.5, 0]], rtol=1e-6)
    assert np.array_equal(found[1], [[0, 0, 0], [NAN, NAN, NAN]], equal_nan=True)
    assert margins(SCORES[0, 0], np.int64(1)) == -0.25


def test_ties_share_what_is_right():
    assert np.array_equal(correctness(SCORES, 0), np.array([[1, 0.5], [1 / 3, NAN]], np.float32), equal_nan=True)
    assert np.array_equal(correctness(SCORES, 2), np.array([[0, 0], [1 / 3, NAN]], np.float32), equal_nan=True)
    # Over all answers a head is right once.
    total = sum(correctness(SCORES, answer) for answer in range(3))
    np.testing.assert_allclose(total[~np.isnan(total)], 1, rtol=1e-6)


@pytest.mark.parametrize("measure", [margins, correctness])
@pytest.mark.parametrize(("candidates", "answer"), [(1, 0), (0, 0), (3, 3), (3, -1)])
def test_an_answer_needs_another_candidate(measure, candidates, answer):
    with pytest.raises(HeadscopeError, match=f"there are {candidates}, counted from 0"):
        measure(np.zeros((2, 2, candidates), dtype=np.float32), answer)


def test_ranked_heads():
    values = np.array([[0.25, NAN, 0.5], [0.5, -1, NAN]], dtype=np.float32)
    assert ranked_heads(values) == [(0, 2), (1, 0), (0, 0), (1, 1)]
    assert ranked_heads(np.full((2, 2), NAN, dtype=np.float32)) == []


def test_mean_of_heads():
    assert np.array_equal(mean_of_heads(SCORES, [(0, 0), (0, 1)]), [0.375, 0.25, 0.0625])
    assert np.array_equal(mean_of_heads(SCORES, [(0, 1)]), SCORES[0, 1])
    for heads in ([], [(2, 0)], [(0, -1)]):
        with pytest.raises(HeadscopeError, match="rows 0 to 1 and heads 0 to 1, at least one"):
            mean_of_heads(SCORES, heads)


def test_the_change_of_a_pair():
    other = np.array([[[0.25, 0.5, 0], [0.25, 0.25, 0]], [[0.5, 0, 0], [NAN, NAN, NAN]]], dtype=np.float32)
    assert np.array_equal(pair_change(SCORES, other), [[0.5, 0], [-0.5, NAN]], equal_nan=True)
    assert np.array_equal(pair_change(SCORES, other, 1, 0), -pair_change(SCORES, other), equal_nan=True)
    assert not np.nan_to_num(pair_change(SCORES, SCORES)).any()
    with pytest.raises(HeadscopeError, match="same candidates"):
        pair_change(SCORES, other[:, :, :2])


def one_row_trace(*rows: list[float]) -> Trace:
    """Return a trace of heads whose every query attends alike, over single words a b c d and a stop."""
    tokens = tuple(Token(text, text, word=place, span=(2 * place, 2 * place + 1)) for place, text in enumerate("abcd."))
    weights = torch.tensor([[row] * 5 for row in rows]) / 8
    return hand_trace(weights, tokens=tokens, text="a b c d .")


def test_the_chance_of_a_margin_by_hand():
    trace = one_row_trace([1.0, 4, 2, 0, 1], [0.0, 0, 2, 2, 4])
    a, b, c, d = ((2 * place, 2 * place + 1) for place in range(4))
    # Words beside the mention d: a b c. Largest differences over the two heads, in eighths:
    # a-b -3 or 0, a-c -1 or -2, b-a 3, b-c 2, c-a 1 or 2, c-b -2 or 2.
    for answer, other, expected in ((b, a, 1 / 6), (b, c, 4 / 6), (c, a, 4 / 6), (a, b, 5 / 6), (a, c, 1)):
        assert word_pair_chance(trace, d, [answer, other], 0) == pytest.approx(expected)
        assert word_pair_chance(trace, d, [other, answer], 1) == pytest.approx(expected)
    # With three candidates the best head's margin is b - max(a, c) = 2.
    assert word_pair_chance(trace, d, [a, b, c], 1) == pytest.approx(4 / 6)
    # A candidate of two words is one word.
    assert word_pair_chance(trace, d, [(0, 3), c], 0) == pytest.approx(1 / 2)
    assert word_pair_chance(trace, d, [(0, 3), c], 0, head_word=True) == pytest.approx(1)
    with pytest.raises(HeadscopeError, match="two candidates or more"):
        word_pair_chance(trace, d, [a], 0)


def test_words_that_cannot_be_seen_do_not_count():
    trace = one_row_trace([1.0, 4, 0, 3, 0])
    a, b, d = (0, 1), (2, 3), (6, 7)
    # c gets nothing from any head: two words are left, and (b, a) is one of two pairs.
    assert word_pair_chance(trace, d, [b, a], 0) == pytest.approx(1 / 2)
    assert word_pair_chance(trace, d, [a, b], 0) == pytest.approx(1)


def test_chance_is_the_share_of_pairs_of_a_real_trace():
    text = "The cats cross the streets; it rains"
    trace = record(tiny_bert_for("word piece"), text)
    spans = [(0, 3), (4, 8), (9, 14), (15, 18), (19, 26), (31, 36)]
    mention = (28, 30)
    best = {}
    for right in spans:
        for wrong in spans:
            if right != wrong:
                best[right, wrong] = margins(candidate_attention(trace, mention, [right, wrong]).scores, 0).max()
    for pair in (((4, 8), (19, 26)), ((31, 36), (0, 3))):
        expected = np.mean([margin >= best[pair] - 1e-6 for margin in best.values()])
        assert word_pair_chance(trace, mention, pair, 0) == pytest.approx(expected)


def test_the_head_to_report_is_chosen_by_accuracy_then_margin_then_place():
    correct = np.zeros((4, 2, 2), dtype=np.float32)
    correct[:3, 0, 1] = 1
    correct[1:, 1, 0] = 1
    correct[:, 1, 1] = NAN
    assert held_out_head(correct) == (0, 1)
    margin = np.zeros((4, 2, 2), dtype=np.float32)
    margin[0, 1, 0], margin[0, 0, 0] = 0.5, 9
    assert held_out_head(correct, margin) == (1, 0)
    correct[3, 0, 1] = 0.5
    assert held_out_head(correct, margin) == (0, 1)


def test_three_thirds_are_one_right_answer():
    correct = np.array([[1 / 3, 1], [1 / 3, 0], [1 / 3, 0]], dtype=np.float32)[:, None]
    margin = np.zeros_like(correct)
    margin[:, 0, 1] = 0.1
    assert held_out_head(correct, margin) == (0, 1)
    assert held_out_head(correct) == held_out_head(correct[:, :, ::-1]) == (0, 0)


@pytest.mark.parametrize("correct", [np.zeros((0, 2, 2)), np.full((3, 1, 1), NAN)])
def test_no_head_is_chosen_without_examples(correct):
    with pytest.raises(HeadscopeError, match="no example to choose a head on"):
        held_out_head(correct.astype(np.float32))


def test_masses_of_several_sources():
    layer = DenseLayer("encoder", 0, "attention", HEADS)
    masses = span_masses(layer, [[5], [2, 3]], [[1], [2, 3], [0, 6]])
    assert np.array_equal(masses[0] * 8, [[0, 4, 0], [1, 0, 2]])
    # With nothing but hidden keys the weights stay as they are.
    assert np.array_equal(span_masses(layer, [[5]], [[1]], hidden=range(7)), span_masses(layer, [[5]], [[1]]))


@pytest.mark.parametrize(
    ("pair", "first", "second"),
    # What everybody knows of the first word, and what becomes of the second: neither sentence flips.
    [(0, (0.677, 0.050), (0.281, 0.121)), (1, (0.622, 0.182), (0.653, 0.141))],
)
def test_the_sentences_that_everybody_knows(pair, first, second):
    loaded = load_model("minilm")
    texts = (MINIMAL_PAIRS[pair].first, MINIMAL_PAIRS[pair].second)
    found = [
        candidate_attention(record(loaded, text), *MINIMAL_PAIRS[pair].spans(i)).scores for i, text in enumerate(texts)
    ]
    np.testing.assert_allclose([scores[3, 1] for scores in found], [first, second], atol=1e-3)
    expected = first[0] - first[1] - second[0] + second[1]
    assert pair_change(*found)[3, 1] == pytest.approx(expected, abs=3e-3)
