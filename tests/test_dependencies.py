"""Relations found by heads: sentences and weights made by hand, merged by hand, and the baseline of fixed distances."""

from pathlib import Path

import numpy as np
import pytest
import torch

from model.analysis.aggregation import merge_words
from model.analysis.dependencies import (
    ALL_RELATIONS,
    DIRECTIONS,
    OFFSETS,
    RelationScores,
    count_relations,
    offset_sums,
    parse_relation_score,
    relation_facts,
    relation_score_name,
    token_owners,
)
from model.analysis.score_sums import moments_of
from model.conllu import ParsedSentence, ParsedWord, parse_conllu, read_conllu
from model.tokens import Token

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
TO_HEAD, TO_DEPENDANT = DIRECTIONS


def parsed(*words: tuple[str, int | None, str]) -> ParsedSentence:
    """Return a sentence of (form, head, relation), with a space after every word."""
    found, start = [], 0
    for form, head, relation in words:
        found.append(ParsedWord(form, (start, start + len(form)), head, relation))
        start += len(form) + 1
    return ParsedSentence(" ".join(form for form, _, _ in words), tuple(found))


def tokens_of(sentence: ParsedSentence, *pieces: str) -> list[Token]:
    """Return tokens with their ranges in the sentence, in order; those in brackets are special."""
    found, start = [], 0
    for piece in pieces:
        if piece.startswith("["):
            found.append(Token(piece, piece, special=True))
            continue
        start = sentence.text.index(piece, start)
        found.append(Token(piece, piece, span=(start, start + len(piece))))
        start += len(piece)
    return found


# The head of "The" is "dogs", of "dogs" "bark", of "loudly" "bark" and of "." "bark".
DOGS = parsed(
    ("The", 1, "det"), ("dogs", 2, "nsubj"), ("bark", None, "root"), ("loudly", 2, "advmod"), (".", 2, "punct")
)
DOG_TOKENS = tokens_of(DOGS, "[CLS]", "The", "dog", "s", "bark", "loudly", ".", "[SEP]")
RELATIONS = ("all relations", "det", "nsubj", "advmod", "punct")


def pointing(targets: dict[int, int], size: int = 8, rest: int = 0) -> np.ndarray:
    """Return weights [query, key] that put all of a row on one key, on key `rest` where none is named."""
    weights = np.zeros((size, size), dtype=np.float32)
    weights[np.arange(size), [targets.get(row, rest) for row in range(size)]] = 1
    return weights


def scored(facts, weights: np.ndarray, step: int = 100):
    """Return the sums of weights [text, head, query, key], given in blocks of `step` rows."""
    scores = RelationScores(facts)
    given = torch.from_numpy(weights)
    for start in range(0, weights.shape[2], step):
        scores.add(given[:, :, start : start + step], start)
    assert np.array_equal(given.numpy(), weights)
    return scores.sums()


def found(sums, head: int = 0, text: int = 0) -> dict[str, tuple[float, float]]:
    """Return (value, count) of every score."""
    return {name: (sums.values[place, text, head], sums.counts[place, text]) for place, name in enumerate(sums.names)}


def one(weights: np.ndarray, **given) -> dict[str, tuple[float, float]]:
    facts = relation_facts([DOGS], [DOG_TOKENS], RELATIONS, **given)
    return found(scored(facts, weights[None, None]))


def test_names_of_scores_and_back():
    assert relation_score_name("nsubj:pass", TO_HEAD) == "nsubj:pass: dependant to head"
    for relation in ("nsubj", "nsubj:pass", "acl:relcl", ALL_RELATIONS):
        for direction in DIRECTIONS:
            assert parse_relation_score(relation_score_name(relation, direction)) == (relation, direction)
    for name in (
        "entropy",
        "offset -1",
        "prefix matching (random)",
        "dependant to head",
        ": dependant to head",
        "a: b",
    ):
        assert parse_relation_score(name) is None


