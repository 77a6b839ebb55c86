"""Two texts that a model reads together: whose token is whose, where a long one is cut, and the blocks of a map."""

import dataclasses
import json
from functools import cache

import numpy as np
import pytest
import transformers as t
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, processors

from model import HeadscopeError, Token, Trace, record, wrap
from model.analysis.blocks import layer_segment_masses, segment_block, segment_masses
from model.analysis.views import attention_view
from model.errors import InputError, PairTooLong, TextTooLong
from model.tokens import word_groups, word_text
from tests.hand_views import hand_view
from tests.tiny_models import tiny
from tests.tiny_tokenizers import tiny_bert_for, trained

FIRST, SECOND = "The animal didn't", "it rains"


@cache
def pair_tokenizer(**options) -> t.PreTrainedTokenizerFast:
    """Return the trained WordPiece with BERT's template of a pair: [CLS] A [SEP] B [SEP]."""
    tokenizer = Tokenizer.from_str(trained("word piece").backend_tokenizer.to_str())
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = dict(pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return t.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=inputs, **names, **options)


@pytest.fixture
def loaded():
    return wrap(tiny("bert"), pair_tokenizer())


def test_every_token_knows_its_text(loaded):
    trace = record(loaded, (FIRST, SECOND))
    tokens = trace.tokens["encoder"]
    assert [token.id for token in tokens] == loaded.tokenizer(FIRST, SECOND)["input_ids"]
    assert [token.segment for token in tokens if token.special] == [None] * 3
    segments = [token.segment for token in tokens]
    middle = segments.index(None, 1)
    assert set(segments[1:middle]) == {0}
    assert set(segments[middle + 1 : -1]) == {1}
    for token in tokens:
        if not token.special:
            text = (FIRST, SECOND)[token.segment]
            assert text[slice(*token.span)].lower() == token.text.removeprefix("##")
    assert (trace.provenance.text, trace.provenance.text_pair) == (FIRST, SECOND)


def test_words_do_not_go_across_the_texts(loaded):
    # Without the boundary "rain" and "s" would be one word.
    tokens = record(loaded, ("it rain", "s the")).tokens["encoder"]
    groups = [[tokens[position] for position in group] for group in word_groups(tokens)]
    assert [word_text(group) for group in groups if group[0].word is not None] == ["it", "rain", "s", "the"]
    assert [token.word for token in tokens if token.segment == 1] == [2, 3]


def test_the_model_is_told_which_text_is_which(loaded):
    encoded = loaded.tokenizer(FIRST, SECOND, return_tensors="pt")
    assert encoded["token_type_ids"].max() == 1
    expected = record(loaded, dict(encoded)).layer_attention(1)
    assert np.array_equal(record(loaded, (FIRST, SECOND)).layer_attention(1), expected)
    other = record(loaded, dict(encoded) | {"token_type_ids": encoded["token_type_ids"] * 0})
    assert not np.allclose(other.layer_attention(1), expected)


class SlowTokenizer:
    """A tokenizer that knows no spans, as the ones written in Python."""

    def __init__(self, tokenizer):
        self.inner, self.is_fast = tokenizer, False

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def __call__(self, *arguments, **options):
        return dict(self.inner(*arguments, **options))


def test_a_tokenizer_without_spans_says_the_same(loaded):
    slow = wrap(loaded.model, SlowTokenizer(loaded.tokenizer))
    fast_tokens, slow_tokens = (record(one, (FIRST, SECOND)).tokens["encoder"] for one in (loaded, slow))
    assert [(token.id, token.segment, token.special) for token in slow_tokens] == [
        (token.id, token.segment, token.special) for token in fast_tokens
    ]
    assert {token.span for token in slow_tokens} == {None}
    with pytest.raises(PairTooLong) as caught:
        record(slow, (FIRST * 9, SECOND))
    assert caught.value.cuts[1] == len(SECOND)
    assert len(record(slow, (FIRST * 9, SECOND), truncate=True).tokens["encoder"]) <= 64


@pytest.mark.parametrize("kind", ["byte level", "metaspace"])
def test_a_tokenizer_that_knows_no_pairs(kind):
    with pytest.raises(InputError, match=r"puts nothing between two texts.*Write them as one text"):
        record(tiny_bert_for(kind), (FIRST, SECOND))


@pytest.mark.parametrize(
    ("counts", "kept"),
    # Of 64 positions three are special: 61 are left.
    [((100, 5), (56, 5)), ((5, 100), (5, 56)), ((100, 100), (30, 31)), ((31, 31), (30, 31)), ((40, 25), (36, 25))],
)
def test_the_longer_text_is_cut(loaded, counts, kept):
    texts = tuple(" ".join(["it"] * count) for count in counts)
    with pytest.raises(
        PairTooLong, match=f"two texts have {sum(counts) + 3} tokens together and the model takes 64"
    ) as caught:
        record(loaded, texts)
    assert isinstance(caught.value, TextTooLong)
    assert caught.value.cuts == tuple(3 * count - 1 for count in kept)
    tokens = record(loaded, texts, truncate=True).tokens["encoder"]
    assert tuple(sum(token.segment == segment for token in tokens) for segment in (0, 1)) == kept
    expected = loaded.tokenizer(*texts, truncation="longest_first", max_length=64)["input_ids"]
    assert [token.id for token in tokens] == expected


@pytest.mark.parametrize("texts", [("", SECOND), (FIRST, " \n"), ("", "")])
def test_a_pair_needs_two_texts(loaded, texts):
    with pytest.raises(InputError, match="no text to look at yet"):
        record(loaded, texts)


@pytest.mark.parametrize("given", [(FIRST,), (FIRST, SECOND, FIRST), (FIRST, 5), [FIRST, SECOND]])
def test_what_is_no_pair(loaded, given):
    with pytest.raises(InputError, match=r"two texts as \(first, second\)"):
        record(loaded, given)


