"""Neighbours in the vocabulary, from a table of embeddings that is written by hand."""

import numpy as np
import pytest
import torch
import transformers as t
from tokenizers import Tokenizer, models, pre_tokenizers

from model import HeadscopeError, wrap
from model.analysis import static_neighbours as measured
from model.analysis.static_neighbours import nearest_entries, static_cosines, static_neighbours, text_pieces
from tests.tiny_models import tiny
from tests.tiny_tokenizers import trained

WORDS = ("[PAD]", "[UNK]", "[SEP]", "[unused0]", "12", "123", "4", "<b>")
TABLE = [[0, 0], [0, -1], [9, 1], [1, 1], [1, 0], [3, 4], [0, 2], [-2, -1], [4, 3]]  # one row more than words


@pytest.fixture(scope="module")
def loaded():
    """A model of two dimensions with the vocabulary above, and one row that pads its table."""
    numbers = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    numbers.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = t.PreTrainedTokenizerFast(
        tokenizer_object=numbers, pad_token="[PAD]", unk_token="[UNK]", sep_token="[SEP]"
    )
    config = t.BertConfig(
        vocab_size=len(TABLE), hidden_size=2, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4
    )
    model = t.BertModel(config).eval()
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(torch.tensor(TABLE, dtype=torch.float32))
    return wrap(model, tokenizer)


def shown(neighbours) -> list[tuple[str, float]]:
    return [(one.token.text, round(one.score, 4)) for one in neighbours]


def test_nearest_by_hand(loaded):
    state = np.array([[2.0, 0.0], [0.0, 0.5]])
    right, up = nearest_entries(loaded, state, count=4)
    assert shown(right) == [("12", 1), ("[SEP]", 0.9939), ("row 8", 0.8), ("[unused0]", 0.7071)]
    assert shown(up) == [("4", 1), ("123", 0.8), ("[unused0]", 0.7071), ("row 8", 0.6)]
    assert shown(nearest_entries(loaded, state, count=2, measure="dot")[0]) == [("[SEP]", 18), ("row 8", 8)]


def test_entries_that_are_no_words_are_marked_and_can_be_left_out(loaded):
    (found,) = nearest_entries(loaded, np.array([[1.0, 0.0]]), count=99)
    assert len(found) == len(TABLE)
    assert {one.token.text for one in found if one.token.special} == {"[PAD]", "[UNK]", "[SEP]"}
    assert {one.token.text for one in found if one.unused} == {"[unused0]", "row 8"}
    assert next(one.score for one in found if one.token.text == "[PAD]") == 0
    (words,) = nearest_entries(loaded, np.array([[1.0, 0.0]]), count=99, words_only=True)
    assert shown(words) == [("12", 1), ("123", 0.6), ("4", 0), ("<b>", -0.8944)]


@pytest.mark.parametrize("piece", ["[unused993]", "<unused7>", "<|reserved_special_token_12|>", "madeupword0003"])
def test_names_of_entries_kept_free(piece):
    assert measured._is_unused(piece)


@pytest.mark.parametrize("piece", ["unused", "[PAD]", "[MASK]", "<0x41>", "▁reserved", "12", "<pad>"])
def test_names_that_are_none(piece):
    assert not measured._is_unused(piece)


def test_a_token_is_not_its_own_neighbour(loaded):
    place = {word: number for number, word in enumerate(WORDS)}
    found = static_neighbours(loaded, [place["123"], place["4"]], count=2, words_only=True)
    assert shown(found[0]) == [("4", 0.8), ("12", 0.6)]
    assert shown(found[1]) == [("123", 0.8), ("12", 0)]
    cosines = static_cosines(loaded, [place["123"], place["12"], place["4"]])
    assert cosines == pytest.approx(np.array([[1, 0.6, 0.8], [0.6, 1, 0], [0.8, 0, 1]]))
    assert shown(static_neighbours(loaded, [place["[SEP]"]], count=1, words_only=True)[0]) == [("12", 0.9939)]


def test_blocks_of_the_table_give_the_same(loaded, monkeypatch):
    states = np.random.default_rng(0).standard_normal((5, 2))
    whole = nearest_entries(loaded, states, count=4)
    seen = []
    monkeypatch.setattr(measured, "_BLOCK", 10)
    found = nearest_entries(loaded, states, count=4, progress=seen.append)
    for ours, theirs in zip(found, whole, strict=True):
        assert [one.token for one in ours] == [one.token for one in theirs]
        assert [one.score for one in ours] == pytest.approx([one.score for one in theirs], abs=1e-6)
    assert seen == pytest.approx([2 / 9, 4 / 9, 6 / 9, 8 / 9, 1])


def test_the_progress_may_cancel(loaded):
    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nearest_entries(loaded, np.ones((1, 2)), progress=stop)


def test_the_table_of_the_head(tiny_tokenizer):
    loaded = wrap(tiny("llama"), tiny_tokenizer)
    head = tiny("llama").get_output_embeddings().weight.detach().double().numpy()
    state = np.random.default_rng(0).standard_normal((1, 32))
    (found,) = nearest_entries(loaded, state, count=3, table="output", measure="dot")
    logits = head @ state[0]
    assert [one.token.id for one in found] == np.argsort(-logits)[:3].tolist()
    assert [one.score for one in found] == pytest.approx(np.sort(-logits)[:3] * -1, rel=1e-5)
    other = nearest_entries(loaded, state, count=3, measure="dot")[0]
    assert [one.token.id for one in other] != [one.token.id for one in found]


def test_without_a_tokenizer_entries_are_numbers():
    loaded = wrap(tiny("gpt2"))
    weights = tiny("gpt2").get_input_embeddings().weight.detach().numpy()
    (found,) = nearest_entries(loaded, weights[[17]], count=1, words_only=True)
    assert (found[0].token.text, found[0].token.id, found[0].unused) == ("17", 17, False)
    assert found[0].score == pytest.approx(1)


def test_what_a_text_is_cut_into(loaded):
    assert [token.text for token in text_pieces(loaded, "123 4")] == ["123", "4"]
    spaced = wrap(tiny("gpt2"), trained("byte level"))
    assert [token.text for token in text_pieces(spaced, "the 12")] == ["t", "he", "▁", "1", "2"]
    with pytest.raises(HeadscopeError, match="write a word"):
        text_pieces(loaded, "  ")
    with pytest.raises(HeadscopeError, match="give ids"):
        text_pieces(wrap(tiny("gpt2")), "12")


def test_what_cannot_be_near_says_so(loaded):
    state = np.ones((1, 2))
    with pytest.raises(HeadscopeError, match="no output embeddings"):
        nearest_entries(loaded, state, table="output")
    with pytest.raises(HeadscopeError, match="Choose input or output"):
        nearest_entries(loaded, state, table="middle")
    with pytest.raises(HeadscopeError, match="cosine or dot"):
        nearest_entries(loaded, state, measure="sine")
    with pytest.raises(HeadscopeError, match="finite"):
        nearest_entries(loaded, np.array([[np.nan, 1.0]]))
    with pytest.raises(HeadscopeError, match=r"32 dimensions and the input embeddings of .* 16"):
        nearest_entries(wrap(tiny("albert")), np.ones((1, 32)))
    for ids in ([9], [-1], []):
        with pytest.raises(HeadscopeError, match="ids 0 to 8"):
            static_cosines(loaded, ids)


@pytest.mark.timeout(10)
def test_a_hostile_entry_takes_no_time():
    assert not measured._is_unused("[unused" + "1" * 100_000)
