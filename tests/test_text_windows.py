"""Parts of a text that fit a model: windows, both ends, and what is left out, for every kind of tokenizer."""

import pytest
import transformers as t

from model import HeadscopeError, record, wrap
from model.errors import InputError
from model.text_windows import GAP, PARTS, TextWindows
from tests.tiny_models import tiny
from tests.tiny_tokenizers import TRAINERS, tiny_bert_for, trained

LONG = "".join(f"The animal {number} didn't cross the street. " for number in range(40))
TEXTS = {"long": LONG, "emoji": "👩\u200d🚀 cat " * 40, "letters": "x" * 300, "spaced": " a" * 300}


def kept_tokens(loaded, kept):
    return len(loaded.tokenizer(kept.text)["input_ids"])


@pytest.mark.parametrize("kind", TRAINERS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_every_part_fits_and_says_what_is_left_out(kind, text):
    loaded = tiny_bert_for(kind)
    windows = TextWindows(loaded, text)
    assert windows.count == len(loaded.tokenizer(text)["input_ids"])
    if windows.fits:
        assert windows.kept("both ends").spans == ((0, len(text)),)
        return
    for part in PARTS:
        kept = windows.kept(part, windows.last_start // 2)
        assert 64 - 14 <= kept_tokens(loaded, kept) <= 64
        assert kept.text == GAP.join(text[start:end] for start, end in kept.spans)
        # Kept and left out are the whole text, each character once.
        pieces = sorted([*kept.spans, *kept.left_out])
        assert "".join(text[start:end] for start, end in pieces) == text
        assert len(kept.spans) == (2 if part == "both ends" else 1)
    assert windows.kept("beginning").spans[0][0] == 0
    assert windows.kept("end").spans[0][1] == windows._spans[-1][1]
    first, last = windows.kept("both ends").spans
    assert (first[0], last[1]) == (0, windows._spans[-1][1])


@pytest.mark.parametrize("kind", TRAINERS)
def test_a_window_begins_with_the_token_that_was_asked_for(kind):
    loaded = tiny_bert_for(kind)
    windows = TextWindows(loaded, LONG)
    tokens = loaded.tokenizer(LONG, return_offsets_mapping=True, add_special_tokens=False)
    for first in (0, 1, 37, windows.last_start):
        start, end = windows.span(first)
        shorter = loaded.tokenizer(LONG[start:end], add_special_tokens=False)["input_ids"]
        assert LONG[start:].lstrip().startswith(LONG[slice(*tokens["offset_mapping"][first])].strip())
        if kind == "byte level":
            # The space before a word is kept with it, so that its token stays the same.
            assert shorter == tokens["input_ids"][first : first + len(shorter)]
    assert windows.span(10**9)[1] == windows.span(windows.count)[1] == windows._spans[-1][1]
    assert windows.span(-5) == windows.span(0)


def test_what_is_kept_can_be_recorded():
    loaded = tiny_bert_for("word piece")
    kept = TextWindows(loaded, LONG).kept("window", 100)
    trace = record(loaded, kept.text)
    assert trace.layer(0).shape[1] == 64
    assert trace.provenance.text == kept.text


def test_a_text_that_fits_is_kept_whole():
    windows = TextWindows(tiny_bert_for("word piece"), "The cat\ud800 sat.")
    assert windows.fits
    for part in PARTS:
        kept = windows.kept(part, 2)
        assert (kept.text, kept.left_out) == ("The cat\ufffd sat.", ())
    unlimited = TextWindows(wrap(tiny("t5"), trained("metaspace")), LONG)
    assert unlimited.limit is None
    assert unlimited.kept("end").text == LONG
    assert unlimited.last_start == 0


def test_without_spans_the_parts_are_estimated_and_still_fit():
    class Spanless:
        """The tokenizer as one that does not know where its tokens stand."""

        is_fast = False

        def __getattr__(self, name):
            return getattr(trained("word piece"), name)

        def __call__(self, *args, **kwargs):
            return trained("word piece")(*args, **kwargs)

    windows = TextWindows(wrap(tiny("bert"), Spanless()), LONG)
    for part in PARTS:
        kept = windows.kept(part, 50)
        assert 40 <= len(trained("word piece")(kept.text)["input_ids"]) <= 64


def test_a_conversation_keeps_room_for_its_template():
    tokenizer = t.PreTrainedTokenizerFast(tokenizer_object=trained("word piece").backend_tokenizer, cls_token="[CLS]")
    tokenizer.chat_template = "{% for m in messages %}[CLS] the cat: {{ m.content }} [CLS] the street: {% endfor %}"
    windows = TextWindows(wrap(tiny("bert"), tokenizer), LONG, chat=True)
    for part in PARTS:
        kept = windows.kept(part, 20)
        written = f"[CLS] the cat: {kept.text} [CLS] the street: "
        assert 54 <= len(tokenizer(written, add_special_tokens=False)["input_ids"]) <= 64


def test_a_limit_below_the_special_tokens_keeps_nothing():
    config = t.BertConfig(vocab_size=99, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
                          max_position_embeddings=2)  # fmt: skip
    windows = TextWindows(wrap(t.BertModel(config).eval(), trained("word piece")), "the animal")
    for part in PARTS:
        assert windows.kept(part).spans == ()
        assert windows.kept(part).left_out == ((0, 10),)
    assert windows.span(1) == (0, 0)


def test_what_has_no_parts_is_refused():
    loaded = tiny_bert_for("word piece")
    with pytest.raises(InputError, match="no text"):
        TextWindows(loaded, " \n")
    with pytest.raises(InputError, match="without a tokenizer"):
        TextWindows(wrap(tiny("bert")), "a")
    with pytest.raises(HeadscopeError, match="Choose beginning, end"):
        TextWindows(loaded, LONG).kept("middle")