def test_relations_are_counted():
    twice = count_relations([DOGS, DOGS, parsed(("Go", None, "root"), ("up", 0, "advmod"))])
    assert twice == {ALL_RELATIONS: 7, "advmod": 3, "det": 2, "nsubj": 2, "punct": 2}
    assert next(iter(twice)) == ALL_RELATIONS


def test_tokens_belong_to_the_word_they_begin_in():
    assert token_owners(DOGS, DOG_TOKENS).tolist() == [-1, 0, 1, 1, 2, 3, 4, -1]
    # A token over two words goes to the first, one with a space before it to the word that follows.
    across = [Token("The do", "", span=(0, 6)), Token("gs", "", span=(6, 8)), Token("▁bark", "", span=(8, 13))]
    across += [Token("▁", "", span=(13, 14)), Token("", "", span=(14, 14)), Token("?", "")]
    assert token_owners(DOGS, across).tolist() == [0, 1, 2, -1, -1, -1]
    # A special token of the text is no word; words that share a range are hidden behind the first.
    assert token_owners(DOGS, [Token("The", "", span=(0, 3), special=True)]).tolist() == [-1]
    shared = ParsedSentence("du", (ParsedWord("de", (0, 2), 1, "case"), ParsedWord("le", (0, 2), None, "root")))
    assert token_owners(shared, [Token("du", "", span=(0, 2))]).tolist() == [0]


def test_a_head_that_looks_at_the_right_words_finds_all():
    # The (1) looks at the second token of dogs (2, 3), which look at bark (4), as do loudly (5) and the full stop (6).
    scores = one(pointing({1: 3, 2: 4, 3: 4, 5: 4, 6: 4}))
    assert {name: scores[relation_score_name(name, TO_HEAD)] for name in RELATIONS} == {
        "all relations": (3, 3), "det": (1, 1), "nsubj": (1, 1), "advmod": (1, 1), "punct": (1, 1),
    }  # fmt: skip
    # Nobody looks at the dependants, but for the dogs, at whom "The" looks and not their head.
    assert all(scores[relation_score_name(name, TO_DEPENDANT)] == (0, count[1]) for name, count in
               {name: scores[relation_score_name(name, TO_HEAD)] for name in RELATIONS}.items())  # fmt: skip


def test_words_to_which_their_heads_attend_most():
    # bark (4) looks at loudly (5); the first token of dogs at The (1), the other at a special token.
    scores = one(pointing({4: 5, 2: 1}))
    assert scores[relation_score_name("advmod", TO_DEPENDANT)] == (1, 1)
    assert scores[relation_score_name("det", TO_DEPENDANT)] == (1, 1)
    assert scores[relation_score_name("nsubj", TO_DEPENDANT)] == (0, 1)
    assert scores[relation_score_name("all relations", TO_DEPENDANT)] == (2, 3)
    # "The" attends more to itself than anybody does, which does not count.
    assert one(np.maximum(pointing({4: 5, 2: 1}), pointing({1: 1})))[relation_score_name("det", TO_DEPENDANT)] == (1, 1)


def test_attention_to_a_split_word_is_summed_and_from_it_averaged():
    weights = pointing({})
    # 0.3 + 0.3 on the two tokens of dogs is more than 0.4 on bark.
    weights[1] = [0, 0, 0.3, 0.3, 0.4, 0, 0, 0]
    assert one(weights)[relation_score_name("det", TO_HEAD)] == (1, 1)
    weights[1] = [0, 0, 0.3, 0.05, 0.4, 0.25, 0, 0]
    assert one(weights)[relation_score_name("det", TO_HEAD)] == (0, 1)
    # The tokens of dogs look at bark by 0.9 and 0, at loudly by 0.1 and 0.7: means 0.45 and 0.4.
    weights[2], weights[3] = [0, 0, 0, 0, 0.9, 0.1, 0, 0], [0.3, 0, 0, 0, 0, 0.7, 0, 0]
    assert one(weights)[relation_score_name("nsubj", TO_HEAD)] == (1, 1)
    # To "The" bark pays 0.5, the tokens of dogs 0.8 and 0: 0.4 on average, where a sum would be more.
    weights = pointing({})
    weights[4, 1], weights[2, 1] = 0.4, 0.7
    assert one(weights)[relation_score_name("det", TO_DEPENDANT)] == (0, 1)
    weights[3, 1] = 0.2
    assert one(weights)[relation_score_name("det", TO_DEPENDANT)] == (1, 1)


