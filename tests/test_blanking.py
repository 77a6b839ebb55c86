"""Blank-out by hand on a linear model, and on models with attention against runs of their own."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from model.encoding import encode
from model.errors import HeadscopeError
from model.relevance import copies
from model.relevance.blanking import Blank, blank_out, usual_blank
from model.relevance.outputs import EmbeddingOutput, TokenOutput, readout, usual_output
from tests.effect_models import TEXTS, of_task
from tests.linear_model import encoded, linear_model
from tests.tiny_models import tiny


def test_an_embedding_of_zeros_by_hand():
    found = blank_out(linear_model(), encoded(0, 1, 2), EmbeddingOutput())
    # The sum (2, 2) becomes (1, 2), (2, 1) or (1, 1).
    assert found.changes == pytest.approx([1 - 3 / np.sqrt(10), 1 - 3 / np.sqrt(10), 0], abs=1e-6)
    assert found.blank == Blank("zero embedding", None)


def test_the_unknown_token_by_hand_and_special_tokens_left_out():
    loaded = linear_model(SimpleNamespace(unk_token_id=3, pad_token_id=None))
    found = blank_out(loaded, encoded(0, 2, special=(0,)), EmbeddingOutput())
    # (2, 1) becomes (1, 4).
    assert np.isnan(found.changes[0])
    assert found.changes[1] == pytest.approx(1 - 6 / np.sqrt(5 * 17), abs=1e-6)
    assert found.blank == Blank("unknown token", 3)


def test_a_mask_token_is_preferred_and_a_token_of_another_use_is_none():
    tokenizer = SimpleNamespace(mask_token_id=2, unk_token_id=3)
    assert usual_blank(linear_model(tokenizer)) == Blank("mask token", 2)
    assert usual_blank(linear_model(SimpleNamespace(unk_token_id=3, eos_token_id=3))).token is None


@pytest.mark.parametrize("task", ["causal", "translation", "encoder"])
def test_changes_are_those_of_one_run_for_each_token(task, monkeypatch):
    monkeypatch.setitem(copies._BATCH_TOKENS, "cpu", 30)
    loaded = of_task(task)
    encoding = encode(loaded, TEXTS[0], target="it rains" if task == "translation" else None)
    output = usual_output(loaded, encoding)
    found = blank_out(loaded, encoding, output)
    place = next(place for place, token in enumerate(encoding.tokens) if not token.special) + 1
    ids = encoding.tensors["input_ids"].clone()
    ids[0, place] = found.blank.token
    with torch.no_grad():
        runs = [encoding.tensors, {**encoding.tensors, "input_ids": ids}]
        if task == "encoder":
            plain, other = (loaded.model(**run).last_hidden_state[0].mean(dim=0) for run in runs)
            expected = 1 - torch.cosine_similarity(plain, other, dim=0)
        else:
            rows = [loaded.model(**run).logits[0, output.position].log_softmax(dim=-1) for run in runs]
            expected = (rows[0] - rows[1])[output.token].abs()
    assert found.changes[place] == pytest.approx(float(expected), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("name", ["t5", "bart"])
def test_of_a_shared_table_only_the_source_is_blanked(name):
    from model.loading import wrap

    loaded = wrap(tiny(name))
    ids = torch.tensor([[5, 6, 7, 8]])
    encoding = encode(loaded, {"input_ids": ids, "decoder_input_ids": torch.tensor([[0, 9, 10]])})
    found = blank_out(loaded, encoding, TokenOutput(2, 4))
    with torch.no_grad():
        embedded = loaded.model.get_encoder().embed_tokens(ids)
        embedded[0, 1] = 0
        rows = [
            loaded.model(**source, decoder_input_ids=encoding.tensors["decoder_input_ids"])
            .logits[0, 2]
            .log_softmax(-1)[4]
            for source in ({"input_ids": ids}, {"inputs_embeds": embedded})
        ]
    assert found.changes[1] == pytest.approx(abs(float(rows[0] - rows[1])), rel=1e-3, abs=1e-6)


def test_outputs_of_every_task():
    causal = encode(of_task("causal"), TEXTS[0])
    output = usual_output(of_task("causal"), causal)
    assert output.position == len(causal.tokens) - 1
    assert readout(causal, output)[-1] == 1
    masked = of_task("masked")
    assert isinstance(usual_output(masked, encode(masked, TEXTS[0])), EmbeddingOutput)
    encoding = encode(masked, "the cats [MASK] the street")
    assert encoding.tokens[usual_output(masked, encoding).position].text == "[MASK]"
    assert readout(encoding, EmbeddingOutput()) == pytest.approx(
        np.full(len(encoding.tokens), 1 / len(encoding.tokens))
    )


@pytest.mark.parametrize(
    ("task", "output", "said"),
    [
        ("encoder", TokenOutput(0, 5), "no output layer"),
        ("causal", TokenOutput(500, 5), "position from 0"),
        ("translation", EmbeddingOutput(), "choose a token"),
    ],
)
def test_an_output_that_is_not_there_is_refused(task, output, said):
    loaded = of_task(task)
    encoding = encode(loaded, TEXTS[0], target="it rains" if task == "translation" else None)
    with pytest.raises(HeadscopeError, match=said):
        blank_out(loaded, encoding, output)


def test_a_text_of_special_tokens_alone_is_refused():
    with pytest.raises(HeadscopeError, match="special"):
        blank_out(linear_model(), encoded(0, special=(0,)), EmbeddingOutput())