def test_types_that_the_model_does_not_know():
    config = t.BertConfig(**tiny("bert").config.to_diff_dict() | {"type_vocab_size": 1})
    with pytest.raises(InputError, match="token_type_ids reach from 0 to 1 and the model's from 0 to 0"):
        record(wrap(t.BertModel(config).eval(), pair_tokenizer()), (FIRST, SECOND))


def test_segments_are_saved_and_older_files_are_read(loaded, tmp_path):
    trace = record(loaded, (FIRST, SECOND))
    trace.save(tmp_path / "trace")
    again = Trace.load(tmp_path / "trace")
    assert again.tokens == trace.tokens
    assert again.provenance == trace.provenance
    with safe_open(tmp_path / "trace", framework="pt") as file:
        description = json.loads(file.metadata()["headscope"])
    for token in description["tokens"]["encoder"]:
        del token["segment"]
    del description["provenance"]["text_pair"]
    save_file(load_file(tmp_path / "trace"), tmp_path / "old", metadata={"headscope": json.dumps(description)})
    old = Trace.load(tmp_path / "old")
    assert old.tokens["encoder"] == tuple(dataclasses.replace(token, segment=None) for token in trace.tokens["encoder"])
    assert old.provenance.text_pair is None
    description["tokens"]["encoder"][0]["segment"] = "first"
    save_file(load_file(tmp_path / "trace"), tmp_path / "bad", metadata={"headscope": json.dumps(description)})
    with pytest.raises(HeadscopeError, match="is not a trace"):
        Trace.load(tmp_path / "bad")


# [CLS] a b [SEP] c [SEP]
TOKENS = tuple(
    Token(text, text, special=segment is None, segment=segment)
    for text, segment in (("[CLS]", None), ("a", 0), ("b", 0), ("[SEP]", None), ("c", 1), ("[SEP]", None))
)
WEIGHTS = np.array(
    [[8, 0, 0, 0, 0, 0], [0, 1, 2, 0, 4, 1], [1, 0, 6, 0, 0, 1], [0, 0, 0, 8, 0, 0], [1, 2, 2, 0, 3, 0], [2, 2, 2, 2, 0, 0]],
    dtype=np.float32,
) / 8  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "columns", "expected", "normalised"),
    [
        (0, 0, [[1 / 8, 2 / 8], [0, 6 / 8]], [[1 / 3, 2 / 3], [0, 1]]),
        (0, 1, [[4 / 8], [0]], [[1], [0]]),
        (1, 0, [[2 / 8, 2 / 8]], [[1 / 2, 1 / 2]]),
        (1, 1, [[3 / 8]], [[1]]),
    ],
)
def test_blocks_of_a_map(rows, columns, expected, normalised):
    mask = WEIGHTS > 0
    view = hand_view(WEIGHTS, [token.text for token in TOKENS], mask=mask)
    block = segment_block(view, TOKENS, TOKENS, rows=rows, columns=columns)
    np.testing.assert_allclose(block.weights, expected, atol=1e-7)
    names = {0: ("a", "b"), 1: ("c",)}
    assert (block.query_tokens, block.key_tokens) == (names[rows], names[columns])
    assert np.array_equal(block.mask, np.array(expected) > 0)
    assert block.query_positions == {0: (1, 2), 1: (4,)}[rows]
    assert block.place_of("k4") == ("k0" if columns == 1 else "")
    again = segment_block(view, TOKENS, TOKENS, rows=rows, columns=columns, normalised=True)
    np.testing.assert_allclose(again.weights, normalised, atol=1e-7)
    assert np.array_equal(view.weights, WEIGHTS)


def test_masses_of_hand_weights():
    segments = [token.segment for token in TOKENS]
    masses = segment_masses(np.stack([WEIGHTS, np.full((6, 6), 1 / 6, dtype=np.float32)]), segments, segments)
    # From a: 3/8 to A and 4/8 to B; from b: 6/8 and 0; from c: 4/8 to A and 3/8 to B.
    np.testing.assert_allclose(masses[0], [[4.5 / 8, 2 / 8], [4 / 8, 3 / 8]], atol=1e-7)
    np.testing.assert_allclose(masses[1], [[2 / 6, 1 / 6], [2 / 6, 1 / 6]], atol=1e-7)


def test_blocks_and_masses_of_a_trace(loaded):
    trace = record(loaded, (FIRST, SECOND))
    tokens = trace.tokens["encoder"]
    masses = layer_segment_masses(trace, 1)
    for rows in (0, 1):
        for columns in (0, 1):
            for words in (False, True):
                view = attention_view(trace, 1, 2, words=words)
                block = segment_block(view, tokens, tokens, rows=rows, columns=columns)
                sizes = [len(group) for group in block.query_groups]
                mean = np.average(block.weights.sum(axis=1), weights=sizes)
                assert mean == pytest.approx(masses[2, rows, columns], abs=1e-5)
    special = [place for place, token in enumerate(tokens) if token.special]
    to_special = trace.layer_attention(1)[:, [p for p, token in enumerate(tokens) if token.segment == 0]][:, :, special]
    np.testing.assert_allclose(masses[:, 0].sum(axis=1) + to_special.sum(axis=2).mean(axis=1), 1, atol=1e-5)


def test_one_text_has_no_blocks(loaded):
    trace = record(loaded, FIRST)
    tokens = trace.tokens["encoder"]
    with pytest.raises(HeadscopeError, match="no tokens of both texts"):
        segment_block(attention_view(trace, 0, 0), tokens, tokens, rows=0, columns=1)
    with pytest.raises(HeadscopeError, match="no tokens of both texts"):
        layer_segment_masses(trace, 0)