def test_special_tokens_and_the_word_itself_are_left_out():
    weights = pointing({})
    # Most goes to [CLS], [SEP] and the word itself; of the rest bark has most.
    weights[5] = [0.4, 0, 0, 0.05, 0.1, 0.25, 0, 0.2]
    assert one(weights)[relation_score_name("advmod", TO_HEAD)] == (1, 1)


def test_a_tie_is_no_guess():
    uniform = np.full((8, 8), 1 / 8, dtype=np.float32)
    # Only "dogs", of two tokens, gets more than any other word: from "The".
    expected = {relation_score_name(name, TO_HEAD): 1 if name in ("det", "all relations") else 0 for name in RELATIONS}
    scores = one(uniform)
    assert {name: scores[name][0] for name in expected} == expected
    assert all(scores[relation_score_name(name, TO_DEPENDANT)][0] == 0 for name in RELATIONS)


def test_behind_a_causal_mask_only_what_can_be_seen_counts():
    causal = torch.ones(8, 8, dtype=torch.bool).tril()[None]
    weights = pointing({5: 4, 6: 5, 4: 2})
    scores = one(weights, allowed=causal)
    # Only loudly and the full stop stand after their head; The and dogs before it, where the head sees them.
    counts = {name: count for name, (_, count) in scores.items()}
    assert [counts[relation_score_name(name, TO_HEAD)] for name in RELATIONS] == [1, 0, 0, 1, 1]
    assert [counts[relation_score_name(name, TO_DEPENDANT)] for name in RELATIONS] == [2, 1, 1, 0, 0]
    assert scores[relation_score_name("advmod", TO_HEAD)] == (1, 1)
    assert scores[relation_score_name("punct", TO_HEAD)] == (0, 1)
    assert scores[relation_score_name("nsubj", TO_DEPENDANT)] == (1, 1)
    # The baseline is over the same words: loudly has its head one to the left, nobody counts to the right.
    facts = relation_facts([DOGS], [DOG_TOKENS], RELATIONS, allowed=causal)
    baseline = offset_sums(facts, [DOGS])
    place = baseline.names.index(relation_score_name("all relations", TO_HEAD))
    assert baseline.values[place, 0].tolist() == [1.0 if offset == -1 else 0.0 for offset in OFFSETS]
    assert baseline.counts[place, 0] == 1


def test_a_word_without_a_token_is_left_out_on_both_sides():
    # "dogs" is hidden in a token of "The".
    tokens = [Token("The dogs", "", span=(0, 8)), *tokens_of(DOGS, "bark", "loudly", ".")]
    facts = relation_facts([DOGS], [tokens], RELATIONS)
    scores = found(scored(facts, pointing({0: 1, 2: 1, 3: 1}, size=4)[None, None]))
    counts = [scores[relation_score_name(name, TO_HEAD)][1] for name in RELATIONS]
    assert counts == [1, 0, 0, 1, 1]
    assert offset_sums(facts, [DOGS]).counts[:5, 0].tolist() == counts


def test_the_distances_by_hand():
    facts = relation_facts([DOGS], [DOG_TOKENS], RELATIONS)
    sums = offset_sums(facts, [DOGS])
    for direction in DIRECTIONS:
        rows = {name: sums.values[sums.names.index(relation_score_name(name, direction)), 0] for name in RELATIONS}
        shares = {name: dict(zip(OFFSETS, row, strict=True)) for name, row in rows.items()}
        assert (shares["all relations"][1], shares["all relations"][-1], shares["all relations"][-2]) == (2, 1, 0)
        assert (shares["det"][1], shares["nsubj"][1], shares["advmod"][-1], shares["punct"][-2]) == (1, 1, 1, 1)
        assert sum(rows["all relations"]) == 3
    assert 0 not in OFFSETS
    assert (min(OFFSETS), max(OFFSETS), len(OFFSETS)) == (-10, 10, 20)


def test_a_head_at_a_fixed_distance_scores_its_baseline():
    # Every word is one token, and has its head at an odd distance.
    sentence = parsed(*[(f"w{place}", (place * 3 + 1) % 12, "dep") for place in range(12)])
    tokens = [Token(word.form, word.form, span=word.span) for word in sentence.words]
    facts = relation_facts([sentence], [tokens], [ALL_RELATIONS])
    baseline = offset_sums(facts, [sentence])
    for offset in (-1, 1, 3):
        weights = np.eye(12, k=offset, dtype=np.float32)
        scores = scored(facts, np.stack([weights, weights.T])[None])
        assert scores.values[0, 0, 0] == baseline.values[0, 0, OFFSETS.index(offset)] > 0
        # The other way round, a head whose columns point there finds as many.
        assert scores.values[1, 0, 1] == scores.values[0, 0, 0]


@pytest.fixture
def batch():
    """Two sentences of eight tokens and random weights [text, head, query, key] of three heads."""
    other = parsed(("Old", 1, "amod"), ("friends", 2, "nsubj"), ("met", None, "root"))
    tokens = tokens_of(other, "[CLS]", "O", "ld", "friend", "s", "me", "t", "[SEP]")
    scores = np.random.default_rng(1).exponential(size=(2, 3, 8, 8)) ** 2
    return [DOGS, other], [DOG_TOKENS, tokens], (scores / scores.sum(axis=-1, keepdims=True)).astype(np.float32)


def guesses(weights: np.ndarray, sentence: ParsedSentence, tokens: list[Token]) -> dict[str, list[int | None]]:
    """Return the guess of every word by the plain definition: merged by `merge_words`, then the largest."""
    owners = token_owners(sentence, tokens)
    groups = [np.flatnonzero(owners == place).tolist() for place in range(len(sentence.words))]
    inside = [position for group in groups for position in group]
    kept = weights[np.ix_(inside, inside)]
    order = [[inside.index(position) for position in group] for group in groups]
    merged = merge_words(kept, order, order)
    np.fill_diagonal(merged, -1)
    return {TO_HEAD: merged.argmax(axis=1).tolist(), TO_DEPENDANT: merged.argmax(axis=0).tolist()}


def test_sums_are_those_of_the_plain_definition(batch):
    sentences, tokens, weights = batch
    facts = relation_facts(sentences, tokens, [ALL_RELATIONS])
    sums = scored(facts, weights)
    for text, (sentence, own) in enumerate(zip(sentences, tokens, strict=True)):
        for head in range(3):
            for place, (_, guessed) in enumerate(guesses(weights[text, head], sentence, own).items()):
                right = [
                    guess == word.head
                    for guess, word in zip(guessed, sentence.words, strict=True)
                    if word.head is not None and word.relation != "punct"
                ]
                assert sums.values[place, text, head] == sum(right)
                assert sums.counts[place, text] == len(right)
    assert np.isnan(sums.baselines).all()


@pytest.mark.parametrize("step", [1, 3, 7, 8])
def test_blocks_of_rows_make_the_same(batch, step):
    sentences, tokens, weights = batch
    facts = relation_facts(sentences, tokens, [*RELATIONS, "amod"])
    whole, parts = scored(facts, weights), scored(facts, weights, step)
    assert np.array_equal(whole.values, parts.values)
    assert np.array_equal(whole.counts, parts.counts)


def test_texts_of_a_batch_are_as_if_alone(batch):
    sentences, tokens, weights = batch
    names = [*RELATIONS, "amod"]
    together = scored(relation_facts(sentences, tokens, names), weights)
    shifts = offset_sums(relation_facts(sentences, tokens, names), sentences)
    for text in range(2):
        facts = relation_facts(sentences[text : text + 1], tokens[text : text + 1], names)
        alone = scored(facts, weights[text : text + 1])
        assert np.array_equal(together.values[:, text], alone.values[:, 0])
        assert np.array_equal(together.counts[:, text], alone.counts[:, 0])
        assert np.array_equal(shifts.values[:, text], offset_sums(facts, sentences[text : text + 1]).values[:, 0])
    assert together.counts[together.names.index(relation_score_name("amod", TO_HEAD))].tolist() == [0, 1]


def test_one_mask_for_all_texts_or_one_for_each(batch):
    sentences, tokens, weights = batch
    causal = torch.ones(1, 8, 8, dtype=torch.bool).tril()
    shared = scored(relation_facts(sentences, tokens, RELATIONS, allowed=causal), weights)
    each = scored(relation_facts(sentences, tokens, RELATIONS, allowed=causal.expand(2, -1, -1)), weights)
    assert np.array_equal(shared.values, each.values)
    everywhere = relation_facts(sentences, tokens, RELATIONS, allowed=torch.ones(1, 8, 8, dtype=torch.bool))
    assert np.array_equal(
        scored(everywhere, weights).values, scored(relation_facts(sentences, tokens, RELATIONS), weights).values
    )


def test_sums_wait_for_all_rows(batch):
    sentences, tokens, weights = batch
    scores = RelationScores(relation_facts(sentences, tokens, RELATIONS))
    with pytest.raises(ValueError, match="0 of 8 rows"):
        scores.sums()
    scores.add(torch.from_numpy(weights[:, :, :5]), 0)
    with pytest.raises(ValueError, match="5 of 8 rows"):
        scores.sums()


def test_texts_and_tokens_must_fit_together():
    for tokens in ([DOG_TOKENS], [DOG_TOKENS, DOG_TOKENS[:-1]]):
        with pytest.raises(ValueError, match="every sentence"):
            relation_facts([DOGS, DOGS], tokens, RELATIONS)


def test_a_sentence_of_one_word_has_no_case():
    (sentence,) = parse_conllu("1\tGo\t_\t_\t_\t_\t0\troot\t_\t_\n")
    facts = relation_facts([sentence], [[Token("Go", "Go", span=(0, 2))]], [ALL_RELATIONS])
    sums = scored(facts, np.ones((1, 2, 1, 1), dtype=np.float32))
    assert not sums.values.any()
    assert not sums.counts.any()


def test_the_distances_of_a_real_treebank():
    path = DATA / "ud-ewt" / "en_ewt-ud-dev.conllu.gz"
    if not path.is_file():
        pytest.skip("the UD EWT corpus is not beside this checkout")
    sentences = read_conllu(path)[:300]
    moments = None
    for sentence in sentences:
        tokens = [Token(word.form, word.form, span=word.span) for word in sentence.words]
        facts = relation_facts([sentence], [tokens], ["det", "obj", ALL_RELATIONS])
        own = moments_of(offset_sums(facts, [sentence]))
        moments = own if moments is None else moments + own
    # Clark et al. 2019, table 1, on the Wall Street Journal: determiners +1 in 51.7 %, objects -2 in 40.0 %.
    shares = {name: dict(zip(OFFSETS, row, strict=True)) for name, row in zip(facts.names, moments.means, strict=True)}
    assert max(shares["det: dependant to head"], key=shares["det: dependant to head"].get) == 1
    assert 0.45 < shares["det: dependant to head"][1] < 0.7
    assert max(shares["obj: dependant to head"], key=shares["obj: dependant to head"].get) == -2
    counted = count_relations(sentences)
    assert moments.count.tolist() == [counted["det"], counted["obj"], counted[ALL_RELATIONS]] * 2
